"""What the endpoint remembers of keys beside the files: ETags, sizes it last showed, and what changed lately."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from tests.emulators.runpod.volume import Stat, Volume

V = TypeVar("V")

REMEMBERED_MAX = 100_000
"""Keys of which anything is remembered; the oldest is forgotten first."""
CHANGES_MAX = 10_000
"""Changes that a stale list can look back over."""


@dataclass(frozen=True)
class Shown:
    """One key as lists and HEAD show it."""

    key: str
    size: int
    mtime: float
    etag: str
    """Without quotes."""


@dataclass(frozen=True)
class _Change:
    at: float
    volume: str
    key: str
    before: Shown | None


class Index:
    """Memory that a restart of the endpoint loses: then every ETag is the MD5 of what is there."""

    def __init__(self) -> None:
        self._etags: dict[tuple[str, str], tuple[str, str]] = {}
        self._shown: dict[tuple[str, str], Shown] = {}
        self._changes: deque[_Change] = deque(maxlen=CHANGES_MAX)

    def look(self, volume: Volume, key: str, stat: Stat, *, stale: bool = False) -> Shown:
        """Return a key as it is shown; ``stale``: as it was shown last, if it ever was."""
        if stale and (volume.id, key) in self._shown:
            return self._shown[volume.id, key]
        found = Shown(key, stat.size, stat.mtime, self._etag(volume, key, stat))
        if not stale:
            _remember(self._shown, (volume.id, key), found)
        return found

    def note(self, volume: Volume, key: str, before: Shown | None, now: float, etag: str | None = None) -> None:
        """Record that the endpoint changed a key; ``etag``: what it answered, where it is not the MD5."""
        self._changes.append(_Change(now, volume.id, key, before))
        self._shown.pop((volume.id, key), None)
        stat = volume.files.stat(key.removesuffix("/"))
        if stat is not None:
            if etag is not None:
                _remember(self._etags, (volume.id, key), (stat.version, etag))
            self.look(volume, key, stat)

    def as_of(self, volume: Volume, shown: Iterable[Shown], moment: float) -> Iterator[Shown]:
        """Yield what a list would have shown at ``moment``, in order; ``shown`` is what is there now."""
        then = {one.key: one for one in shown}
        for change in reversed(self._changes):
            if change.at > moment and change.volume == volume.id:
                if change.before is None:
                    then.pop(change.key, None)
                else:
                    then[change.key] = change.before
        for key in sorted(then):
            if then[key].mtime <= moment:
                yield then[key]

    def _etag(self, volume: Volume, key: str, stat: Stat) -> str:
        known = self._etags.get((volume.id, key))
        if known is not None and known[0] == stat.version:
            return known[1]
        try:
            etag = md5(b"" if stat.folder else volume.files.read(key.removesuffix("/")))
        except (FileNotFoundError, IsADirectoryError):
            return md5(b"")  # A pod was quicker.
        _remember(self._etags, (volume.id, key), (stat.version, etag))
        return etag


def md5(content: bytes) -> str:
    """Return the ETag of what came in one piece."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def joined_etag(etags: Iterable[str]) -> str:
    """Return the ETag of what came in parts."""
    parts = [bytes.fromhex(etag) for etag in etags]
    return f"{md5(b''.join(parts))}-{len(parts)}"


def _remember(memory: dict[tuple[str, str], V], key: tuple[str, str], value: V) -> None:
    memory[key] = value
    if len(memory) > REMEMBERED_MAX:
        del memory[next(iter(memory))]
