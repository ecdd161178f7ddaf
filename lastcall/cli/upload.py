"""Sending a file to the daemon, with how much of it is there as the one line that changes."""

from __future__ import annotations

from pathlib import Path

from lastcall.cli.app import App
from lastcall.cli.client import Reply
from lastcall.cli.text import size


def send(app: App, address: str, path: Path, called: str, **query: str | None) -> Reply:
    """Return what the daemon answers to the file at ``path``, which people know as ``called``.

    The line is gone afterwards, however it ends: what is said next stands on a line of its own.
    """
    whole = path.stat().st_size
    what = f"{called}: " if called else ""
    try:
        return app.client.upload(
            address, path, lambda sent: app.screen.status(f"sending {what}{size(sent)} of {size(whole)}"), **query
        )
    finally:
        app.screen.done()
