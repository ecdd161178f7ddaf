"""Space kept back on the journal's disk, so that a full disk still takes the ends of what runs."""

from __future__ import annotations

import os
from pathlib import Path

RESERVE_BYTES = 8 << 20
"""Size of the reserve: room for about ten thousand events."""


class SpaceReserve:
    """A file of allocated, unused blocks beside the journal; deleted when the disk is full, made again later."""

    def __init__(self, path: Path, size_bytes: int = RESERVE_BYTES) -> None:
        self._path = path
        self._size_bytes = size_bytes

    def hold(self) -> bool:
        """Make the reserve; False when there is no room for it (then nothing of it is left)."""
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                # Allocates blocks; a sparse file would keep nothing back.
                os.posix_fallocate(fd, 0, self._size_bytes)
            finally:
                os.close(fd)
        except OSError:
            self.release()
            return False
        return True

    def release(self) -> bool:
        """Give the space back to the disk; False when nothing was held."""
        try:
            held = self._path.stat().st_size > 0
            self._path.unlink()
        except OSError:
            return False
        return held
