"""What the gateway needs of the node: the actors it asks, the store it streams through, and the read side.

The node implements ``Views`` over its read models; the gateway never reads a journal or another actor's state.
A view raises ``messages.errors.Refusal`` (``E-NOTFOUND`` for what is missing *and* for what is another user's) or
``providers.interface.Unavailable``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol, TypeVar

from messages.admin import TrainOrder
from messages.base import Request
from messages.comparing import CompareDocument, DescribedModel, OrderDocument
from messages.documents import (
    BilledDocument,
    BillPriceDocument,
    ConsoleOut,
    CostDocument,
    EventLine,
    JobPart,
    LogLineOut,
    MachinesDocument,
    PlanDocument,
    PsDocument,
    StatusDocument,
    TrainDocument,
)
from messages.ids import CommandId, JobId
from messages.jobs import Plan, Requester
from messages.machines import ProviderKind
from messages.storage import DatasetInfo
from providers.interface import CloudStorageProvider

R = TypeVar("R")


class Askable(Protocol):
    """An actor's reference, as far as the gateway uses it."""

    async def ask(self, request: Request[R], timeout_s: float) -> R:
        """Put ``request`` to the actor and wait for its answer. Raises Busy, AskTimeout or what the actor raised."""
        ...


class Views(Protocol):
    """The read side of the node. Every method sees only what ``requester`` may see."""

    async def status(self, requester: Requester) -> StatusDocument:
        """Return health, jobs, machines and money on one screen."""
        ...

    async def job(self, requester: Requester, ref: str) -> TrainDocument:
        """Return one job by id, unique prefix, name or ``@last``."""
        ...

    async def ps(self, requester: Requester, limit: int, cursor: str | None, all: bool) -> PsDocument:
        """Return one page of jobs, newest first; with ``all`` also those that are over."""
        ...

    async def machines(self, requester: Requester) -> MachinesDocument:
        """Return the provider's own listing, begun after this call."""
        ...

    async def costs(self, requester: Requester, by: str) -> CostDocument:
        """Return the cost report grouped by ``day``, ``user``, ``model``, ``provider`` or ``job``."""
        ...

    async def bill_price(self, requester: Requester, since: date | None, until: date | None) -> BillPriceDocument:
        """Return what asking the provider for its bill of these days would cost; nothing is asked."""
        ...

    async def billed(
        self, requester: Requester, command: CommandId, since: date | None, until: date | None
    ) -> BilledDocument:
        """Ask the provider for its bill of these days, which costs, and hold it against the books."""
        ...

    async def plan(self, requester: Requester, order: TrainOrder, plan: Plan) -> PlanDocument:
        """Return a plan with what people want to see beside it."""
        ...

    async def again(
        self, requester: Requester, job_id: JobId, model: DescribedModel, datasets: Sequence[DatasetInfo]
    ) -> OrderDocument:
        """Return the order that does a job's work once more. Raises E-DATA-GONE."""
        ...

    def compare(
        self, models: tuple[DescribedModel, DescribedModel], jobs: tuple[JobPart | None, JobPart | None]
    ) -> CompareDocument:
        """Return two models beside each other, with the jobs that made them."""
        ...

    def events(self, requester: Requester, after: int, follow: bool) -> AsyncIterator[EventLine]:
        """Stream events past position ``after``; ends at the newest unless ``follow``."""
        ...

    def changes(self, requester: Requester, ref: str) -> AsyncIterator[TrainDocument]:
        """Stream a job: as it is now, then again on every change, latest wins; the closed one is the last."""
        ...

    def log(
        self, requester: Requester, ref: str, after_file: int, after_line: int, follow: bool
    ) -> AsyncIterator[LogLineOut]:
        """Stream log lines past ``(after_file, after_line)``; with ``follow`` until the job's log is complete."""
        ...

    def console(
        self, requester: Requester, ref: str, attempt: int, position: int, follow: bool
    ) -> AsyncIterator[ConsoleOut]:
        """Stream the provider's own console of a job's machine past a place; with ``follow`` until the job is over.

        The provider is asked only while the stream is read. ``E-NOTFOUND`` where there is no machine or no console.
        """
        ...

    async def config(self, requester: Requester) -> dict[str, Any]:
        """Return the effective configuration, secrets left out."""
        ...


class Audit(Protocol):
    """Writes one audit event."""

    async def __call__(self, who: str, what: str, resource: str, success: bool, code: str | None, detail: str) -> None:
        """Record that ``who`` did, or was refused, ``what`` on ``resource``."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """Everything behind the socket, as one value."""

    dispatcher: Askable
    """Answers PlanTraining, SubmitTraining, StopJob, StopAll."""
    storage: Askable
    """Answers the data set, model and prediction requests of ``messages.admin``."""
    reconciler: Askable
    """Answers Reconcile."""
    store: CloudStorageProvider
    """Bytes out: of what ``storage`` granted; no key is ever made up here."""
    incoming: CloudStorageProvider
    """Bytes in: where uploads arrive, on this computer; the same as ``store`` where that is here."""
    views: Views
    audit: Audit
    version: str
    """Version of the daemon, for ``GET /v1/version``."""
    others: Mapping[ProviderKind, CloudStorageProvider] = field(default_factory=dict)
    """Bytes out of the stores of other providers, where a grant names one."""

    def store_of(self, provider: ProviderKind | None) -> CloudStorageProvider:
        """Return the store a grant's key is of."""
        return self.store if provider is None else self.others.get(provider, self.store)
