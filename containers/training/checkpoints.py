"""What is kept of a fit that goes on for long: one file, replaced whole, that the wrapper carries to the job folder.

The next attempt finds it under the same name and goes on from there. It holds ``state.json`` and one payload in a form
that is safe to read: arrays, a skops file judged by the family's own list of types, or a booster in its own library's
format. One made for another order, data or version is not used.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from containers.training.progress import Metric, Progress

CHECKPOINT_VARIABLE = "LASTCALL_CHECKPOINT_FILE"
FIRST_S = 2.0
"""Fitting time after which the first checkpoint is written; the time to the next one doubles each time."""
INTERVAL_S_MAX = 60.0
"""Longest time between two checkpoints."""
COST_SHARE = 0.05
"""Largest share of the fitting time that writing checkpoints may take."""
STATE = "state.json"
PAYLOAD = "payload"
SEARCH = "search.json"
"""What ``auto`` has found, kept beside the fit of its choice."""
BYTES_MAX = 2 << 30
SEARCH_BYTES_MAX = 1 << 20
SCHEMA = "checkpoint/v1"
LOSS = "training_loss"
"""What a fit that has rounds tells of itself: the loss on the rows it learns from, by the library's own measure."""


class Interrupted(Exception):
    """The machine is being taken or the time is up; what could be kept is kept."""


class Saved(NamedTuple):
    """A checkpoint that was found."""

    rounds: int
    payload: bytes


def key_of(about: Mapping[str, Any]) -> str:
    """Return what a checkpoint must have in common with the fit that goes on from it."""
    return hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode()).hexdigest()


class Keeper:
    """Counts rounds, tells of them, and keeps the fit at an interval and when it is asked to stop."""

    def __init__(
        self,
        path: Path | None,
        key: str,
        progress: Progress,
        clock: Callable[[], float] = time.monotonic,
        beside: Mapping[str, bytes] = {},
    ) -> None:
        """Without a path nothing is kept; ``beside`` are further members that each checkpoint has."""
        self.stopping = False
        """Set by whoever wants the fit to end at the next round."""
        self.written = 0
        """Checkpoints written so far."""
        self.computed_on = ""
        """What the fit computes on, where it could be another thing than the processor."""
        self._path = path
        self._key = key
        self._progress = progress
        self._clock = clock
        self._beside = beside
        self._wait_s = FIRST_S
        self._next_s = clock() + FIRST_S
        self._kept = -1

    @property
    def folder(self) -> Path | None:
        """Where a library may keep files of its own while it fits."""
        return self._path.parent if self._path else None

    def find(self) -> Saved | None:
        """Return the checkpoint of an earlier attempt, if there is one for this very fit."""
        if self._path is None or not self._path.is_file():
            return None
        try:
            with zipfile.ZipFile(self._path) as archive:
                if STATE not in archive.namelist() and SEARCH in archive.namelist():
                    return None
                state = json.loads(archive.read(STATE))
                info = archive.getinfo(PAYLOAD)
                if state["schema"] != SCHEMA or state["key"] != self._key or info.file_size > BYTES_MAX:
                    raise ValueError("made for another fit")
                found = Saved(int(state["rounds"]), archive.read(PAYLOAD))
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            self.discard(str(error))
            return None
        self._kept = found.rounds
        return found

    def discard(self, why: str) -> None:
        """Say that the checkpoint found is not used."""
        self._kept = -1
        self._progress.say(f"the checkpoint of the last attempt is not used: {why}")

    def begin(self, done: int, total: int) -> None:
        """Start counting: ``done`` rounds are there already."""
        self._progress.begin_rounds(done, total)
        self._progress.say(f"starting at round {done:,} of {total:,}")
        self._next_s = self._clock() + self._wait_s

    def round(self, done: int, payload: Callable[[], bytes], metric: Metric = None) -> None:
        """Say that ``done`` rounds are done; keep them if it is time to. Raises ``Interrupted`` when asked to stop."""
        self.tell(done, metric)
        if self.stopping:
            self.stop(done, payload)
        if self._path is not None and self._clock() >= self._next_s:
            self.save(done, payload)

    def stop(self, done: int, payload: Callable[[], bytes]) -> None:
        """Keep what is done and raise ``Interrupted``."""
        self.save(done, payload)
        self._progress.say(f"stopped after round {done:,}")
        raise Interrupted(f"stopped after round {done}")

    def tell(self, done: int, metric: Metric = None) -> None:
        """Say that ``done`` rounds are done, and no more."""
        self._progress.round(done, metric)

    def computes(self, on: str, why: str) -> None:
        """Note what the fit computes on, and say ``why`` where there is something to say."""
        self.computed_on = on
        if why:
            self._progress.say(why)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Let SIGTERM ask this keeper to stop, instead of ending the program at once."""
        before = signal.signal(signal.SIGTERM, lambda *_: setattr(self, "stopping", True))
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def save(self, done: int, payload: Callable[[], bytes]) -> None:
        """Write a checkpoint: whole or not at all, and never an older one over a newer."""
        if self._path is None or done <= self._kept:
            return
        began = self._clock()
        state = {"schema": SCHEMA, "key": self._key, "rounds": done}
        data = _packed({STATE: json.dumps(state).encode(), PAYLOAD: payload(), **self._beside})
        if len(data) > BYTES_MAX:
            self._progress.say("the fit has grown too large for checkpoints")
            self._next_s = float("inf")
            return
        _replace(self._path, data)
        self._kept = done
        self.written += 1
        self._wait_s = min(2 * self._wait_s, INTERVAL_S_MAX)
        ended = self._clock()
        self._next_s = ended + max(self._wait_s, (ended - began) / COST_SHARE)
        self._progress.say(f"checkpoint at round {done:,}")


class SearchRecord:
    """What ``auto`` has found so far, in the same file, so that the next attempt comes to the same choice."""

    def __init__(self, path: Path | None, key: str) -> None:
        """Without a path nothing is kept."""
        self._path = path
        self._key = key

    def find(self) -> list[Any]:
        """Return what was written last for this very search; nothing where there is none or it cannot be read."""
        if self._path is None or not self._path.is_file():
            return []
        try:
            with zipfile.ZipFile(self._path) as archive:
                if SEARCH not in archive.namelist() or archive.getinfo(SEARCH).file_size > SEARCH_BYTES_MAX:
                    return []
                document = json.loads(archive.read(SEARCH))
            return list(document["found"]) if document["key"] == self._key else []
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
            return []

    def members(self, found: list[Any]) -> dict[str, bytes]:
        """Return what a checkpoint of the choice carries along."""
        return {SEARCH: json.dumps({"key": self._key, "found": found}).encode()}

    def save(self, found: list[Any]) -> None:
        """Write what is found: whole or not at all."""
        if self._path is not None:
            _replace(self._path, _packed(self.members(found)))


def _packed(members: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return target.getvalue()


def _replace(path: Path, data: bytes) -> None:
    """Put a file in place of another, whole, and on the disk before it has the name."""
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
