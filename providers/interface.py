"""What every provider must offer, and what its errors say the caller may do.

The contract suite (``tests/contract``) holds each sentence below against every provider. Nothing outside
``providers/`` asks which provider it talks to; what not all of them can do is a small protocol of its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import ClassVar, Final, NamedTuple, Protocol, runtime_checkable

from messages.base import Record
from messages.machines import LaunchRequest, Listing, Machine, Offer, Proof, ProviderKind, SelfEnding, Timings
from messages.money import Usd
from messages.storage import ObjectInfo

CREATE_WAIT_S_MAX: Final = 5.0
"""A create waits no longer for its turn and its connection: what was decided is sent soon or not at all."""


class ProviderError(Exception):
    """Root of everything a provider raises."""


class NoCapacity(ProviderError):
    """Nothing was made; this offer has no machine now. The next offer may be tried."""


class Denied(NoCapacity):
    """Nothing was made; this offer is not for this account. The next offer may be tried."""


class Refused(ProviderError):
    """Nothing was made, and asking again does not help: money, rights, or a request that is wrong."""

    def __init__(self, detail: str, right: str = "") -> None:
        super().__init__(detail)
        self.right = right
        """The right that the key lacks, as its cloud's policies name it; empty where it was not that."""


class StorageFull(Refused):
    """The store or its quota has no room; nothing was stored."""


class Unavailable(ProviderError):
    """The provider did not answer a question that changes nothing. Ask again after ``retry_after_s``."""

    def __init__(self, detail: str, retry_after_s: float = 5.0) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class HeldBack(Unavailable):
    """Nothing left this computer: no calls are left, the provider was silent for a while, or there is no connection."""


class Ambiguous(ProviderError):
    """A change may or may not have happened. Reconcile from listings; never repeat it blindly."""


class NotFound(ProviderError):
    """The thing asked for is not there, as far as this one answer says."""


class Conflict(ProviderError):
    """An exclusive create found that the object exists."""


class Need(Record):
    """What a job needs of a machine."""

    size_mb: float
    """Size of the data."""
    model_type: str
    machine: str | None = None
    """The user's own choice of machine type, which wins."""


class BilledLine(NamedTuple):
    """One line of the provider's bill."""

    machine_id: str
    began: datetime
    ended: datetime
    amount_usd: Decimal


class LogChunk(NamedTuple):
    """Part of a machine's log as the provider keeps it; ``position`` resumes after it."""

    position: int
    text: str


class EndAnswer(Enum):
    """What a provider says when it is asked to end a machine and does not refuse. Neither is a proof."""

    ACCEPTED = "accepted"
    """The machine was there, and it ends: from now on, or because it was asked before."""
    ABSENT = "absent"
    """There was nothing to end: it ended by itself, or it is too young to be shown. It ended at no time this tells."""


class CloudTrainingProvider(ABC):
    """Rents machines. Every call has a total deadline of its own."""

    kind: ClassVar[ProviderKind]
    timings: Timings
    """May change while it runs (a listing interval follows quotas): read it anew for every use."""
    self_ending: SelfEnding = "proven"
    """Whether this account's machines end themselves, so that a deadline holds with the daemon dead."""
    has_bill: ClassVar[bool] = True
    """Whether ``billed`` is the provider's own bill. Where it is machines' times at their rates, the books are not held
    against it, and nothing is missing from it."""

    @abstractmethod
    async def fingerprint(self) -> str:
        """Return what identifies the account: absence seen under another account proves nothing. Raises Unavailable."""

    @abstractmethod
    def select_compute_type(self, size_mb: float, model_type: str) -> str:
        """Return the machine type this provider would choose for ``size_mb`` megabytes of data and a model."""

    @abstractmethod
    async def offers(self, need: Need) -> list[Offer]:
        """Return the machine types that fit, best first, each with a price and the reason for its place."""

    @abstractmethod
    async def launch(self, request: LaunchRequest, *, leaves_within_s: float = CREATE_WAIT_S_MAX) -> Machine:
        """Make exactly one create call for ``request``: no retry, no second offer, no waiting until it runs.

        It leaves this computer within ``leaves_within_s``, and never later than ``CREATE_WAIT_S_MAX``, or not at all.
        Raises NoCapacity or Refused when nothing was made, HeldBack when nothing was sent (also where the keys are not
        of the account that the request names), Ambiguous on anything but a clean answer.
        """

    @abstractmethod
    async def list_machines(self) -> Listing:
        """Return every machine of the account, ours or not. A listing that could not be completed says so.

        Raises Unavailable when there is no answer at all.
        """

    @abstractmethod
    async def describe(self, machine_id: str) -> Machine:
        """Return one machine as it is now. Raises NotFound or Unavailable."""

    @abstractmethod
    async def terminate(self, machine_id: str) -> EndAnswer:
        """Ask for the end of a machine; return whether that was accepted or there was none. Idempotent.

        Raises Unavailable or Refused; the caller repeats until ``prove_gone`` says Gone.
        """

    @abstractmethod
    async def prove_gone(self, machine: Machine) -> Proof:
        """Look as often and as far apart as a proof needs, and return Gone, Alive or Unknown. Never raises.

        Gone holds only under ``machine.account``, and rests on a complete listing begun after this call began.
        """

    @abstractmethod
    def logs(self, machine_id: str, after: int = 0) -> AsyncIterator[LogChunk]:
        """Return what the provider itself kept of a living machine's console, from position ``after`` on.

        It may be dropped with the machine; of what it does not keep there is nothing. Raises Unavailable.
        """

    @abstractmethod
    async def billed(self, since: datetime, until: datetime) -> list[BilledLine]:
        """Return the bill's lines that overlap the window; an empty list when the provider bills nothing.

        A machine's lines cover its life, from the create to the end, in units of at most an hour, and sum to the rates
        it was offered at (its own and its disk's) times its life. Without ``has_bill`` they are what the provider's own
        times say of the machines it still knows.
        """

    async def close(self) -> None:
        """Let go of connections and watchers; machines keep running."""
        return None


class BillLine(NamedTuple):
    """What the provider billed on one day, as far as it tells things apart."""

    day: date
    """UTC."""
    machine: str
    """Name of the machine it was for; empty for what is not a machine's, or carries no name."""
    service: str
    amount_usd: Decimal
    estimated: bool
    """The provider may still change it."""


@runtime_checkable
class SellsBill(Protocol):
    """Optional: the provider shows its bill only when asked, and charges for each question."""

    question_usd: ClassVar[Decimal]
    questions_max: ClassVar[int]
    """One look may take so many questions."""

    async def bill(self, since: date, until: date, pay: Callable[[int], Awaitable[None]]) -> list[BillLine]:
        """Return the lines of the days from ``since`` to the one before ``until``.

        ``pay`` is awaited with the number of the question before each is asked; what it raises ends the asking. Raises
        Unavailable or Refused.
        """
        ...


@runtime_checkable
class ExitEvents(Protocol):
    """Optional: the provider can say at once that a machine ended by itself."""

    async def next_exit(self) -> str:
        """Wait for the next machine of ours that ended and return its id. Information only, never a proof."""
        ...


@runtime_checkable
class TellsTime(Protocol):
    """Optional: a service's answers carry its own time, which a computer's clock can be compared with.

    Trainings may tell it, and storage, which is another service with another clock.
    """

    def clock_off_s(self) -> float | None:
        """Return by how many seconds the service's clock is ahead of ours, as of its last answer.

        ``None`` before the first answer.
        """
        ...


@runtime_checkable
class PacesCreates(Protocol):
    """Optional: the provider knows how many creates it would be let through with now."""

    def creates_now(self) -> int | None:
        """Return how many creates could be sent now, or ``None`` while no bound is known.

        One more would be held back (``HeldBack``).
        """
        ...


class CloudStorageProvider(ABC):
    """Keeps objects under keys. Objects are write-once but for the few files that are replaced whole."""

    kind: ClassVar[ProviderKind]
    places: Mapping[str, str] = MappingProxyType({})
    """Scheme → name by which addresses know this store: ``{"s3": "bucket"}`` for ``s3://bucket/key``; often none."""

    @abstractmethod
    async def put(self, key: str, chunks: AsyncIterator[bytes], *, exclusive: bool = False) -> ObjectInfo:
        """Store a stream whole or not at all and return what is stored, size and sha256 verified.

        Chunks are at most 1 MiB. With ``exclusive`` an existing object raises Conflict and stays as it is.
        Nothing is visible before the last byte is safe; a failed put leaves no part behind. Raises Unavailable.
        """

    @abstractmethod
    def get(self, key: str, *, offset: int = 0) -> AsyncIterator[bytes]:
        """Stream an object in chunks of at most 1 MiB from ``offset`` on. Raises NotFound or Unavailable."""

    @abstractmethod
    async def stat(self, key: str) -> ObjectInfo:
        """Return size and time of one object. Raises NotFound or Unavailable."""

    @abstractmethod
    def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        """Stream every object under ``prefix``, ordered by key."""

    @abstractmethod
    async def copy(self, source: str, target: str) -> ObjectInfo:
        """Copy one object inside the store. Raises NotFound."""

    @abstractmethod
    async def delete(self, key: str) -> None:
        """Delete one object. Idempotent: absent already is success."""

    @abstractmethod
    def machine_path(self, key: str) -> str:
        """Return how a machine of the same provider names this key (a directory path, a mount path, a URI)."""

    async def close(self) -> None:
        """Let go of connections."""
        return None


@runtime_checkable
class SellsSpace(Protocol):
    """Optional: the provider charges for what lies in its store. A gigabyte is 2³⁰ bytes."""

    kept_usd_per_gb_month: Decimal
    prices_as_of: date


class RentedSpace(NamedTuple):
    """A store that is rented at a size. A gigabyte is 2³⁰ bytes."""

    size_gb: int
    """Above zero."""
    usd_per_month: Decimal
    """As listed; what is billed may differ."""
    prices_as_of: date


class SpaceLine(NamedTuple):
    """One line of the provider's bill of such a store."""

    began: datetime
    ended: datetime
    amount_usd: Decimal


@runtime_checkable
class RentsSpace(Protocol):
    """Optional: the account's store is rented at a size and costs that, whatever lies in it and whether a job runs."""

    async def space(self) -> RentedSpace:
        """Return how large the store is now, and what that costs. Raises Unavailable or Refused."""
        ...

    async def space_billed(self, since: datetime, until: datetime) -> list[SpaceLine]:
        """Return the bill's lines that begin in the window, oldest first. Raises Unavailable or Refused."""
        ...


class KeptLine(NamedTuple):
    """One line of a log that outlives its machine; ``position`` resumes behind it."""

    position: str
    at: datetime
    text: str


@runtime_checkable
class KeepsLogs(Protocol):
    """Optional: what machines said is kept by the provider after they are gone."""

    def kept_lines(self, machine: str, position: str = "") -> AsyncIterator[KeptLine]:
        """Return the lines of the machine of this name behind ``position``, oldest first, none lost or doubled.

        It ends with the last line there is now. Raises Unavailable or Refused.
        """
        ...


class PredictionRequest(Record):
    """One prediction: model files and input are storage keys, as is the output."""

    id: str
    model_key: str
    input_key: str
    output_key: str
    column: str = "prediction"
    limit_s: float


class PredictionReply(Record):
    """What came of it. Errors are data: a code of ``messages.errors``, never an exception."""

    ok: bool
    rows: int = 0
    code: str | None = None
    detail: str = ""
    seconds: float = 0.0
    cost_usd: Usd = Decimal(0)


class CloudPredictionProvider(ABC):
    """Answers predictions."""

    kind: ClassVar[ProviderKind]
    reads_near: ClassVar[bool] = False
    """Whether it reads rows where they arrive (``Near.disk``), so that they need not be sent to the store."""

    @abstractmethod
    async def ensure_endpoint(self) -> str:
        """Return the id of the endpoint that answers, made if need be. Idempotent."""

    @abstractmethod
    async def invoke(self, request: PredictionRequest) -> PredictionReply:
        """Run one prediction and wait for it, at most ``limit_s``."""

    @abstractmethod
    async def submit(self, request: PredictionRequest) -> None:
        """Start one prediction; ``status`` tells of it by ``request.id``. The same id again starts nothing."""

    @abstractmethod
    async def status(self, prediction_id: str) -> PredictionReply | None:
        """Return the reply, or ``None`` while it runs. Raises NotFound."""

    @abstractmethod
    async def cancel(self, prediction_id: str) -> None:
        """End a running prediction. Idempotent."""

    @abstractmethod
    async def scale(self, workers_max: int) -> None:
        """Allow at most this many workers at once; 0 lets nothing run."""

    @abstractmethod
    async def delete(self) -> None:
        """Remove the endpoint and end what runs on it. Idempotent."""

    @abstractmethod
    async def billed(self, since: datetime, until: datetime) -> list[BilledLine]:
        """Return the bill's lines that overlap the window."""

    async def close(self) -> None:
        """End what runs and let go of connections."""
        return None


class Near(Protocol):
    """What of a store lies on this computer: where streams arrive, and copies of objects that programs here read."""

    @property
    def disk(self) -> CloudStorageProvider:
        """The store on this computer's disk; keys mean the same in it."""
        ...

    async def fetch(self, key: str) -> str:
        """Return the path of a file on this computer that holds the object, brought here if need be.

        The file may be taken away once other objects need the room, 20 minutes from now at the earliest. Raises
        NotFound, Unavailable or Refused.
        """
        ...

    async def has(self, key: str, size_bytes: int) -> bool:
        """Say whether a copy of that length is here, so that ``fetch`` brings nothing. Raises Unavailable."""
        ...

    async def keep(self, source: str, key: str) -> None:
        """Take a file of this computer's disk as a copy of the object ``key``, which spares bringing it here.

        Raises NotFound or Unavailable; without the copy it is brought.
        """
        ...

    async def forget(self, key: str) -> None:
        """Drop the copy of an object, if it is only a copy: one that is damaged is brought anew. Raises Unavailable."""
        ...


class InPlace:
    """Near a store that is this computer's disk itself: nothing is copied."""

    def __init__(self, disk: CloudStorageProvider) -> None:
        self._disk = disk

    @property
    def disk(self) -> CloudStorageProvider:
        """The store."""
        return self._disk

    async def fetch(self, key: str) -> str:
        """Return the object's own path. Raises NotFound."""
        await self._disk.stat(key)
        return self._disk.machine_path(key)

    async def has(self, key: str, size_bytes: int) -> bool:  # noqa: ARG002
        """Say yes: nothing is ever brought."""
        return True

    async def keep(self, source: str, key: str) -> None:  # noqa: ARG002
        """Do nothing: the object itself is here."""
        return

    async def forget(self, key: str) -> None:  # noqa: ARG002
        """Do nothing: the object itself is no copy, and damaged or not there is no other."""
        return


class Provider(NamedTuple):
    """One provider's parts, which belong together."""

    training: CloudTrainingProvider
    storage: CloudStorageProvider
    prediction: CloudPredictionProvider
    copies: Near | None = None
    """Where a store elsewhere keeps its copies on this computer; ``None``: the store is here."""
    brings: frozenset[str] = frozenset()
    """Libraries that the image of its machines has and no job can bring."""

    @property
    def near(self) -> Near:
        """What of the store lies on this computer."""
        return self.copies or InPlace(self.storage)
