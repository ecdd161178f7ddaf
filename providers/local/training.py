"""The local ``CloudTrainingProvider``: what ``machines.py`` does, asked for from the event loop, and the proof."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from datetime import datetime
from typing import ClassVar, Final

from messages.machines import (
    Alive,
    Gone,
    LaunchRequest,
    Listing,
    Machine,
    Offer,
    Proof,
    ProviderKind,
    Unknown,
)
from messages.money import HOUR_SECONDS
from providers.interface import (
    CREATE_WAIT_S_MAX,
    Ambiguous,
    BilledLine,
    CloudTrainingProvider,
    EndAnswer,
    LogChunk,
    Need,
    ProviderError,
    Unavailable,
)
from providers.local.capacity import usable_cpus, usable_memory_gb
from providers.local.exits import ExitWatch
from providers.local.identity import Identity
from providers.local.launch import Places
from providers.local.machines import Look, Machines
from providers.local.settings import OFFER, LocalSettings
from providers.local.storage import LocalStorage
from providers.seams import ProviderClock
from providers.worker import Worker

LOG_CHUNK_BYTES: Final = 64 << 10
LOG_CALL_BYTES: Final = 16 << 20
"""Most that one call of ``logs`` gives, however large a file the work made of its console; the next goes on there."""


class LocalTraining(CloudTrainingProvider):
    """Rents process trees of this computer. Also tells exits at once (``ExitEvents``).

    Machines live on when the daemon ends, unless the daemon is process 1: then the kernel ends all with it.
    """

    kind: ClassVar[ProviderKind] = "local"

    def __init__(
        self,
        settings: LocalSettings,
        machines: Machines,
        exits: ExitWatch,
        identity: Identity,
        storage: LocalStorage,
        clock: ProviderClock,
        worker: Worker,
    ) -> None:
        self.timings = settings.timings
        self._settings = settings
        self._machines = machines
        self._exits = exits
        self._identity = identity
        self._storage = storage
        self._clock = clock
        self._worker = worker

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of machines here, in sentences; mostly nothing."""
        if os.getpid() != 1:
            return ()
        return ("Lastcall is process 1 of this container: its machines end when it ends",)

    async def fingerprint(self) -> str:
        """Return this computer and user."""
        return self._identity.fingerprint

    def select_compute_type(self, size_mb: float, model_type: str) -> str:  # noqa: ARG002 (there is no choice)
        """Return the one there is."""
        return OFFER

    async def offers(self, need: Need) -> list[Offer]:
        """Return this computer, unless another machine type was asked for by name."""
        if need.machine not in (None, OFFER):
            return []
        cpus, memory = self._settings.cpus, self._settings.memory_gb
        return [
            Offer(
                id=OFFER,
                provider="local",
                machine_type=OFFER,
                place="this computer",
                rate_usd_per_hour=self._settings.price_usd_per_second * HOUR_SECONDS,
                cpus=usable_cpus() if cpus is None else cpus,
                memory_gb=usable_memory_gb() if memory is None else memory,
                reason="; ".join(("runs here, nothing is rented", *self.notes)),
            )
        ]

    async def launch(
        self,
        request: LaunchRequest,
        *,
        leaves_within_s: float = CREATE_WAIT_S_MAX,  # noqa: ARG002 (it waits for nothing)
    ) -> Machine:
        """Start the wrapper; the same request again returns the same machine, also after its end."""
        places = Places(self._storage.machine_path(request.folder), self._storage.machine_path(""))
        try:
            machine = await self._worker.call(self._machines.launch, request, places)
        except OSError as error:
            raise Ambiguous(f"the launch may have happened: {error}") from error
        await self._watch()
        return machine

    async def list_machines(self) -> Listing:
        """Return every machine of this user on this computer that is not known to be absent."""
        try:
            listing = await self._worker.call(self._machines.listing)
        except OSError as error:
            raise Unavailable(f"the process table could not be read: {error}", 1.0) from error
        await self._watch()
        return listing

    async def describe(self, machine_id: str) -> Machine:
        """Return one machine after a full look."""
        try:
            return await self._worker.call(self._machines.describe, machine_id)
        except OSError as error:
            raise Unavailable(f"the process table could not be read: {error}", 1.0) from error

    async def terminate(self, machine_id: str) -> EndAnswer:
        """Kill every process of the machine, whatever it does about it."""
        try:
            return await self._worker.call(self._machines.terminate, machine_id)
        except OSError as error:
            raise Unavailable(f"the machine may not be ended yet: {error}", 1.0) from error

    async def prove_gone(self, machine: Machine) -> Proof:
        """One look when the subreaper reaped all or the boot ended, else two, ``absence_gap_s`` apart."""
        try:
            return await self._prove(machine)
        except (OSError, ProviderError, RuntimeError, ValueError) as error:
            return Unknown(detail=f"the look was cut short: {error}")

    async def logs(self, machine_id: str, after: int = 0) -> AsyncIterator[LogChunk]:
        """Return the wrapper's own output; positions are bytes. The end of it outlives the machine."""
        if after > sys.maxsize:
            return  # no file is as long
        most = after + LOG_CALL_BYTES
        while after < most:
            try:
                data = await self._worker.call(self._machines.console, machine_id, after, LOG_CHUNK_BYTES)
            except OSError as error:
                raise Unavailable(f"the console could not be read: {error}", 1.0) from error
            if len(data) == LOG_CHUNK_BYTES:
                data = _whole_characters(data)
            if not data:
                return
            after += len(data)
            yield LogChunk(after, data.decode("utf-8", "replace"))

    async def billed(self, since: datetime, until: datetime) -> list[BilledLine]:
        """Return ended machines at the price they were launched at; empty where a second costs nothing."""
        return await self._worker.call(self._machines.bill, since, until)

    async def next_exit(self) -> str:
        """Wait for the next machine whose wrapper ended."""
        return await self._exits.next()

    async def close(self) -> None:
        """Watch no more and end the thread; machines keep running."""
        self._exits.close()
        await self._worker.close()

    async def _watch(self) -> None:
        for name, wrapper in await self._worker.call(self._machines.wrappers):
            self._exits.watch(name, wrapper)

    async def _prove(self, machine: Machine) -> Proof:
        if machine.account != self._identity.fingerprint:
            return Unknown(detail=f"it was launched under {machine.account}, this is {self._identity.fingerprint}")
        looks: list[Look] = []
        while True:
            look = await self._worker.call(self._machines.look, machine.name)
            if look.state == "alive":
                return Alive(detail=look.detail)
            if look.state != "absent":
                return Unknown(detail=look.detail)
            looks.append(look)
            if look.conclusive or len(looks) == 2:
                break
            await self._clock.sleep(self.timings.absence_gap_s)
        since = await self._worker.call(self._machines.book_end, machine.name, looks[0].ended)
        self._exits.forget(machine.name)
        return Gone(
            account=machine.account,
            at=look.ended,
            absent_since=since,
            listing_began=look.began,
            evidence=tuple(f"{seen.ended:%H:%M:%S.%f} {seen.detail}" for seen in looks),
        )


def _whole_characters(data: bytes) -> bytes:
    """Leave a cut UTF-8 character at the end to the next chunk."""
    for back in range(1, 4):
        byte = data[-back]
        if byte & 0xC0 == 0xC0:
            return data[:-back]
        if byte & 0x80 == 0:
            break
    return data
