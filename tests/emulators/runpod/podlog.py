"""What a pod's log holds: container and system lines with ids, a bounded number of each (fact sheet 2.4)."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

LINES_MAX = 20_000
Source = Literal["container", "system"]


@dataclass(frozen=True)
class Entry:
    """One line."""

    number: int
    at: float
    source: Source
    line: str

    @property
    def id(self) -> str:
        """Return its event id, as ``2026-06-01T12:02:03Z/000000000001``."""
        return f"{instant(self.at)}/{self.number:012d}"

    def frame(self, skew: float = 0.0) -> bytes:
        """Return its server-sent event."""
        data = {"ts": instant(self.at + skew), "source": self.source, "line": self.line}
        return f"id: {self.id}\ndata: {json.dumps(data)}\n\n".encode()


class PodLog:
    """The lines of one pod; the oldest fall out."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=LINES_MAX)
        self._number = 0

    def add(self, at: float, source: Source, line: str) -> None:
        """Write one line."""
        self._number += 1
        self._entries.append(Entry(self._number, at, source, line))

    def after(self, number: int, source: str | None = None) -> Sequence[Entry]:
        """Return the lines younger than line ``number``."""
        if self._number <= number:
            return ()
        return [one for one in self._entries if one.number > number and source in (None, one.source)]

    def drop_container_lines(self) -> None:
        """Lose what the container said: it goes soon after the container does."""
        kept = [one for one in self._entries if one.source == "system"]
        self._entries.clear()
        self._entries.extend(kept)


def instant(at: float) -> str:
    """Return a time as the platform writes it, to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
