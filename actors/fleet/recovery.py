"""Taking a machine over that the journal does not know: its job again, as events, from its name and its folder.

What the name says is certain (its check is keyed); what the folder says is believed only where it cannot cost more:
the hold pays for the machine until the hard deadline in its name, and no other machine is tried for the job.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from pydantic import ValidationError

from actors.ledger.entries import hold_for
from actors.ledger.holds import AFTER_SOFT_S, Terms
from actors.ledger.requests import Held, ReserveMoney
from actors.ledger.state import reservation_id
from actors.storage.access import Area, Granted, Layout, decide_access
from actors.storage.folder import JobFolder
from actors.supervisor.state import Job
from actors.supervisor.work import INPUT_NAME
from messages import events as ev
from messages.base import seconds
from messages.folder import SPEC, Spec, Started
from messages.ids import DatasetId, JobId, UserId
from messages.jobs import Binding, Estimate, Limits, Plan, TrainSpec
from messages.machines import LaunchRequest, Machine, MachineName, Offer, ProviderKind, Timings
from messages.money import MICRO, ZERO
from providers.interface import CloudStorageProvider

RUNTIME_S_MAX = 30 * 86_400
"""Longest runtime a job can have."""
LIFE_S_MAX = 31 * 86_400
"""Longest time from an intent to its hard deadline: a clock that is wrong makes no machine older than that."""
FREELY_USD = Decimal(1_000_000)
"""Cap of a hold for a machine that runs already: its hard deadline bounds it, no wish of an order does."""
ADOPTED_RUN = "adopted"
"""Run of the intents made here: no process has it, so their create is never sent."""


class NotAdoptable(Exception):
    """The machine cannot be taken over; the words say why."""


class Remains(NamedTuple):
    """What a job left in its folder, as far as it is needed to go on with it."""

    user_id: UserId
    folder: str
    spec: Spec
    written: datetime
    """When the spec was written: right before the machine was asked for."""
    started: Started | None


async def find_folder(store: CloudStorageProvider, layout: Layout, name: MachineName, first: UserId) -> Remains:
    """Return what the machine's job folder holds; the user ``first`` is tried before the whole prefix is listed.

    Raises NotAdoptable, and what the store raises.
    """
    folder = layout.job_folder(first, name.job_id, name.attempt)
    found = await _remains(store, first, folder, name)
    if found is None:
        prefix = layout.prefix(Area.JOBS)
        end = rf"/{name.job_id}/{name.attempt}/spec\.json"
        pattern = re.compile(rf"{re.escape(prefix)}/user_(usr_[a-z2-7]{{10}}){end}")
        async for stored in store.list(f"{prefix}/"):
            match = pattern.fullmatch(stored.key)
            if match is not None:
                user = UserId(match[1])
                found = await _remains(store, user, layout.job_folder(user, name.job_id, name.attempt), name)
                break
    if found is None:
        raise NotAdoptable("its job folder holds no spec.json that can be understood, so nothing is known of its job")
    return found


async def _remains(store: CloudStorageProvider, user: UserId, folder: str, name: MachineName) -> Remains | None:
    reader = JobFolder(store, folder)
    spec = await reader.read_spec()
    if spec is None or (spec.job_id, spec.attempt) != (name.job_id, name.attempt):
        return None
    stored = await store.stat(f"{folder}/{SPEC}")
    return Remains(user, folder, spec, stored.modified, await reader.read_started())


def check_job(job: Job | None, name: MachineName, user: UserId) -> None:
    """Raise NotAdoptable when the job, as this journal has it, leaves no room for the machine's attempt."""
    if job is None:
        return
    if job.closed:
        raise NotAdoptable("its job is over in this journal")
    if job.user_id != user:
        raise NotAdoptable("its job folder belongs to another user than its job")
    current = job.current
    if current and (current.number != name.attempt or current.intent):
        raise NotAdoptable(
            f"attempt {current.number} of its job is still open in this journal; try again once it ended"
        )
    if current is None and name.attempt <= len(job.attempts):
        raise NotAdoptable("its attempt is over in this journal")


def offer_of(machine: Machine, offers: Sequence[Offer], kind: ProviderKind) -> Offer:
    """Return the offer the machine was rented for: the listed one of its type and place, at the price it bills."""
    rate = machine.rate_usd_per_hour or ZERO
    for offer in offers:
        if machine.machine_type == offer.machine_type and machine.place in (None, offer.place):
            count = machine.gpu_count if machine.gpu_count is not None else offer.gpu_count
            return offer.model_copy(update={"rate_usd_per_hour": rate or offer.rate_usd_per_hour, "gpu_count": count})
    what, where = machine.machine_type or "unknown", machine.place or "unknown"
    return Offer(
        id=f"{what}@{where}",
        provider=kind,
        machine_type=what,
        place=where,
        rate_usd_per_hour=rate,
        gpu_count=machine.gpu_count or 0,
        reason="as the provider lists it",
    )


class Takeover(NamedTuple):
    """One machine and all that is known of its job."""

    machine: Machine
    name: MachineName
    remains: Remains
    offer: Offer
    timings: Timings

    @property
    def began(self) -> datetime:
        """Since when it is taken to bill: the earliest sign of it. A provider may only say when we first saw it."""
        signs = [self.machine.first_seen, self.remains.written]
        if self.remains.started:
            signs.append(self.remains.started.started_at)
        return max(min(signs), self.name.hard_deadline - seconds(LIFE_S_MAX))

    @property
    def max_runtime_s(self) -> int:
        """The runtime its hard deadline was made from."""
        span_s = (self.name.hard_deadline - self.began).total_seconds()
        left_s = int(span_s - self.timings.start_allowance_s - AFTER_SOFT_S)
        return max(1, min(RUNTIME_S_MAX, left_s))

    def check(self, layout: Layout) -> None:
        """Raise NotAdoptable when the spec does not say what was trained: before any money is held."""
        _train_spec(self.remains, layout)

    def reservation(self) -> ReserveMoney:
        """Return what the ledger is asked to hold: enough for the machine until its hard deadline."""
        return ReserveMoney(
            job_id=self.name.job_id,
            user_id=self.remains.user_id,
            attempt=self.name.attempt,
            offer=self.offer,
            cap_left_usd=FREELY_USD,
            max_runtime_s=self.max_runtime_s,
        )

    def events(self, job: Job | None, layout: Layout, binding: Binding, held: Held, at: datetime) -> list[ev.Event]:
        """Return what to append to the job's stream so that its supervisor goes on with the machine.

        Raises NotAdoptable as ``check`` does.
        """
        events: list[ev.Event] = [] if job else [self._queued(layout, binding)]
        number = self.name.attempt
        known = len(job.attempts) if job else 0
        for earlier in range(known + 1, number):
            events += _nothing_known_of(self.name.job_id, earlier, self.began)
        if job is None or job.current is None:
            reserved = ev.MoneyReserved(
                attempt=number, reservation=held.reservation, hold_usd=held.hold_usd, at=self.began
            )
            events.append(reserved)
        intent = ev.LaunchIntended(
            attempt=number,
            reservation=held.reservation,
            request=self._request(),
            bound="runtime",
            run=ADOPTED_RUN,
            at=self.began,
        )
        return [*events, intent, ev.MachineFound(attempt=number, machine=self.machine, at=at)]

    def _request(self) -> LaunchRequest:
        hard = self.name.hard_deadline
        return LaunchRequest(
            name=self.machine.name,
            job_id=self.name.job_id,
            attempt=self.name.attempt,
            offer=self.offer,
            folder=self.remains.folder,
            soft_deadline=hard - seconds(AFTER_SOFT_S),
            hard_deadline=hard,
            max_runtime_s=self.max_runtime_s,
        )

    def _queued(self, layout: Layout, binding: Binding) -> ev.JobQueued:
        spec = _train_spec(self.remains, layout)
        terms = Terms.of(self.offer, self.timings)
        hold_usd = hold_for(terms, self.timings, FREELY_USD, self.max_runtime_s)
        limits = Limits(max_runtime_s=self.max_runtime_s, max_cost_usd=max(MICRO, hold_usd), max_billed_attempts=1)
        plan = Plan(
            spec=spec,
            limits=limits,
            provider=binding.provider,
            offers=(self.offer,),
            estimate=Estimate(
                runtime_s_low=0, runtime_s_high=limits.max_runtime_s, cost_usd_low=ZERO, cost_usd_high=hold_usd
            ),
            hold_usd=hold_usd,
            self_termination="unproven",
            warnings=("Taken over from its machine and its job folder: the order itself is not known any more.",),
        )
        name = self.remains.spec.work_spec.get("name")
        return ev.JobQueued(
            job_id=self.name.job_id,
            user_id=self.remains.user_id,
            name=name if isinstance(name, str) and name else f"job-{self.name.job_id.tail[:3]}",
            via="adopted",
            dataset_name=str(spec.dataset_id),
            plan=plan,
            binding=binding,
            at=self.began,
        )


def _nothing_known_of(job_id: JobId, attempt: int, at: datetime) -> list[ev.Event]:
    """Return an earlier attempt of which nothing is left: it is over, and what it cost only the bill knows."""
    reserved = ev.MoneyReserved(attempt=attempt, reservation=reservation_id(job_id, attempt), hold_usd=ZERO, at=at)
    ended = ev.AttemptEnded(attempt=attempt, rate_usd_per_hour=ZERO, fixed_usd=ZERO, cost_usd=ZERO)
    return [reserved, ended]


def _train_spec(remains: Remains, layout: Layout) -> TrainSpec:
    key = remains.spec.inputs.get(INPUT_NAME, "")
    access = decide_access(layout, remains.user_id, key)
    if not isinstance(access, Granted) or access.area is not Area.DATASETS:
        raise NotAdoptable("its spec names no data set of its user")
    order = remains.spec.work_spec
    told = {name: order[name] for name in TrainSpec.model_fields if order.get(name) is not None}
    try:
        return TrainSpec.model_validate(
            {
                **told,
                "dataset_id": DatasetId(access.rest[0]),
                "dataset_key": key,
                "dataset_sha256": told["dataset_sha256"],
            }
        )
    except (ValidationError, ValueError, KeyError) as error:
        raise NotAdoptable("its spec does not say what is trained") from error
