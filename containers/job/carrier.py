"""The carrier: one thread that copies the work's checkpoint into the job folder when it has changed.

A checkpoint may be large and storage slow; so this is not the courier's, whose heartbeat waits for nothing here. Two
copies are kept in turn, and ``checkpoint.json`` names them, newest first, with size and digest: whatever breaks off,
the one before it stays whole. No failure in here ends anything.
"""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path
from typing import Any, Callable

from containers.job import folder as names
from containers.job.clock import Clock, instant
from containers.job.folder import Folder, dump
from containers.job.scratch import checkpoint_file
from containers.job.settings import Settings

LOOK_S = 1.0
"""How often the work's file is looked at, on the machine's own disk."""
COST_SHARE = 0.1
"""Largest share of the time that copying may take."""
BYTES_MAX = (2 << 30) + (1 << 20)
"""Largest checkpoint that is carried; the training program makes none above 2 GiB."""
SLOTS = (f"{names.CHECKPOINT_FOLDER}/1", f"{names.CHECKPOINT_FOLDER}/2")
SCHEMA = "kept/v1"


class Carrier:
    """Carries checkpoints out. ``fenced`` says whether the attempt is another's by now, ``say`` takes log lines."""

    def __init__(
        self,
        settings: Settings,
        folder: Folder,
        clock: Clock,
        fenced: Callable[[], bool] = lambda: False,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._clock = clock
        self._fenced = fenced
        self._say = say
        self._told = ""
        self._source = checkpoint_file(settings)
        self._seen: tuple[int, int, int] | None = None
        self._kept: list[dict[str, Any]] = []
        self._next = clock.boot()
        self._closing = threading.Event()
        self._once_more = False
        self._thread = threading.Thread(target=self._run, name="carrier", daemon=True)

    def start(self) -> None:
        """Take the checkpoint that lies there now as carried already, and start the thread."""
        self._seen = _mark(self._source)
        self._thread.start()

    def close(self, once_more: bool) -> None:
        """Ask the thread to end, after one more copy where that may still be of use."""
        self._once_more = once_more
        self._closing.set()

    def wait(self, limit_s: float) -> bool:
        """Return whether the thread has ended within the limit; one that has not holds up nothing."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, limit_s))
        return not self._thread.is_alive()

    def discard(self) -> None:
        """Take away what was kept: the work is done."""
        if self.wait(0.0):
            for name in (names.CHECKPOINT, *(entry["name"] for entry in self._kept)):
                self._folder.forget(name)

    def look(self) -> None:
        """Copy the checkpoint if it has changed."""
        mark = _mark(self._source)
        if mark is None or mark == self._seen or self._fenced():
            return
        began = self._clock.boot()
        try:
            self._carry(mark)
        except OSError as error:
            self._trouble(f"the checkpoint could not be kept: {error.strerror or error}")
        except ValueError as error:
            self._trouble(f"the checkpoint is not kept: {error}")
        ended = self._clock.boot()
        self._next = ended + max(self._settings.checkpoint_interval_s, (ended - began) / COST_SHARE)

    def _carry(self, mark: tuple[int, int, int]) -> None:
        """Copy one file, then say where it is. Raises OSError, ValueError."""
        with open(os.open(self._source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            before = os.fstat(file.fileno())
            if not stat.S_ISREG(before.st_mode) or before.st_size > BYTES_MAX:
                self._seen = mark
                raise ValueError(f"it is no regular file of at most {BYTES_MAX} bytes")
            self._folder.ensure(names.CHECKPOINT_FOLDER)
            slot = SLOTS[1] if self._kept and self._kept[0]["name"] == SLOTS[0] else SLOTS[0]
            entry = self._folder.keep(file, slot)
            after = os.fstat(file.fileno())
        if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, entry["size_bytes"]):
            raise ValueError("it was written to while it was read, and not replaced whole")
        kept = [entry, *(one for one in self._kept if one["name"] != slot)]
        told = {"schema": SCHEMA, "attempt": self._settings.attempt, "at": instant(self._clock.wall()), "files": kept}
        self._folder.replace(names.CHECKPOINT, dump(told))
        self._kept, self._seen, self._told = kept, (before.st_ino, before.st_mtime_ns, before.st_size), ""

    def _trouble(self, text: str) -> None:
        if text != self._told:
            self._told = text
            self._say(text)

    def _run(self) -> None:
        while not self._closing.wait(min(LOOK_S, self._settings.checkpoint_interval_s)):
            if self._clock.boot() >= self._next:
                self._guarded_look()
        if self._once_more:
            self._guarded_look()

    def _guarded_look(self) -> None:
        try:
            self.look()
        except Exception as error:  # a fault of ours costs the checkpoint and nothing else
            self._trouble(f"the checkpoint is not kept: {type(error).__name__}: {error}")


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
