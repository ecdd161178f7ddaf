"""The high-water mark: the journal's last position, noted outside of it, to see that its newest part was lost.

SQLite cannot tell that its write-ahead log was deleted or that an older copy of the file was put back: both read as
a sound, shorter journal. The mark can. It is written after every commit without a sync, so that it may fall behind
at a power loss, but is never ahead of what was committed.
"""

from __future__ import annotations

import os
from pathlib import Path

_DIGITS = 20


class HighWater:
    """The mark's file, open for the life of the journal."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def read(self) -> int:
        """Return the noted position; 0 when there is none that can be read."""
        text = os.pread(self._fd, _DIGITS, 0)
        return int(text) if len(text) == _DIGITS and text.isdigit() else 0

    def write(self, position: int) -> None:
        """Note ``position``. A failure is passed over: the mark is a help, not the journal."""
        try:
            os.pwrite(self._fd, b"%020d" % position, 0)
        except OSError:
            return

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)
