"""Copies of the journal, whole or not at all.

A copy carries the mark ``copied``: opened as a journal it is recognised as a restored backup (safe mode), because the
machines rented since are not in it.
"""

from __future__ import annotations

import os
from pathlib import Path

import apsw


def backup(source: apsw.Connection, path: Path) -> None:
    """Copy the database behind ``source`` to ``path`` (replaced whole, synced, 0600)."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        _copy(source, part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _copy(source: apsw.Connection, part: Path) -> None:
    target = apsw.Connection(str(part))
    try:
        # In one go: between steps a commit would begin the copy again, and under load it would never end.
        with target.backup("main", source, "main") as copy:
            copy.step()
        target.execute("PRAGMA journal_mode = DELETE")
        target.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('copied', '1')")
    finally:
        target.close()
