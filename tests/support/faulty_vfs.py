"""A file system for SQLite that fails on order: full, read-only, failing sync, failing write."""

from __future__ import annotations

import itertools
from typing import Any

import apsw

_NUMBERS = itertools.count()


class FaultyVFS(apsw.VFS):
    """Passes everything on, until ``fail`` names a fault. Registered under ``name`` while it is referenced."""

    def __init__(self) -> None:
        self.name = f"faulty-{next(_NUMBERS)}"
        self.fail_write: int | None = None
        """Result code every write answers with (``apsw.SQLITE_FULL``, ``SQLITE_IOERR_WRITE``, …)."""
        self.fail_sync: int | None = None
        self.bytes_left: int | None = None
        """Bytes that may still be written before the disk is full; ``None`` for no bound."""
        super().__init__(self.name, "")

    def xOpen(self, name: Any, flags: list[int]) -> FaultyFile:  # noqa: N802
        return FaultyFile(self, name, flags)

    def heal(self) -> None:
        """End every fault."""
        self.fail_write = self.fail_sync = self.bytes_left = None


class FaultyFile(apsw.VFSFile):
    """One open file."""

    def __init__(self, vfs: FaultyVFS, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._vfs = vfs

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        vfs = self._vfs
        if vfs.fail_write is not None:
            raise apsw.exception_for(vfs.fail_write)
        if vfs.bytes_left is not None:
            vfs.bytes_left -= len(data)
            if vfs.bytes_left < 0:
                raise apsw.exception_for(apsw.SQLITE_FULL)
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802
        if self._vfs.fail_sync is not None:
            raise apsw.exception_for(self._vfs.fail_sync)
        super().xSync(flags)
