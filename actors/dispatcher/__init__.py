"""Dispatcher: commands in, each acted on exactly once; planning, queueing, and supervisors again after a restart."""
