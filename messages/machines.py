"""Machines: whatever bills. Their names, states, offers, listings and the proof that one is gone."""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Literal, NamedTuple

from pydantic import Field

from messages.base import Instant, Record
from messages.ids import JobId, base32
from messages.money import HOUR_SECONDS, UnitPrice, Usd, UsdPerHour, ceil_micro, usd

ProviderKind = Literal["local", "fake", "runpod", "aws"]

_NAME = re.compile(
    r"lc1-(?P<install>[a-z2-7]{6})(?P<generation>[a-z2-7]{4})-(?P<job>[a-z2-7]{10})"
    r"-a(?P<attempt>[0-9]{3})-x(?P<hard>[0-9]{10})-(?P<check>[a-z2-7]{4})"
)
NAME_CHARS = 47
ATTEMPTS_MAX = 999


class MachineName(NamedTuple):
    """A parsed name ``lc1-<install><generation>-<job>-a<nnn>-x<hard deadline>-<check>``.

    The name alone lets a reaper act: whose machine it is, which attempt, and when it must be gone. It is never
    renamed. A name whose keyed check fails (cut, or made by somebody else) is not ours.
    """

    install: str
    generation: str
    job: str
    attempt: int
    hard_deadline: datetime

    @property
    def job_id(self) -> JobId:
        """The job the machine was rented for."""
        return JobId(f"job_{self.job}")

    def text(self, key: bytes) -> str:
        """Write the name, with its check made from the installation's name ``key``."""
        hard = int(self.hard_deadline.timestamp())
        stem = f"lc1-{self.install}{self.generation}-{self.job}-a{self.attempt:03d}-x{hard:010d}"
        name = f"{stem}-{_check(key, stem)}"
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a machine name")
        return name

    @classmethod
    def parse(cls, name: str, key: bytes) -> MachineName | None:
        """Return the parsed name, or ``None`` when it is not one of ours."""
        found = _NAME.fullmatch(name)
        if found is None or not hmac.compare_digest(found["check"], _check(key, name[:-5])):
            return None
        return cls(
            found["install"],
            found["generation"],
            found["job"],
            int(found["attempt"]),
            datetime.fromtimestamp(int(found["hard"]), UTC),
        )


def _check(key: bytes, stem: str) -> str:
    return base32(hmac.new(key, stem.encode("ascii"), hashlib.sha256).digest(), 4)


class MachineState(StrEnum):
    """What a provider says of a machine. Stopped still bills; unknown means alive."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPED_BILLING = "stopped_billing"
    ENDING = "ending"
    GONE = "gone"
    UNKNOWN = "unknown"


GIGABYTE = 1 << 30
"""Bytes, as clouds sell them."""


class LogPrice(Record):
    """What a machine's log costs beside its time: held at the most it can be, settled as measured."""

    usd_per_file: UnitPrice
    """For each log file that is written."""
    usd_per_gb: UnitPrice
    bytes_max: int = Field(ge=0)
    """A machine says no more than this."""
    files_per_hour: float = Field(ge=0)
    """Log files are written no more often than this."""

    @property
    def usd_per_hour_max(self) -> Decimal:
        """The most that its files cost an hour."""
        return self.usd_per_file * Decimal(str(self.files_per_hour))

    @property
    def bytes_usd_max(self) -> Decimal:
        """The most that its bytes cost in all."""
        return self.usd_per_gb * self.bytes_max / GIGABYTE

    def usd_max(self, seconds: float) -> Usd:
        """Return the most that the log of a machine costs that lived for ``seconds``."""
        return ceil_micro(self.bytes_usd_max + self.usd_per_hour_max * Decimal(str(seconds)) / HOUR_SECONDS)

    def usd(self, files: int, size_bytes: int) -> Usd:
        """Return what a log of so many files and bytes costs."""
        return usd(self.usd_per_file * files + self.usd_per_gb * size_bytes / GIGABYTE)


class Offer(Record):
    """A machine type at a price in a place."""

    id: str
    """Unique within its provider, stable: ``local``, ``NVIDIA RTX A5000@EU-RO-1``."""
    provider: ProviderKind
    machine_type: str
    place: str
    rate_usd_per_hour: UsdPerHour
    """Compute price."""
    disk_usd_per_hour: UsdPerHour = Decimal(0)
    """Disk, and whatever else runs up beside the machine while it lives."""
    fixed_usd: Usd = Decimal(0)
    """Costs that do not depend on time."""
    least_s: float = Field(default=0, ge=0, le=300)
    """A machine that lives shorter is billed for so many seconds. Every hold has 300 s past the work's end in it."""
    log: LogPrice | None = None
    """``None``: the log costs nothing of its own."""
    beside: str = ""
    """What the prices beside the machine's own are for, one line."""
    cpus: float | None = None
    memory_gb: float | None = None
    gpu: str | None = None
    gpu_count: int = 0
    spot: bool = False
    reason: str = ""
    """Why it stands where it stands in the list, one line."""


class Machine(Record):
    """A machine as its provider lists it."""

    id: str
    name: str
    account: str
    """The account's fingerprint under which it was seen."""
    state: MachineState
    rate_usd_per_hour: UsdPerHour | None = None
    first_seen: Instant
    raw_status: str = ""
    machine_type: str | None = None
    """As the provider says now; ``None`` where it does not say. An offer has the same words for the same thing."""
    gpu_count: int | None = None
    place: str | None = None
    uptime_s: float | None = None
    """Since the container or system last started, as the provider counts it; ``None`` where it does not say."""
    made_at: Instant | None = None
    """By the provider's clock: what people are told of a machine that nobody here knows, never a proof."""


class Earlier(Record):
    """The complete listing right before another one."""

    began: Instant
    shown: frozenset[str]
    """Ids and names of the machines in it."""


class Listing(Record):
    """One whole answer to "what exists?": the only evidence of absence."""

    account: str
    began: Instant
    ended: Instant
    complete: bool
    machines: tuple[Machine, ...] = ()
    paged: bool = False
    """It needed more than one page. A machine that ends between two of them can push another one across their border,
    where neither shows it; so absence takes two such listings in a row."""
    before: Earlier | None = None
    """The complete listing right before this one, where there was any."""

    def named(self, name: str) -> tuple[Machine, ...]:
        """Return every listed machine with this name (two of one name is a surplus)."""
        return tuple(m for m in self.machines if m.name == name)

    @cached_property
    def shown(self) -> frozenset[str]:
        """Ids and names of the machines in it that are not gone."""
        here = [m for m in self.machines if m.state is not MachineState.GONE]
        return frozenset((*(m.id for m in here), *(m.name for m in here if m.name)))

    def absent_since(self, *words: str) -> datetime | None:
        """Return since when no machine has any of these ids and names; ``None`` where this proves no absence.

        That is the begin of the listing, or of the one before it where it needed more than one page.
        """
        if not self.complete or not self.shown.isdisjoint(words):
            return None
        if not self.paged:
            return self.began
        before = self.before
        return before.began if before is not None and before.shown.isdisjoint(words) else None


class Gone(Record):
    """Proof that a machine no longer exists, kept with the job."""

    verdict: Literal["gone"] = "gone"
    account: str
    at: Instant
    """When the proof was complete."""
    absent_since: Instant
    """The first look that no longer showed it: billing is taken to have ended here, or at the accepted delete."""
    listing_began: Instant
    """When the last complete listing without the machine began; later than the terminate call."""
    evidence: tuple[str, ...]
    """What was seen, in order, in plain words."""


class Alive(Record):
    """The machine still exists, or counts as existing."""

    verdict: Literal["alive"] = "alive"
    detail: str


class Unknown(Record):
    """Nothing can be said: a cut listing, a foreign account, an outage. Counts as alive and billing."""

    verdict: Literal["unknown"] = "unknown"
    detail: str


Proof = Gone | Alive | Unknown


class LaunchRequest(Record):
    """Everything one create call says, complete, as journaled before the call."""

    name: str
    job_id: JobId
    attempt: int = Field(ge=1, le=ATTEMPTS_MAX)
    offer: Offer
    folder: str
    """Storage key of the job folder, without a trailing slash."""
    soft_deadline: Instant
    hard_deadline: Instant
    max_runtime_s: int
    environment: dict[str, str] = Field(default_factory=dict)
    """Variables for the wrapper, beside those every machine gets."""
    bundle: str | None = None
    """Storage key of the job bundle's folder, without a trailing slash, where the provider's machines need one."""
    account: str | None = None
    """The account the job is bound to: a machine of another one could be neither listed nor proven gone from there."""


SelfEnding = Literal["proven", "unproven"]
"""Whether machines of an account can end themselves: tried and seen, tried and refused, or never tried."""


class Timings(Record):
    """How fast a provider can be believed. All in seconds; design.md 6."""

    list_interval_s: float
    absence_gap_s: float
    """Between two looks that must both show absence."""
    quiet_s: float
    """After an ambiguous create ended: how long the machine may still appear."""
    min_age_s: float
    """Since the create answer: below it no absence counts as evidence."""
    start_allowance_s: float
    marker_interval_s: float
    """Between two reads of a job folder's markers while nothing else points at the end."""
    marker_gap_s: float
    """Between the two storage reads, begun after Gone, that must both say "no marker"."""
    creates_are_idempotent: bool
    """True where repeating the identical create never makes a second machine."""
    no_uptime_s: float | None = None
    """Said to run without any uptime for so long means a bad host; ``None`` where the provider tells no uptimes."""
    expected_start_s: float
    """From create to started work, for estimates and the smallest workable cap."""
