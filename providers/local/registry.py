"""What this provider remembers of its machines, on disk: one directory per machine, one line per ended one.

``machines/<name>/`` holds ``machine.json`` (what was launched, where and at what price), ``lock`` (held by the
wrapper as long as it lives), ``members`` (processes seen as its own: pid and start time), ``console.log``,
``reaped`` (the wrapper's word that nothing is left below it) and ``scratch/``. Making the directory is the create:
a second one under the same name cannot happen. A machine proven gone becomes a line of ``ended.ndjson`` first, and
then its directory goes; so a crash in between loses neither, and its name is never used again.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from pydantic import ValidationError

from messages.base import Instant, Record
from messages.money import UsdPerHour
from providers.interface import Refused
from providers.local.processes import ProcessKey

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")

MACHINE_FILE = "machine.json"
LOCK_FILE = "lock"
MEMBERS_FILE = "members"
CONSOLE_FILE = "console.log"
REAPED_FILE = "reaped"
SCRATCH_FOLDER = "scratch"
ENDED_FILE = "ended.ndjson"
CONSOLES_FOLDER = "consoles"

MEMBER_LINES_MAX = 4096
"""The members file is written anew, with the living only, when it has grown to this."""
PLAIN_BYTES_MAX = 4 << 20
"""Most that is read of ``machine.json`` or ``members``."""
CONSOLES_KEPT = 50
"""Consoles of ended machines that are kept, the newest ones."""
CONSOLE_BYTES_KEPT = 64 << 10
"""The end of each console that is kept."""


class MachineRecord(Record):
    """``machine.json``."""

    name: str
    digest: str
    """Of the create request: the same name with another request is refused."""
    account: str
    boot_id: str
    pid_namespace: str
    uid: int
    began: Instant
    rate_usd_per_hour: UsdPerHour
    wrapper_pid: int | None = None
    wrapper_start: int | None = None

    @property
    def wrapper(self) -> ProcessKey | None:
        """The machine's first process, once known."""
        if self.wrapper_pid is None or self.wrapper_start is None:
            return None
        return ProcessKey(self.wrapper_pid, self.wrapper_start)


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


@dataclass
class Entry:
    """A machine that is not yet proven gone."""

    path: Path
    record: MachineRecord
    members: set[ProcessKey] = field(default_factory=set)
    member_lines: int = 0
    ending: bool = False
    absent_since: datetime | None = None
    """First full look that showed no process and a free lock; ``None`` while there is a sign of life."""

    @property
    def name(self) -> str:
        """The machine's name and id."""
        return self.record.name

    @property
    def reaped(self) -> bool:
        """Whether the wrapper left its word that it reaped all that was below it."""
        return (self.path / REAPED_FILE).exists()

    def lock_is_free(self) -> bool:
        """Return whether nobody holds the machine's lock: its wrapper, its launcher, or a launch in progress."""
        return lock_is_free(self.path)

    def see(self, seen: set[ProcessKey]) -> None:
        """Remember processes as the machine's own; what no longer lives is forgotten (a key is never reused)."""
        new = seen - self.members
        self.members = set(seen)
        if not new:
            return
        if self.member_lines + len(new) > MEMBER_LINES_MAX:
            write_whole(self.path / MEMBERS_FILE, _member_text(self.members))
            self.member_lines = len(self.members)
            return
        try:
            descriptor = open_plain(self.path / MEMBERS_FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        except OSError:  # the directory is gone, or the work put something else in its place
            return
        with os.fdopen(descriptor, "a", encoding="ascii") as file:
            file.write(_member_text(new))
        self.member_lines += len(new)


class Registry:
    """The machines of one root directory. Blocking; used from the provider's one thread."""

    def __init__(self, root: Path) -> None:
        self._folder = root / "machines"
        self._ended_file = root / ENDED_FILE
        self._consoles = root / CONSOLES_FOLDER
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.ended: dict[str, Ended] = {e.name: e for e in _read_ended(self._ended_file)}
        self.entries: dict[str, Entry] = {}
        self.refresh()

    def refresh(self) -> None:
        """Take up machine directories that appeared (a restart), finish removals that a crash cut short."""
        for path in sorted(self._folder.iterdir()):
            if path.name in self.entries or path.is_symlink() or not is_name(path.name):
                continue
            entry = None if path.name in self.ended else _read_entry(path)
            if entry is not None:
                self.entries[path.name] = entry
            elif path.name in self.ended or lock_is_free(path):
                # Ended and cut while removing, or cut while making: nothing starts before machine.json is there.
                shutil.rmtree(path, ignore_errors=True)

    def create(self, record: MachineRecord) -> tuple[Entry, int]:
        """Make the directory and take its lock; return the entry and the lock's descriptor.

        Raises FileExistsError when the machine was made before.
        """
        path = self._folder / record.name
        path.mkdir(mode=0o700)
        lock = os.open(path / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (path / SCRATCH_FOLDER).mkdir(mode=0o700)
        entry = Entry(path, record)
        self.write(entry)
        self.entries[record.name] = entry
        return entry, lock

    def write(self, entry: Entry) -> None:
        """Replace ``machine.json``."""
        write_whole(entry.path / MACHINE_FILE, entry.record.model_dump_json())

    def forget(self, entry: Entry) -> None:
        """Remove every trace of a create that made nothing."""
        self.entries.pop(entry.name, None)
        shutil.rmtree(entry.path, ignore_errors=True)

    def end(self, entry: Entry, ended: datetime) -> Ended:
        """Book a proven end, keep the end of the console, remove the directory."""
        record = entry.record
        line = Ended(
            name=record.name,
            digest=record.digest,
            account=record.account,
            began=record.began,
            ended=ended,
            rate_usd_per_hour=record.rate_usd_per_hour,
        )
        with self._ended_file.open("ab") as file:
            file.write(line.model_dump_json().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.ended[record.name] = line
        self._keep_console(entry)
        self.forget(entry)
        return line

    def console(self, name: str) -> Path:
        """Return where the console of a machine is, or was kept."""
        entry = self.entries.get(name)
        return entry.path / CONSOLE_FILE if entry else self._consoles / f"{name}.log"

    def _keep_console(self, entry: Entry) -> None:
        with contextlib.suppress(OSError):
            text = _tail(entry.path / CONSOLE_FILE, CONSOLE_BYTES_KEPT)
            if text:
                self._consoles.mkdir(exist_ok=True, mode=0o700)
                (self._consoles / f"{entry.name}.log").write_bytes(text)
                kept = sorted(self._consoles.iterdir(), key=lambda p: p.stat().st_mtime_ns)
                for old in kept[:-CONSOLES_KEPT]:
                    old.unlink()


def open_plain(path: Path, flags: int) -> int:
    """Open a regular file in a machine's directory and return its descriptor.

    The work can put a link or a pipe in its place: neither is followed or waited for. Raises OSError (EINVAL for what
    is no regular file).
    """
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return descriptor


def read_plain(path: Path) -> bytes:
    """Read a regular file in a machine's directory, at most ``PLAIN_BYTES_MAX``. Raises OSError."""
    with os.fdopen(open_plain(path, os.O_RDONLY), "rb") as file:
        return file.read(PLAIN_BYTES_MAX)


def lock_is_free(path: Path) -> bool:
    """Return whether the lock in a machine's directory can be taken; it is let go of at once."""
    try:
        descriptor = open_plain(path / LOCK_FILE, os.O_RDWR)
    except OSError as error:
        # No such lock, or something else put in its place: nobody can be holding it. Any other trouble is ours.
        return error.errno in (errno.ENOENT, errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.ENOTDIR, errno.EINVAL)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def is_name(name: str) -> bool:
    """Return whether a machine of ours could be called so; anything else never becomes a path."""
    return _NAME.fullmatch(name) is not None


def check_name(name: str) -> None:
    """Raise Refused on what cannot be the name of a local machine."""
    if not is_name(name):
        raise Refused(f"{name[:64]!r} cannot be the name of a local machine: a-z, 0-9 and - only, at most 63")


def write_whole(path: Path, text: str) -> None:
    """Replace a small file in one step: a reader sees the old or the new one."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text, "utf-8")
    fresh.replace(path)


def _read_entry(path: Path) -> Entry | None:
    try:
        record = MachineRecord.model_validate_json(read_plain(path / MACHINE_FILE))
    except (OSError, ValidationError):
        return None
    if record.name != path.name:
        return None
    lines = _member_lines(path / MEMBERS_FILE)
    found = set(lines)
    if record.wrapper is not None:
        found.add(record.wrapper)
    return Entry(path, record, found, len(lines))


def _member_text(keys: set[ProcessKey]) -> str:
    return "".join(f"{key.pid} {key.start}\n" for key in sorted(keys))


def _member_lines(path: Path) -> list[ProcessKey]:
    try:
        lines = read_plain(path).decode("ascii", "replace").splitlines()
    except OSError:
        return []
    pairs = (line.split() for line in lines)
    return [ProcessKey(int(p[0]), int(p[1])) for p in pairs if len(p) == 2 and p[0].isdecimal() and p[1].isdecimal()]


def _read_ended(path: Path) -> Iterator[Ended]:
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return
    if lines[-1]:
        # Torn by a crash: the directory is still there and will be proven gone again.
        with path.open("r+b") as file:
            file.truncate(sum(len(line) + 1 for line in lines[:-1]))
    for line in lines[:-1]:
        with contextlib.suppress(ValidationError, json.JSONDecodeError):
            yield Ended.model_validate_json(line)


def _tail(path: Path, size: int) -> bytes:
    with os.fdopen(open_plain(path, os.O_RDONLY), "rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - size))
        return file.read(size)
