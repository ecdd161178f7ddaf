"""The fake ``CloudTrainingProvider``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime
from typing import ClassVar

from messages.base import Instant
from messages.machines import Alive, Gone, LaunchRequest, Listing, Machine, Offer, Proof, ProviderKind, Unknown
from providers.fake.cloud import FakeCloud, FakeMachine, ListingFault
from providers.interface import (
    CREATE_WAIT_S_MAX,
    BilledLine,
    CloudTrainingProvider,
    EndAnswer,
    LogChunk,
    Need,
    NotFound,
    ProviderError,
    Refused,
)

OFFER_TYPE = "fake-gpu"


class FakeTraining(CloudTrainingProvider):
    """Rents machines that exist in memory. ``cloud`` is where tests script, spoil and audit it."""

    kind: ClassVar[ProviderKind] = "fake"

    def __init__(self, cloud: FakeCloud) -> None:
        self.cloud = cloud
        self.timings = cloud.settings.timings
        self._last: tuple[Machine, ...] = ()
        self._news = asyncio.Event()
        cloud.on_news(self._news.set)

    async def fingerprint(self) -> str:
        """Return the account that answers now."""
        with self.cloud.faults.around("fingerprint"):
            return self.cloud.account

    def select_compute_type(self, size_mb: float, model_type: str) -> str:  # noqa: ARG002 (there is no choice)
        """Return the one there is."""
        return OFFER_TYPE

    async def offers(self, need: Need) -> list[Offer]:
        """Return one offer per place, unless another machine type was asked for by name."""
        with self.cloud.faults.around("offers"):
            if need.machine not in (None, OFFER_TYPE):
                return []
            return [self._offer(place) for place in self.cloud.settings.places]

    async def launch(
        self,
        request: LaunchRequest,
        *,
        leaves_within_s: float = CREATE_WAIT_S_MAX,  # noqa: ARG002 (it waits for nothing)
    ) -> Machine:
        """Make a machine; where creates are idempotent, the same request again makes none."""
        with self.cloud.faults.around("launch"):
            self.cloud.settle()
            if request.offer.provider != self.kind:
                raise Refused(f"offer {request.offer.id!r} is not an offer of this cloud")
            self.cloud.launches += 1
            return self.cloud.view(self._made_before(request) or self.cloud.make(request.name, request))

    async def list_machines(self) -> Listing:
        """Return what is visible, as spoiled as was ordered."""
        with self.cloud.faults.around("list_machines"):
            self.cloud.settle()
            spoiled = self.cloud.listing_faults.popleft() if self.cloud.listing_faults else None
            began = self.cloud.clock.now()
            return self._listing(began, spoiled)

    async def describe(self, machine_id: str) -> Machine:
        """Return one machine, as long as it is listed."""
        with self.cloud.faults.around("describe"):
            self.cloud.settle()
            return self.cloud.view(self._known(machine_id))

    async def terminate(self, machine_id: str) -> EndAnswer:
        """End a machine, unless its script ignores the call."""
        with self.cloud.faults.around("terminate"):
            self.cloud.settle()
            try:
                machine = self._known(machine_id)
            except NotFound:
                return EndAnswer.ABSENT
            if self.cloud.account != self.cloud.settings.account:
                raise Refused("another account's machine")
            machine.ending = True
            if machine.terminates_ignored > 0:
                machine.terminates_ignored -= 1
            else:
                self.cloud.stop(machine, self.cloud.clock.now())
            return EndAnswer.ACCEPTED

    async def prove_gone(self, machine: Machine) -> Proof:
        """Two complete listings of the same account without id and name, ``absence_gap_s`` apart."""
        try:
            return await self._prove(machine)
        except ProviderError as error:
            return Unknown(detail=f"no answer: {error}")

    async def logs(self, machine_id: str, after: int = 0) -> AsyncIterator[LogChunk]:
        """Return one line per life."""
        with self.cloud.faults.around("logs"):
            self.cloud.settle()
            machine = self.cloud.machines.get(machine_id)
            text = f"{machine.name} made {machine.made.isoformat()}\n"[after:] if machine else ""
        if text:
            yield LogChunk(after + len(text), text)

    async def billed(self, since: datetime, until: datetime) -> list[BilledLine]:
        """Return ended machines that lived within the window, from the auditor's books."""
        with self.cloud.faults.around("billed"):
            return [
                BilledLine(line.machine_id, line.began, line.ended, line.amount(line.ended))
                for line in self.cloud.books()
                if line.ended is not None and line.began < until and line.ended >= since and line.rate_usd_per_hour
            ]

    async def next_exit(self) -> str:
        """Wait for the next machine of ours that ended."""
        while True:
            self.cloud.settle()
            if self.cloud.exits:
                return self.cloud.exits.popleft()
            self._news.clear()
            await self._until_news(self.cloud.next_due_s())

    async def _until_news(self, due_s: float | None) -> None:
        waits: list[asyncio.Task[object]] = [asyncio.create_task(self._news.wait(), name="fake news")]
        if due_s is not None:
            waits.append(asyncio.create_task(self.cloud.clock.sleep(due_s), name="fake due"))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()
            for task in waits:
                with suppress(asyncio.CancelledError):
                    await task

    def _offer(self, place: str) -> Offer:
        return Offer(
            id=f"{OFFER_TYPE}@{place}",
            provider=self.kind,
            machine_type=OFFER_TYPE,
            place=place,
            rate_usd_per_hour=self.cloud.rate,
            cpus=8,
            memory_gb=32,
            gpu="Fake 24 GB",
            reason="the only kind there is",
        )

    def _made_before(self, request: LaunchRequest) -> FakeMachine | None:
        if not self.timings.creates_are_idempotent:
            return None
        machine = self.cloud.by_name.get(request.name)
        if machine is not None and machine.request != request:
            raise Refused(f"{request.name} was launched before, from another request")
        return machine

    def _known(self, machine_id: str) -> FakeMachine:
        machine = self.cloud.machines.get(machine_id)
        if machine is None or not self.cloud.visible(machine) or self.cloud.account != self.cloud.settings.account:
            raise NotFound(f"no machine {machine_id}")
        return machine

    def _listing(self, began: Instant, spoiled: ListingFault | None) -> Listing:
        foreign = spoiled == "foreign" or self.cloud.account != self.cloud.settings.account
        shown = self._last if spoiled == "stale" else self._shown()
        if spoiled is None and not foreign:
            self._last = shown
        return Listing(
            account="fake:somebody-else" if spoiled == "foreign" else self.cloud.account,
            began=began,
            ended=self.cloud.clock.now(),
            complete=spoiled != "incomplete",
            machines=() if foreign or spoiled in ("incomplete", "empty") else shown,
        )

    def _shown(self) -> tuple[Machine, ...]:
        shown = []
        for machine in list(self.cloud.listed.values()):
            if self.cloud.visible(machine):
                shown.append(self.cloud.view(machine))
                if machine.ended is not None:
                    machine.looks_after_end -= 1
            elif machine.ended is not None:
                del self.cloud.listed[machine.id]
        return tuple(shown)

    async def _prove(self, machine: Machine) -> Proof:
        cloud, looks = self.cloud, []
        while True:
            if await self.fingerprint() != machine.account:
                return Unknown(detail="another account answers")
            listing = await self.list_machines()
            if not listing.complete or listing.account != machine.account:
                return Unknown(detail="the listing is cut or of another account")
            if any(m.id == machine.id or m.name == machine.name for m in listing.machines):
                return Alive(detail="it is listed")
            if (listing.began - machine.first_seen).total_seconds() < self.timings.min_age_s:
                return Unknown(detail="too young for its absence to count")
            looks.append(listing)
            if len(looks) == 2:
                break
            await cloud.clock.sleep(self.timings.absence_gap_s)
        if await self.fingerprint() != machine.account:
            return Unknown(detail="another account answers")
        return Gone(
            account=machine.account,
            at=cloud.clock.now(),
            absent_since=looks[0].began,
            listing_began=looks[-1].began,
            evidence=tuple(f"{look.began:%H:%M:%S} not in a complete listing" for look in looks),
        )

    async def close(self) -> None:
        """Refuse nothing: machines in memory keep running with the clock."""
        self._news.set()
