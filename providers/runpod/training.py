"""The RunPod ``CloudTrainingProvider``: pods that mount one network volume."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from functools import partial
from math import inf
from typing import ClassVar, Final

from messages.machines import Gone, LaunchRequest, Listing, Machine, Offer, Proof, ProviderKind
from providers.interface import (
    CREATE_WAIT_S_MAX,
    Ambiguous,
    BilledLine,
    CloudTrainingProvider,
    EndAnswer,
    LogChunk,
    Need,
    NoCapacity,
    ProviderError,
    Refused,
    RentedSpace,
    SpaceLine,
    Unavailable,
)
from providers.runpod import pods
from providers.runpod.account import Account
from providers.runpod.billing import billed, volume_billed
from providers.runpod.catalogue import Catalogue
from providers.runpod.client import Client
from providers.runpod.listing import Lister
from providers.runpod.logs import read_logs
from providers.runpod.offers import are_enough, rank, select_gpu, wants_cpus, wants_gpus
from providers.runpod.prices import AS_OF, usual_rate, volume_usd_per_month
from providers.runpod.proof import Prover
from providers.runpod.resources import cpus, gpus, volume
from providers.shared import Shared
from providers.sights import Sights

CATALOGUE_S: Final = 300.0
"""How old prices and stock of an offer may be: a plan, the time somebody thinks about it, and the order that follows
share one list. Safe, because nothing is paid by it: what a create made is compared with its offer, and ended where it
is another machine, elsewhere, or more than a tenth dearer (``actors/supervisor/checks.py``). Stock is advice however
young it is (fact sheet 1.1). A create that shows other stock or another price makes the lists old at once.
"""
OWN_LISTINGS: Final = 2
"""Intervals without anybody's listing after which whoever waits for exits asks for one."""


class RunPodTraining(CloudTrainingProvider):
    """Rents pods. Also tells of pods that ended by themselves, from the listings that are made anyway."""

    kind: ClassVar[ProviderKind] = "runpod"

    def __init__(self, client: Client) -> None:
        settings = client.settings
        self.client = client
        self.timings = settings.timings
        self.self_ending = settings.self_ending
        self.account = Account(client)
        self._sights = Sights(client.clock)
        self._lister = Lister(client, self.account, self._sights)
        self._prover = Prover(client, self.account, self._lister)
        self._ender = pods.Ender(client)
        self._gpus = Shared(client.clock, partial(gpus, client), "runpod GPU catalogue")
        self._cpus = Shared(client.clock, partial(cpus, client), "runpod CPU catalogue")
        self._doubted = -inf
        """Since when the catalogue is known to be wrong somewhere; monotonic seconds."""

    async def fingerprint(self) -> str:
        """Return the account by its volume, asked now. Raises Unavailable, or Refused with what to check."""
        return await self.account.confirm()

    def clock_off_s(self) -> float | None:
        """Return by how many seconds RunPod's clock is ahead of ours; ``None`` before its first answer."""
        return self.client.clock_off_s()

    def creates_now(self) -> int | None:
        """Return how many creates the quota and the silence of the API let through now."""
        return self.client.calls_now(pods.CREATE_PRIORITY)

    def select_compute_type(self, size_mb: float, model_type: str) -> str:
        """Return the GPU type for a size and a kind of model (R6.1)."""
        return select_gpu(size_mb, model_type, self.client.settings.default_gpu_type)

    async def offers(self, need: Need) -> list[Offer]:
        """Return what fits in the volume's data centre, at prices of the last ``CATALOGUE_S``.

        Only the lists that come into question are asked for, and those of before a create that found something else
        are not believed. Raises Refused where the configured GPU type does not exist and nothing else fits, and
        Unavailable without a catalogue: no money is spent at a guessed price.
        """
        place = await self.account.place()
        since = max(self._doubted, self.client.clock.monotonic() - CATALOGUE_S)
        settings = self.client.settings
        flavours = await self._cpus.begun_since(since) if wants_cpus(need) else ()
        enough = are_enough(need, flavours, place, settings)
        types = await self._gpus.begun_since(since) if wants_gpus(need) and not enough else ()
        found = rank(need, Catalogue(types, flavours), place, settings)
        usual = settings.default_gpu_type
        if not found and need.machine is None and types and usual not in {gpu.id for gpu in types}:
            raise Refused(
                f"RunPod has no GPU called {usual!r}; runpod.default_gpu_type has to be one of its ids as they are "
                "written, such as NVIDIA RTX A5000"
            )
        return found

    def usual_rate(self, machine_type: str) -> Decimal | None:
        """Return about what a GPU costs an hour, for estimates without a catalogue, or ``None``."""
        return usual_rate(machine_type)

    async def launch(self, request: LaunchRequest, *, leaves_within_s: float = CREATE_WAIT_S_MAX) -> Machine:
        """Post one create. The pod mounts this account's volume, so the account needs no look before it."""
        try:
            pod = await pods.create(self.client, request, leaves_within_s)
        except Ambiguous:
            self._lister.doubt()
            raise
        except NoCapacity:
            self._doubted = self.client.clock.monotonic()
            raise
        machine = pod.machine(self.account.fingerprint, self._sights.launched(pod.id))
        if machine.rate_usd_per_hour != request.offer.rate_usd_per_hour:
            self._doubted = self.client.clock.monotonic()
        return machine

    async def list_machines(self) -> Listing:
        """Return every pod of the account, from a listing begun now. Raises Unavailable."""
        listing = await self._lister.anew()
        interval_s = self._lister.interval_s()
        if interval_s != self.timings.list_interval_s:
            self.timings = self.timings.model_copy(update={"list_interval_s": interval_s})
        return listing

    async def describe(self, machine_id: str) -> Machine:
        """Return one pod as it is now."""
        pod = await pods.describe(self.client, machine_id)
        return pod.machine(self.account.fingerprint, self._sights.first_seen(machine_id))

    async def terminate(self, machine_id: str) -> EndAnswer:
        """Ask for the end of a pod, by another route at every call."""
        return await self._ender.terminate(machine_id)

    async def prove_gone(self, machine: Machine) -> Proof:
        """Two "not found" with a complete listing between them, under the account it was launched in."""
        proof = await self._prover.prove(machine)
        if isinstance(proof, Gone):
            self._ender.forget(machine.id)
        return proof

    def logs(self, machine_id: str, after: int = 0) -> AsyncIterator[LogChunk]:
        """Return what RunPod kept of the container's and the system's lines; they vanish soon after the pod."""
        return read_logs(self.client, machine_id, after, self.client.settings.log_silence_s)

    async def billed(self, since: datetime, until: datetime) -> list[BilledLine]:
        """Return one line per pod, by whole hours; the last minutes are not on it yet."""
        return await billed(self.client, since, until)

    async def space(self) -> RentedSpace:
        """Return the size of the network volume, and what one of the standard tier costs."""
        found = await volume(self.client, self.client.settings.volume_id)
        if not found.size_gb:
            raise Unavailable("RunPod does not say how large the network volume is")
        return RentedSpace(found.size_gb, volume_usd_per_month(found.size_gb), AS_OF)

    async def space_billed(self, since: datetime, until: datetime) -> list[SpaceLine]:
        """Return the network volume's hours on the bill; the last ones are not on it yet."""
        return await volume_billed(self.client, since, until)

    async def next_exit(self) -> str:
        """Wait for the next pod of ours that a listing no longer shows, or whose container began anew."""
        clock = self.client.clock
        while not self._sights.exits:
            await clock.sleep(self._lister.interval_s())
            try:
                await self._lister.begun_since(clock.monotonic() - OWN_LISTINGS * self._lister.interval_s())
            except ProviderError:
                continue
        return self._sights.exits.popleft()

    async def close(self) -> None:
        """End the calls that are out for more than one caller; pods keep running."""
        await self._lister.close()
        await self.account.close()
        await self._gpus.close()
        await self._cpus.close()
