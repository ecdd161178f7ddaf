"""Machines proven gone, one line each in ``ended.ndjson``: what their bill needs, and that their name is used up."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from pydantic import ValidationError

from messages.base import Instant, Record
from messages.money import UsdPerHour
from providers.local.plain import opened, write_whole

ENDED_FILE = "ended.ndjson"
ENDED_KEPT = 10_000
"""Machines that are remembered after their end, the last ones.

A forgotten name could be launched anew, but a create is sent only seconds after its intent (design.md 4), and its
line has been on the bill long before.
"""
ENDED_LINES_MAX = 2 * ENDED_KEPT
"""Lines at which the file is written anew with those that are kept."""


class Ended(Record):
    """A line of ``ended.ndjson``: a machine proven gone, with what its bill needs."""

    name: str
    digest: str
    account: str
    began: Instant
    ended: Instant
    rate_usd_per_hour: UsdPerHour

    @property
    def seconds(self) -> Decimal:
        """How long it lived."""
        return Decimal(str(max(0.0, (self.ended - self.began).total_seconds())))


class EndedBook:
    """The file and what is in it; ``kept`` has the last ``ENDED_KEPT`` machines by name, in the order they ended."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lines = 0
        self.kept: dict[str, Ended] = {}
        for line in self._read():
            self._keep(line)

    def add(self, line: Ended) -> None:
        """Write one line, durably, then remember it. Raises OSError, and then the machine counts as not ended."""
        data = line.model_dump_json().encode() + b"\n"
        with opened(self._root, ENDED_FILE, os.O_RDWR | os.O_APPEND | os.O_CREAT) as file:
            size = os.fstat(file).st_size
            if size and os.pread(file, 1, size - 1) != b"\n":
                data = b"\n" + data  # a line torn by a full disk stays a line of its own, which nobody can read
            written = os.write(file, data)
            if written != len(data):
                os.ftruncate(file, size)
                raise OSError(errno.ENOSPC, "only a part was written", ENDED_FILE)
            os.fsync(file)
        self._lines += 1
        self._keep(line)
        if self._lines > ENDED_LINES_MAX:
            with contextlib.suppress(OSError):  # the next line tries again
                self._write_anew()

    def _keep(self, line: Ended) -> None:
        self.kept.pop(line.name, None)
        self.kept[line.name] = line
        while len(self.kept) > ENDED_KEPT:
            del self.kept[next(iter(self.kept))]

    def _write_anew(self) -> None:
        text = "".join(f"{line.model_dump_json()}\n" for line in self.kept.values())
        write_whole(self._root, ENDED_FILE, text.encode())
        self._lines = len(self.kept)

    def _read(self) -> Iterator[Ended]:
        """Yield what can be read. What a crash tore is passed over: its directory is there and is proven gone again."""
        try:
            with opened(self._root, ENDED_FILE, os.O_RDONLY) as descriptor, os.fdopen(os.dup(descriptor), "rb") as file:
                for raw in file:
                    self._lines += 1
                    with contextlib.suppress(ValidationError):
                        yield Ended.model_validate_json(raw)
        except FileNotFoundError:
            return
