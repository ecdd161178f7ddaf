"""The trial of self-ending: one cheapest pod that has to end itself, watched until it is gone or was ended from here.

Its verdict decides what plans may promise while Lastcall is not running (design.md 7). The pod carries a valid machine
name of this installation with a near hard deadline, so every reaper finds it, under a generation that no journal has:
a name of the journal's own generation without an intent would stop a running daemon.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil
from pathlib import Path
from typing import Final, NamedTuple

from actors.journal.install import Install
from actors.runtime.world import Clock
from containers.job.build import archive_bytes
from lastcall.setup import trial_program
from lastcall.setup.ending import INTERRUPTED, end_for_sure, words
from messages.ids import JobId
from messages.machines import Gone, LaunchRequest, Machine, MachineName, MachineState, Offer
from messages.money import HOUR_SECONDS
from providers.interface import Ambiguous, CloudStorageProvider, Need, NoCapacity, NotFound, ProviderError, Refused
from providers.runpod.training import RunPodTraining
from providers.seams import Entropy

HARD_S: Final = 900
"""From the create on: the pod is gone by then, whoever is left to end it."""
COST_MAX_USD: Final = Decimal("0.02")
"""What one trial may cost; the watch is as long as this pays for."""
WATCH_MAX_S: Final = 600.0
WATCH_MIN_S: Final = 180.0
"""A pod that cannot be watched so long for that money is not tried."""
AFTER_WATCH_S: Final = 45.0
"""Paid for beyond the watch: the terminate call and its effect."""
LOOK_S: Final = 3.0
REFUSED_AFTER_S: Final = 60.0
"""Alive so long after its own calls to end: they did not help."""
RESTART_S: Final = 120.0
"""A container that exited is back within this time (fact sheet 2.1: 15 to 20 s)."""
LISTED_S: Final = 120.0
CANDIDATES_MAX: Final = 4
SMALLEST_VCPUS: Final = 2
"""Of a pod without GPU (fact sheet 1.1)."""
FOLDER: Final = "trials"
GENERATIONS: Final = ("tria", "trib")
"""Neither is made by chance but once in a million; the one that is not the journal's is taken."""


class TrialFailed(Exception):
    """No verdict: the pod did not come as far as ending itself. What was rented is gone, or named in the text."""


class Price(NamedTuple):
    """What a trial will do and cost."""

    offer: Offer
    watch_s: float
    most_usd: Decimal


@dataclass
class Verdict:
    """What the trial saw. Spans in seconds; ``None``: not seen."""

    ends_itself: bool
    exclusive: bool = False
    """Whether an exclusive create and a link held on the volume."""
    calls: tuple[str, ...] = ()
    """The pod's own calls that were not accepted: ``delete 403``."""
    uptime_fell: bool = False
    """Whether a look showed the start of the container anew."""
    measured: dict[str, float | None] = field(default_factory=dict)


def program_bytes() -> bytes:
    """Return the archive that the pod runs. Raises OSError."""
    job = Path(trial_program.__file__).parents[2] / "containers" / "job"
    files = {
        "__main__.py": Path(trial_program.__file__).read_bytes(),
        "containers/__init__.py": b"",
        "containers/job/__init__.py": b"",
        "containers/job/runpod.py": (job / "runpod.py").read_bytes(),
    }
    return archive_bytes(files)


async def cheapest(training: RunPodTraining) -> list[Price]:
    """Return what can be tried, the cheapest first; a GPU only where there is no pod without. Raises Unavailable."""
    offers = await training.offers(Need(size_mb=0.1, model_type="linear"))
    small = []
    for offer in offers:
        if offer.gpu_count == 0:
            flavour = offer.machine_type.rpartition("-")[0]
            wish = Need(size_mb=0.1, model_type="linear", machine=f"{flavour}-{SMALLEST_VCPUS}")
            small += await training.offers(wish)
    found = small or [offer for offer in offers if offer.gpu_count]
    found.sort(key=lambda offer: (offer.rate_usd_per_hour, offer.id))
    return [price for offer in found if (price := _price(offer)).watch_s >= WATCH_MIN_S][:CANDIDATES_MAX]


def _price(offer: Offer) -> Price:
    per_second = (offer.rate_usd_per_hour + offer.disk_usd_per_hour) / 3600
    watch_s = min(WATCH_MAX_S, float(COST_MAX_USD / per_second) - AFTER_WATCH_S)
    most = (per_second * Decimal(max(0.0, watch_s) + AFTER_WATCH_S)).quantize(Decimal("0.001"))
    return Price(offer, watch_s, min(most, COST_MAX_USD))


class Trial:
    """One trial. Whatever ends it, no pod of it is left running, or its name is told."""

    def __init__(
        self,
        training: RunPodTraining,
        storage: CloudStorageProvider,
        install: Install,
        clock: Clock,
        entropy: Entropy,
        waits: Callable[[str], None] = lambda _: None,
    ) -> None:
        """``waits`` is told what takes time when the trial is interrupted."""
        self._waits = waits
        self._training = training
        self._storage = storage
        self._install = install
        self._clock = clock
        self._job = JobId.random(entropy.bytes(10))
        self._folder = f"{FOLDER}/{self._job}"
        self._program = program_bytes()
        self._measured: dict[str, float | None] = {}
        self._uptime_fell = False
        self.name = ""
        """Of the pod, from before it is asked for until it is known that it is not there."""
        self._rate = Decimal(0)
        self.spent_usd = Decimal(0)
        """What its pods have cost at most so far: from each create to the proof of its end."""

    @property
    def left(self) -> str | None:
        """What may still run and cost, and what to do; ``None``: nothing does."""
        return f"{words(self._training.kind, self.name)} (${self._rate:.2f} an hour)" if self.name else None

    async def run(self, prices: list[Price]) -> Verdict:
        """Rent, watch, end. Raises TrialFailed without a verdict, ProviderError before anything was rented."""
        for part, data in self._files().items():
            await self._storage.put(part, _whole(data))
        try:
            return await self._tried(prices)
        finally:
            await self._clean()

    async def _tried(self, prices: list[Price]) -> Verdict:
        for price in prices:
            request = self._request(price.offer)
            self.name, self._rate = request.name, price.offer.rate_usd_per_hour + price.offer.disk_usd_per_hour
            began = self._clock.monotonic()
            machine: Machine | None = None
            maybe_rented = True
            try:
                try:
                    machine = await self._training.launch(request)
                except NoCapacity:
                    self.name, maybe_rented = "", False
                    continue
                except Refused as error:
                    self.name, maybe_rented = "", False
                    raise TrialFailed(str(error)) from error
                except Ambiguous as error:
                    raise TrialFailed(f"{error}; whatever was rented has been ended") from error
                self._measured["create_s"] = self._clock.monotonic() - began
                return await self._watch(machine, price)
            except asyncio.CancelledError:
                self._waits(INTERRUPTED)
                raise
            finally:
                if self.name:
                    await end_for_sure(self._training, self._clock, self.name, machine, self._measured, self._waits)
                    self.name = ""
                if maybe_rented:
                    self.spent_usd += self._rate * Decimal(str(self._clock.monotonic() - began)) / HOUR_SECONDS
        raise TrialFailed("there is no machine for it now")

    # ------------------------------------------------------------------------------------------- watching

    async def _watch(self, machine: Machine, price: Price) -> Verdict:
        """Look until the pod is gone by itself, its calls did not help, or the time is over."""
        began = self._clock.monotonic()
        await self._until_listed(machine, began)
        first: dict[str, object] | None = None
        ending_since: float | None = None
        uptime, first_at = 0.0, 0.0
        while (now := self._clock.monotonic()) < began + price.watch_s:
            seen = await self._look(machine)
            if seen is None:
                return await self._gone(machine, first, ending_since)
            if seen.uptime_s is not None:
                self._uptime_fell = self._uptime_fell or seen.uptime_s < uptime
                uptime = seen.uptime_s
            if first is None and (first := await self._read(trial_program.FIRST)) is not None:
                self._measured["start_s"] = now - began
                first_at = now
            if first and ending_since is None and await self._read(trial_program.SECOND) is not None:
                self._measured["restart_s"] = now - first_at - trial_program.UPTIME_S
                ending_since = now
            if ending_since is not None and now - ending_since > trial_program.SEEN_S + REFUSED_AFTER_S:
                return self._verdict(False, first, await self._calls())
            if first and ending_since is None and now - first_at > trial_program.UPTIME_S + RESTART_S:
                raise TrialFailed(f"its container exited and was not started again; status {seen.raw_status}")
            await self._clock.sleep(LOOK_S)
        raise TrialFailed(f"it did not come that far in {price.watch_s:.0f} s")

    async def _until_listed(self, machine: Machine, began: float) -> None:
        """Measure how long a listing lags behind a create."""
        while self._clock.monotonic() < began + LISTED_S:
            try:
                listing = await self._training.list_machines()
            except ProviderError:
                listing = None
            if listing is not None and listing.named(machine.name):
                self._measured["list_lag_s"] = self._clock.monotonic() - began
                return
            await self._clock.sleep(LOOK_S)
        self._measured["list_lag_s"] = None

    async def _gone(self, machine: Machine, first: dict[str, object] | None, ending_since: float | None) -> Verdict:
        """Prove it: what GET does not show may be there again. Only an end that the pod began itself counts."""
        vanished = self._clock.monotonic()
        if ending_since is None and await self._read(trial_program.SECOND) is not None:
            ending_since = vanished - LOOK_S
        if ending_since is None:
            raise TrialFailed("it vanished before it ended itself")
        self._measured["delete_lag_s"] = max(0.0, vanished - ending_since - trial_program.SEEN_S)
        proof = await self._training.prove_gone(machine)
        if not isinstance(proof, Gone):
            raise TrialFailed(f"RunPod no longer showed it, and it could not be proven gone: {proof.detail}")
        self._measured["proof_s"] = self._clock.monotonic() - vanished
        self.name = ""
        return self._verdict(True, first)

    def _verdict(self, ends: bool, first: dict[str, object] | None, calls: tuple[str, ...] = ()) -> Verdict:
        return Verdict(ends, _held(first), calls, self._uptime_fell, self._measured)

    async def _look(self, machine: Machine) -> Machine | None:
        """Return the pod as it is, ``None`` once RunPod does not know it; without an answer, as it was."""
        try:
            return await self._training.describe(machine.id)
        except NotFound:
            young = self._clock.now() - machine.first_seen < timedelta(seconds=self._training.timings.absence_gap_s)
            return machine if young else None
        except ProviderError:
            return machine.model_copy(update={"state": MachineState.UNKNOWN})

    async def _calls(self) -> tuple[str, ...]:
        document = await self._read(trial_program.CALLS) or {}
        calls = document.get("calls")
        listed = [one for one in calls if isinstance(one, dict)] if isinstance(calls, list) else []
        refused = (f"{one.get('route')} {one.get('status')}" for one in listed if not one.get("accepted"))
        return tuple(dict.fromkeys(refused))

    # ------------------------------------------------------------------------------------------- its files

    def _files(self) -> dict[str, bytes]:
        return {f"{self._folder}/wrapper.pyz": self._program}

    async def _read(self, name: str) -> dict[str, object] | None:
        try:
            data = b"".join([piece async for piece in self._storage.get(f"{self._folder}/{name}")])
            document = json.loads(data)
        except (ProviderError, ValueError):
            return None
        return document if isinstance(document, dict) else None

    async def _clean(self) -> None:
        """Take the trial's files away; what cannot be taken is a few kilobytes."""
        names = (trial_program.ONCE, trial_program.LINKED, trial_program.FIRST, trial_program.SECOND)
        for key in (*self._files(), *(f"{self._folder}/{name}" for name in (*names, trial_program.CALLS))):
            try:
                await self._storage.delete(key)
            except ProviderError:
                continue

    def _request(self, offer: Offer) -> LaunchRequest:
        now = self._clock.now()
        hard = datetime.fromtimestamp(ceil(now.timestamp()) + HARD_S, tz=now.tzinfo)
        generation = next(one for one in GENERATIONS if one != self._install.generation)
        name = MachineName(self._install.installation, generation, self._job.tail, 1, hard)
        return LaunchRequest(
            name=name.text(self._install.name_key),
            job_id=self._job,
            attempt=1,
            offer=offer,
            folder=self._folder,
            soft_deadline=hard,
            hard_deadline=hard,
            max_runtime_s=HARD_S,
            environment={
                "LASTCALL_MACHINE": name.text(self._install.name_key),
                "LASTCALL_ATTEMPT": "1",
                "LASTCALL_HARD_DEADLINE": str(int(hard.timestamp())),
                "LASTCALL_WRAPPER_SHA256": hashlib.sha256(self._program).hexdigest(),
            },
            bundle=self._folder,
        )


def _held(first: dict[str, object] | None) -> bool:
    return bool(first) and first is not None and first.get("exclusive") is True and first.get("link") is True


async def _whole(data: bytes) -> AsyncIterator[bytes]:
    yield data
