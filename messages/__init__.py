"""What is said: frozen types for ids, money, jobs, machines, storage, costs and events.

Imports nothing of ours. This package file stays empty of imports on purpose: ``messages.errors`` and
``messages.schemas`` are read by the command line, which must not pay for pydantic.
"""
