"""One daemon per state directory: a lock held for life (rule 9 of the design, fault 53)."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

LOCK_FILE = "lock"
STATE_DIR_MODE = 0o700


class StateLocked(Exception):
    """Another process holds the state directory (code ``E-LOCKED``)."""

    def __init__(self, state_dir: Path, pid: int | None) -> None:
        self.pid = pid
        """Process id of the holder, where it could be read."""
        holder = f"process {pid}" if pid else "another process"
        super().__init__(f"{state_dir} is in use by {holder}")


class StateLock:
    """The held lock. The kernel frees it when the process ends, however it ends."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @classmethod
    def take(cls, state_dir: Path) -> StateLock:
        """Make ``state_dir`` where it is missing, closed to others, and lock it.

        Raises ``StateLocked`` at once when somebody else holds it, ``OSError`` when the directory cannot be used.
        The descriptor is not inherited by programs that are started.
        """
        state_dir.mkdir(mode=STATE_DIR_MODE, parents=True, exist_ok=True)
        state_dir.chmod(STATE_DIR_MODE)
        fd = os.open(state_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = _pid(fd)
            os.close(fd)
            raise StateLocked(state_dir, holder) from error
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        return cls(fd)

    def release(self) -> None:
        """Give the lock back. The file stays: removing it would let two processes lock two files of one name."""
        os.ftruncate(self._fd, 0)
        os.close(self._fd)


def _pid(fd: int) -> int | None:
    text = os.pread(fd, 20, 0).strip()
    return int(text) if text.isdigit() else None
