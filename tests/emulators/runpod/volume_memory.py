"""A volume's files in memory, for simulation: fast, and the same every time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence

from tests.emulators.runpod.volume_files import Entry, Stat, check_path, parents


class MemoryFiles:
    """Files in a dictionary, with the folders a disk would have."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}
        self._stats: dict[str, Stat] = {}
        """By path, folders too."""
        self._keys: list[str] = []
        """Sorted; those of folders end with a slash."""
        self._usage = 0
        self._versions = 0

    def put(self, path: str, content: bytes, now: float) -> None:
        """Write a file whole, in place of an earlier one."""
        check_path(path)
        known = self._stats.get(path)
        if known is not None and known.folder:
            raise IsADirectoryError(path)
        self._make_parents(path, now)
        if known is None:
            insort(self._keys, path)
        self._usage += len(content) - (known.size if known else 0)
        self._contents[path] = bytes(content)
        self._stats[path] = self._stat(len(content), now)

    def create(self, path: str, content: bytes, now: float) -> bool:
        """Write a file under a free name; ``False`` if it is taken."""
        check_path(path)
        if path in self._stats:
            return False
        self.put(path, content, now)
        return True

    def join(self, sources: Sequence[str], target: str, now: float) -> None:
        """Write one file from others."""
        self.put(target, b"".join([self.read(source) for source in sources]), now)

    def make_folder(self, path: str, now: float) -> None:
        """Make a folder and those above it."""
        check_path(path)
        self._make_parents(path, now)
        known = self._stats.get(path)
        if known is not None and not known.folder:
            raise NotADirectoryError(path)
        self._make_folder(path, now)

    def read(self, path: str, start: int = 0, size: int | None = None) -> bytes:
        """Return a part of a file."""
        stat = self.stat(path)
        if stat is None:
            raise FileNotFoundError(path)
        if stat.folder:
            raise IsADirectoryError(path)
        return self._contents[path][start : None if size is None else start + size]

    def stat(self, path: str) -> Stat | None:
        """Return what is at this path."""
        check_path(path)
        return self._stats.get(path)

    def delete(self, path: str) -> bool:
        """Remove a file or an empty folder."""
        stat = self.stat(path)
        if stat is None or (stat.folder and not self._empty(f"{path}/")):
            return False
        key = f"{path}/" if stat.folder else path
        del self._keys[bisect_left(self._keys, key)]
        del self._stats[path]
        self._usage -= len(self._contents.pop(path, b""))
        return True

    def walk(self, prefix: str = "", after: str = "") -> Iterator[Entry]:
        """Yield files and empty folders in the order of their keys."""
        at = max(bisect_left(self._keys, prefix), bisect_right(self._keys, after))
        while at < len(self._keys) and (key := self._keys[at]).startswith(prefix):
            if not key.endswith("/") or self._empty(key):
                yield Entry(key, self._stats[key.rstrip("/")])
            at = bisect_right(self._keys, key)

    def usage(self) -> int:
        """Return the bytes of all files."""
        return self._usage

    def _empty(self, folder: str) -> bool:
        at = bisect_right(self._keys, folder)
        return at == len(self._keys) or not self._keys[at].startswith(folder)

    def _make_parents(self, path: str, now: float) -> None:
        above = parents(path)
        for folder in above:
            known = self._stats.get(folder)
            if known is not None and not known.folder:
                raise NotADirectoryError(folder)
        for folder in above:
            self._make_folder(folder, now)

    def _make_folder(self, path: str, now: float) -> None:
        if path not in self._stats:
            insort(self._keys, f"{path}/")
            self._stats[path] = self._stat(0, now, folder=True)

    def _stat(self, size: int, now: float, folder: bool = False) -> Stat:
        self._versions += 1
        return Stat(size, now, str(self._versions), folder)
