"""What this provider remembers of its machines, on disk: one directory per machine, one line per ended one.

``machines/<name>/`` holds ``machine.json`` (what was launched, where and at what price), ``lock`` (held by the
wrapper as long as it lives), ``members`` (processes seen as its own: pid and start time), ``console.log``,
``reaped`` (the wrapper's word that nothing is left below it) and ``scratch/``. Making the directory is the create:
a second one under the same name cannot happen. A machine proven gone becomes a line of ``ended.ndjson`` first, and
then its directory goes; so a crash in between loses neither, and its name is not used again.

The work can write in its machine's directory. Whatever it does there, no call waits or fails, and the machine is
never forgotten: with its record damaged it is still known by its name, its members, its lock and its marker.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from pydantic import Field, ValidationError

from messages.base import Instant, Record
from messages.money import UsdPerHour
from providers.interface import Refused
from providers.local.ended import Ended, EndedBook
from providers.local.plain import NO_PLAIN_FILE, append_plain, is_plain, opened, read_end, read_plain, write_whole
from providers.local.processes import ProcessKey
from providers.local.removal import remove_folder

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")

MACHINE_FILE = "machine.json"
LOCK_FILE = "lock"
MEMBERS_FILE = "members"
CONSOLE_FILE = "console.log"
REAPED_FILE = "reaped"
SCRATCH_FOLDER = "scratch"
CONSOLES_FOLDER = "consoles"

MEMBER_LINES_MAX = 4096
"""The members file is written anew, with the living only, when it has grown to this."""
MEMBER_LINES_READ_MAX = 4 * MEMBER_LINES_MAX
"""Lines read back: so many processes may live at once, and each is asked for."""
PLAIN_BYTES_MAX = 1 << 20
"""Most that is read of ``machine.json`` or ``members``."""
PID_MAX = 1 << 22
"""The kernel gives out none higher (proc(5), pid_max)."""
START_MAX = (1 << 63) - 1
"""Start times are clock ticks in 64 bits."""
_DIGITS_MAX = len(str(START_MAX))
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
    wrapper_pid: int | None = Field(default=None, ge=1, le=PID_MAX)
    wrapper_start: int | None = Field(default=None, ge=0, le=START_MAX)

    @property
    def wrapper(self) -> ProcessKey | None:
        """The machine's first process, once known."""
        if self.wrapper_pid is None or self.wrapper_start is None:
            return None
        return ProcessKey(self.wrapper_pid, self.wrapper_start)


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
    unwritten: bool = False
    """Members are known that could not be written down."""
    damaged: bool = False
    """Its ``machine.json`` cannot be read: what ``record`` says beyond the name is assumed."""

    @property
    def name(self) -> str:
        """The machine's name and id."""
        return self.record.name

    @property
    def reaped(self) -> bool:
        """Whether the wrapper left its word that it reaped all that was below it."""
        return is_plain(self.path, REAPED_FILE)

    def lock_is_free(self) -> bool:
        """Return whether nobody holds the machine's lock: its wrapper, its launcher, or a launch in progress."""
        return lock_is_free(self.path)

    def see(self, seen: set[ProcessKey]) -> None:
        """Remember processes as the machine's own; what no longer lives is forgotten (a key is never reused).

        What cannot be written down (a full disk, something else in the file's place) is known until a restart, and
        written with the next look.
        """
        new = seen - self.members
        self.members = set(seen)
        if not new and not self.unwritten:
            return
        try:
            if self.unwritten or self.member_lines + len(new) > MEMBER_LINES_MAX:
                write_whole(self.path, MEMBERS_FILE, _member_text(self.members))
                self.member_lines = len(self.members)
            else:
                append_plain(self.path, MEMBERS_FILE, _member_text(new))
                self.member_lines += len(new)
            self.unwritten = False
        except OSError:
            self.unwritten = True


class Registry:
    """The machines of one root directory. Blocking; used from the provider's one thread."""

    def __init__(self, root: Path) -> None:
        self._folder = root / "machines"
        self._consoles = root / CONSOLES_FOLDER
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._book = EndedBook(root)
        self.entries: dict[str, Entry] = {}
        self.refresh()

    @property
    def ended(self) -> dict[str, Ended]:
        """Machines proven gone, by name, as far as they are remembered."""
        return self._book.kept

    def refresh(self) -> None:
        """Take up machine directories that appeared (a restart), finish removals that were cut short."""
        for path in sorted(self._folder.iterdir()):
            if path.name in self.entries or not is_name(path.name) or path.is_symlink() or not path.is_dir():
                continue
            if path.name in self.ended or _never_began(path):
                remove_folder(path)
            else:
                self.entries[path.name] = _read_entry(path)

    def create(self, record: MachineRecord) -> tuple[Entry, int]:
        """Make the directory and take its lock; return the entry and the lock's descriptor.

        Raises FileExistsError when the machine was made before, OSError when the disk would not; then nothing is left.
        """
        path = self._folder / record.name
        path.mkdir(mode=0o700)
        entry = Entry(path, record)
        lock = -1
        try:
            lock = os.open(path / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (path / SCRATCH_FOLDER).mkdir(mode=0o700)
            self.write(entry)
        except OSError:
            if lock >= 0:
                os.close(lock)
            remove_folder(path)
            raise
        self.entries[record.name] = entry
        return entry, lock

    def write(self, entry: Entry) -> None:
        """Replace ``machine.json``."""
        write_whole(entry.path, MACHINE_FILE, entry.record.model_dump_json().encode())

    def forget(self, entry: Entry) -> None:
        """Remove every trace of a create that made nothing."""
        self.entries.pop(entry.name, None)
        remove_folder(entry.path)

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
        self._book.add(line)
        self._keep_console(entry)
        self.forget(entry)
        return line

    def console(self, name: str, after: int, size: int) -> bytes:
        """Return up to ``size`` bytes of a machine's console, running or kept; empty when there is none."""
        entry = self.entries.get(name)
        folder, file = (entry.path, CONSOLE_FILE) if entry else (self._consoles, f"{name}.log")
        try:
            return read_plain(folder, file, size, after)
        except OSError as error:
            if error.errno in NO_PLAIN_FILE:
                return b""
            raise

    def _keep_console(self, entry: Entry) -> None:
        with contextlib.suppress(OSError):
            text = read_end(entry.path, CONSOLE_FILE, CONSOLE_BYTES_KEPT)
            if text:
                self._consoles.mkdir(exist_ok=True, mode=0o700)
                write_whole(self._consoles, f"{entry.name}.log", text)
                kept = sorted(self._consoles.iterdir(), key=lambda p: p.lstat().st_mtime_ns)
                for old in kept[:-CONSOLES_KEPT]:
                    old.unlink()


def lock_is_free(path: Path) -> bool:
    """Return whether the lock in a machine's directory can be taken; it is let go of at once."""
    try:
        with opened(path, LOCK_FILE, os.O_RDWR) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    except OSError as error:
        # No such lock, or something else put in its place: nobody can be holding it. Held, or any trouble of ours: no.
        return error.errno in NO_PLAIN_FILE
    return True


def is_name(name: str) -> bool:
    """Return whether a machine of ours could be called so; anything else never becomes a path."""
    return _NAME.fullmatch(name) is not None


def check_name(name: str) -> None:
    """Raise Refused on what cannot be the name of a local machine."""
    if not is_name(name):
        raise Refused(f"{name[:64]!r} cannot be the name of a local machine: a-z, 0-9 and - only, at most 63")


def _never_began(path: Path) -> bool:
    """Return whether a create was cut while it made the directory: nothing starts before ``machine.json`` is there."""
    with contextlib.suppress(OSError):
        left = {entry.name for entry in path.iterdir()}
        return left <= {LOCK_FILE, SCRATCH_FOLDER} | {n for n in left if n.startswith(f".{MACHINE_FILE}.")} and (
            lock_is_free(path)
        )
    return False


def _read_entry(path: Path) -> Entry:
    lines = _member_lines(path)
    found = set(lines)
    try:
        record = MachineRecord.model_validate_json(read_plain(path, MACHINE_FILE, PLAIN_BYTES_MAX))
    except (OSError, ValidationError):
        record = None
    if record is None or record.name != path.name:
        return Entry(path, _assumed(path), found, len(lines), damaged=True)
    if record.wrapper is not None:
        found.add(record.wrapper)
    return Entry(path, record, found, len(lines))


def _assumed(path: Path) -> MachineRecord:
    """Return what can be said of a machine whose record is damaged; where it runs and its price are not known here."""
    return MachineRecord(
        name=path.name,
        digest="",
        account="",
        boot_id="",
        pid_namespace="",
        uid=os.getuid(),
        began=datetime.fromtimestamp(path.lstat().st_mtime, UTC),
        rate_usd_per_hour=Decimal(0),
    )


def _member_text(keys: set[ProcessKey]) -> bytes:
    return "".join(f"{key.pid} {key.start}\n" for key in sorted(keys)).encode("ascii")


def _member_lines(path: Path) -> list[ProcessKey]:
    try:
        lines = read_plain(path, MEMBERS_FILE, PLAIN_BYTES_MAX).decode("ascii", "replace").splitlines()
    except OSError:
        return []
    keys = (_member(line.split()) for line in lines[:MEMBER_LINES_READ_MAX])
    return [key for key in keys if key is not None]


def _member(words: list[str]) -> ProcessKey | None:
    if len(words) != 2 or not all(word.isdecimal() and len(word) <= _DIGITS_MAX for word in words):
        return None
    key = ProcessKey(int(words[0]), int(words[1]))
    return key if 0 < key.pid <= PID_MAX and key.start <= START_MAX else None
