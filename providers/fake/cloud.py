"""The fake's one state: machines, objects, what is due when, and the books of an auditor who trusts nobody.

Nothing runs in the background: every call first brings the world up to the clock (``settle``), in the order things
were due. So a seed and a clock reproduce a run exactly, and ten thousand machines cost no task.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Literal, NamedTuple

from messages.machines import LaunchRequest, Machine, MachineState
from messages.money import accrued
from messages.storage import ObjectInfo
from providers.fake.faults import Faults
from providers.fake.scripts import Script, Write
from providers.fake.settings import FakeSettings
from providers.seams import ProviderClock

ListingFault = Literal["incomplete", "empty", "stale", "foreign"]
"""The next listing is cut and says so; is empty and lies; shows what the last one showed; is of another account."""


@dataclass(slots=True)
class FakeMachine:
    """A machine as the cloud itself knows it."""

    id: str
    name: str
    request: LaunchRequest | None
    """``None`` for a machine somebody else made."""
    script: Script
    rate: Decimal
    made: datetime
    made_at: float
    """Monotonic seconds."""
    started: bool = False
    ending: bool = False
    ended: datetime | None = None
    terminates_ignored: int = 0
    looks_after_end: int = 0
    seen: Machine | None = None
    """The last view of it, made again only when it changed: listings of ten thousand stay cheap."""


class BookLine(NamedTuple):
    """What the auditor wrote: who billed from when to when."""

    machine_id: str
    name: str
    began: datetime
    ended: datetime | None
    """``None``: it still bills."""
    rate_usd_per_hour: Decimal

    def amount(self, now: datetime) -> Decimal:
        """Return what it cost up to its end, or up to ``now``."""
        return accrued(self.rate_usd_per_hour, ((self.ended or now) - self.began).total_seconds())


@dataclass(slots=True)
class FakeObject:
    """A stored object."""

    data: bytes
    modified: datetime

    def info(self, key: str, *, digest: bool = False) -> ObjectInfo:
        """Describe it under ``key``."""
        sha256 = hashlib.sha256(self.data).hexdigest() if digest else None
        return ObjectInfo(key=key, size_bytes=len(self.data), modified=self.modified, sha256=sha256)


@dataclass
class FakeCloud:
    """State and controls. Tests script machines, order faults and read the books here."""

    settings: FakeSettings
    clock: ProviderClock
    faults: Faults = field(default_factory=Faults)
    machines: dict[str, FakeMachine] = field(default_factory=dict)
    objects: dict[str, FakeObject] = field(default_factory=dict)
    exits: deque[str] = field(default_factory=deque)
    listing_faults: deque[ListingFault] = field(default_factory=deque)
    default_script: Script = field(default_factory=Script)
    launches: int = 0
    """Create calls that reached the cloud, whatever became of their answer."""

    def __post_init__(self) -> None:
        self.account = self.settings.account
        self.rate = self.settings.rate_usd_per_hour
        self.listed: dict[str, FakeMachine] = {}
        """What a listing may have to show: all but those long gone."""
        self.by_name: dict[str, FakeMachine] = {}
        """What was launched, by name; the first of each."""
        self._scripts: deque[Script] = deque()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = 0
        self._wakers: list[Callable[[], None]] = []

    # --- controls

    def script_next(self, *scripts: Script) -> None:
        """Let the next launches live by these, in order; after them ``default_script`` again."""
        self._scripts.extend(scripts)

    def fault_next_listing(self, *kinds: ListingFault) -> None:
        """Spoil the next listings, in order, one each."""
        self.listing_faults.extend(kinds)

    def switch_account(self, account: str) -> None:
        """Answer as another account from now on: its machines are none of ours."""
        self.account = account

    def set_rate(self, rate_usd_per_hour: Decimal) -> None:
        """Change the price of new machines."""
        self.rate = rate_usd_per_hour

    def plant(self, name: str, script: Script | None = None) -> str:
        """Add a machine that nobody launched here and return its id: foreign, or a twin of ours."""
        return self.make(name, None, script or Script()).id

    def end(self, machine_id: str) -> None:
        """Let a machine end by itself, now."""
        self.settle()
        self.stop(self.machines[machine_id], self.clock.now())

    def books(self) -> tuple[BookLine, ...]:
        """Return every machine there ever was, in the order they were made."""
        self.settle()
        return tuple(BookLine(m.id, m.name, m.made, m.ended, m.rate) for m in self.machines.values())

    def billing(self) -> tuple[BookLine, ...]:
        """Return the machines that bill now."""
        return tuple(line for line in self.books() if line.ended is None)

    # --- mechanics, used by the three parts

    def settle(self) -> None:
        """Bring the world up to the clock."""
        now = self.clock.monotonic()
        while self._due and self._due[0][0] <= now:
            heapq.heappop(self._due)[2]()

    def next_due_s(self) -> float | None:
        """Return in how many seconds something happens next, or ``None``."""
        return max(0.0, self._due[0][0] - self.clock.monotonic()) if self._due else None

    def on_news(self, waker: Callable[[], None]) -> None:
        """Call ``waker`` whenever a machine is made or ends."""
        self._wakers.append(waker)

    def make(self, name: str, request: LaunchRequest | None, script: Script | None = None) -> FakeMachine:
        """Make a machine, and its twin where the script says so."""
        if script is None:
            script = self._scripts.popleft() if self._scripts else self.default_script
        machine = FakeMachine(
            id=f"{self.settings.machine_prefix}-{len(self.machines) + 1}",
            name=name,
            request=request,
            script=script,
            rate=self.rate,
            made=self.clock.now(),
            made_at=self.clock.monotonic(),
            terminates_ignored=script.terminates_ignored,
            looks_after_end=script.stays_listed_looks,
        )
        self.machines[machine.id] = self.listed[machine.id] = machine
        if request is not None:
            self.by_name.setdefault(name, machine)
        self._live(machine)
        if script.twin:
            self.make(name, None, Script(listed_after_s=script.listed_after_s))
        self._tell()
        return machine

    def stop(self, machine: FakeMachine, at: datetime) -> None:
        """End a machine for good. Idempotent."""
        if machine.ended is None:
            machine.ended = at
            if machine.request is not None:
                self.exits.append(machine.id)
            self._tell()

    def visible(self, machine: FakeMachine) -> bool:
        """Return whether reads show it: old enough, and not ended, or ended but still listed."""
        if self.clock.monotonic() - machine.made_at < machine.script.listed_after_s:
            return False
        return machine.ended is None or machine.looks_after_end > 0

    def view(self, machine: FakeMachine) -> Machine:
        """Return the machine as a reader sees it."""
        state, seen = _state(machine), machine.seen
        if seen is not None and seen.state is state and seen.account == self.account:
            return seen
        machine.seen = Machine(
            id=machine.id,
            name=machine.name,
            account=self.account,
            state=state,
            rate_usd_per_hour=machine.rate,
            first_seen=machine.made,
            raw_status=state.value.upper(),
        )
        return machine.seen

    def _live(self, machine: FakeMachine) -> None:
        script, request = machine.script, machine.request
        if script.starts_after_s is not None:
            self._at(machine, script.starts_after_s, partial(self._start, machine))
        if request is not None:
            for write in script.writes:
                self._at(machine, write.after_s, partial(self._write, request, write))
        if script.ends_after_s is not None:
            self._at(machine, script.ends_after_s, partial(self.stop, machine))

    def _at(self, machine: FakeMachine, after_s: float, act: Callable[[datetime], None]) -> None:
        at = machine.made + timedelta(seconds=after_s)
        self._sequence += 1
        entry = (machine.made_at + after_s, self._sequence, lambda: act(at) if machine.ended is None else None)
        heapq.heappush(self._due, entry)

    def _start(self, machine: FakeMachine, at: datetime) -> None:
        machine.started = at >= machine.made

    def _write(self, request: LaunchRequest, write: Write, at: datetime) -> None:
        self.objects[f"{request.folder}/{write.name}"] = FakeObject(write.body(request, at), at)

    def _tell(self) -> None:
        for waker in self._wakers:
            waker()


def _state(machine: FakeMachine) -> MachineState:
    if machine.ended is not None:
        return MachineState.ENDING if machine.looks_after_end > 0 else MachineState.GONE
    if machine.ending:
        return MachineState.ENDING
    return MachineState.RUNNING if machine.started else MachineState.STARTING
