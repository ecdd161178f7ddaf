"""Lastcall: train on rented GPUs from a chat or a shell. Nothing stays on.

The application room: configuration, ``boot(world)``, the daemon and the command line. Light on purpose: the command
line imports it.
"""

from __future__ import annotations

__version__ = "0.1.0"
