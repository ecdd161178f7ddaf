"""What ``./dev live`` does with the account itself: files there and back, one machine, the bill, and a last look."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final, TypeVar

from actors.journal import install as installs
from actors.runtime.clock import SteadyClock, SystemClock, SystemEntropy
from lastcall import __version__
from lastcall.config.settings import Settings
from lastcall.setup.ending import end_for_sure
from lastcall.setup.trial import GENERATIONS, HARD_S
from messages.ids import JobId
from messages.machines import LaunchRequest, Machine, MachineName, MachineState, Offer
from providers.http import AiohttpTransport
from providers.interface import CloudStorageProvider, CloudTrainingProvider, NotFound, ProviderError
from tools.live_clouds import Cloud, Wire

PIECE_BYTES: Final = 1 << 20
LOOK_S: Final = 1.0
VISIBLE_S: Final = 180.0
"""A create that no list shows for so long is reported as such."""
STALE: Final = timedelta(days=1)
MEGA: Final = 1e6

T = TypeVar("T")


class Left(Exception):
    """Something of this run remained."""


class Account:
    """The account under test."""

    def __init__(self, cloud: Cloud, settings: Settings, folder: Path) -> None:
        self.cloud = cloud
        self._settings = settings
        self._folder = folder
        self._began = datetime.now(UTC)
        self._entropy = SystemEntropy()
        self._machines: list[str] = []

    # ------------------------------------------------------------------------------------------- storage

    def round_trip(self, size: int) -> str:
        """Send a file, read it back, compare, delete it."""
        return self._do(lambda wire: self._round_trip(wire.storage, size))

    async def _round_trip(self, storage: CloudStorageProvider, size: int) -> str:
        key = f"{self._folder.name}/round-trip-{size}"
        sent, began = hashlib.sha256(), time.monotonic()
        await storage.put(key, _pieces(size, sent))
        up_s, began = time.monotonic() - began, time.monotonic()
        got, count = hashlib.sha256(), 0
        async for piece in storage.get(key):
            got.update(piece)
            count += len(piece)
        down_s = time.monotonic() - began
        if count != size or got.digest() != sent.digest():
            raise Left(f"{count} of {size} bytes came back, or others than were sent")
        await storage.delete(key)
        with suppress(NotFound):
            await storage.stat(key)
            raise Left(f"{key} is there after it was deleted")
        return f"up {size / MEGA / up_s:.1f} MB/s, down {size / MEGA / down_s:.1f} MB/s, same bytes"

    def leftovers(self) -> str:
        """Drop unfinished uploads of more than a day ago: a crash leaves them, and they take room."""
        dropped = self._do(lambda wire: wire.storage.sweep_uploads(STALE, self._places))
        return f"{dropped} uploads that were never finished"

    def delete_files(self) -> str:
        """Delete every file of this run."""
        return self._do(self._delete_files)

    async def _delete_files(self, wire: Wire) -> str:
        keys = [entry.key for place in self._places async for entry in wire.storage.list(place)]
        for key in keys:
            await wire.storage.delete(key)
        return f"{len(keys)} deleted"

    @property
    def _places(self) -> list[str]:
        """Every prefix that files of this run lie below, none within another."""
        name = self._folder.name
        other = [f"{prefix}/" for prefix in self.cloud.prefixes(name).values() if not prefix.startswith(f"{name}/")]
        return [f"{name}/", *other]

    # ------------------------------------------------------------------------------------------- machines

    def one_machine(self, cap: Decimal) -> str:
        """Rent the cheapest machine, see it, end it, prove it; say how far behind the cloud's answers are."""
        return self._do(lambda wire: self._one_machine(wire, cap))

    async def _one_machine(self, wire: Wire, cap: Decimal) -> str:
        prices = [price for price in await self.cloud.prices(wire) if price.most_usd <= cap]
        if not prices:
            raise Left(f"no machine in stock costs less than ${cap} for {HARD_S} s")
        request = self._request(prices[0].offer)
        machine: Machine | None = None
        seen: dict[str, float | None] = {}
        began = time.monotonic()
        try:
            machine = await wire.training.launch(request)
            self._machines.append(machine.id)
            seen[self.cloud.create_lag] = time.monotonic() - began
            seen["list lag"] = await self._until(lambda: self._listed(wire.training, request.name), VISIBLE_S)
            ended = time.monotonic()
            await wire.training.terminate(machine.id)
            seen[self.cloud.end_lag] = await self._until(lambda: self._unknown(wire.training, request.name), VISIBLE_S)
        finally:
            await end_for_sure(wire.training, wire.clock, request.name, machine, {})
        seen["proof"] = time.monotonic() - ended
        words = ", ".join(f"{name} {'none seen' if s is None else f'{s:.1f} s'}" for name, s in seen.items())
        return f"{prices[0].offer.machine_type}: {words}"

    async def _until(self, there: Callable[[], Awaitable[bool]], limit_s: float) -> float | None:
        began = time.monotonic()
        while time.monotonic() < began + limit_s:
            with suppress(ProviderError):
                if await there():
                    return time.monotonic() - began
            await asyncio.sleep(LOOK_S)
        return None

    async def _listed(self, training: CloudTrainingProvider, name: str) -> bool:
        return bool((await training.list_machines()).named(name))

    async def _unknown(self, training: CloudTrainingProvider, name: str) -> bool:
        listing = await training.list_machines()
        return listing.complete and not listing.named(name)

    def _request(self, offer: Offer) -> LaunchRequest:
        """A machine without a program: its boot program waits for one, finds none, and would end the machine itself."""
        job, now = JobId.random(self._entropy.bytes(10)), datetime.now(UTC).replace(microsecond=0)
        hard = now + timedelta(seconds=HARD_S)
        install = self._install()
        generation = next(one for one in GENERATIONS if one != install.generation)
        name = MachineName(install.installation, generation, job.tail, 1, hard).text(install.name_key)
        return LaunchRequest(
            name=name,
            job_id=job,
            attempt=1,
            offer=offer,
            folder=f"{self._folder.name}/none",
            soft_deadline=hard,
            hard_deadline=hard,
            max_runtime_s=HARD_S,
            environment={"LASTCALL_MACHINE": name, "LASTCALL_HARD_DEADLINE": str(int(hard.timestamp()))},
        )

    def none_left(self) -> str:
        """List the machines of this run's installation; end those there are, and raise Left."""
        return self._do(self._none_left)

    async def _none_left(self, wire: Wire) -> str:
        install = self._install()
        listing = await wire.training.list_machines()
        ours = [
            machine
            for machine in listing.machines
            if machine.state is not MachineState.GONE
            and (name := MachineName.parse(machine.name, install.name_key)) is not None
            and name.install == install.installation
        ]
        for machine in ours:
            await end_for_sure(wire.training, wire.clock, machine.name, machine, {})
        if ours:
            raise Left(f"{len(ours)} {self.cloud.machine}s of this run were still there, and have been ended")
        if not listing.complete:
            raise Left(f"the listing is not complete: there may be {self.cloud.machine}s")
        return f"0 of this run, {len(listing.machines)} of others"

    def _install(self) -> installs.Install:
        state = self._folder / "s"
        state.mkdir(mode=0o700, exist_ok=True)
        return installs.load_or_create(state, journal_exists=True, entropy=self._entropy.bytes, now=datetime.now(UTC))

    # ------------------------------------------------------------------------------------------- money

    def bill(self, machines: Sequence[str]) -> str:
        """Say what the cloud has on its bill for the machines of this run; the last minutes come later."""
        ids = {*machines, *self._machines}
        until = datetime.now(UTC) + timedelta(hours=1)
        lines = self._do(lambda wire: wire.training.billed(self._began - timedelta(hours=1), until))
        ours = [line for line in lines if line.machine_id in ids]
        total = sum((line.amount_usd for line in ours), Decimal(0))
        return f"${total:.4f} for {len(ours)} of {len(ids)} {self.cloud.machine}s so far ({self.cloud.billing})"

    # ------------------------------------------------------------------------------------------- running

    def _do(self, work: Callable[[Wire], Awaitable[T]]) -> T:
        async def all_of_it() -> T:
            transport = AiohttpTransport(f"lastcall/{__version__} (live test)")
            clock = SteadyClock(SystemClock())
            try:
                wire = await self.cloud.open(self._settings, transport, clock)
                try:
                    return await work(wire)
                finally:
                    await wire.training.close()
            finally:
                await transport.close()

        return asyncio.run(all_of_it())


async def _pieces(size: int, digest: hashlib._Hash) -> AsyncIterator[bytes]:
    """Yield bytes that no two pieces share, and count them into ``digest``."""
    for number in range(0, size, PIECE_BYTES):
        block = hashlib.sha256(number.to_bytes(8, "big")).digest()
        piece = (block * (PIECE_BYTES // len(block)))[: min(PIECE_BYTES, size - number)]
        digest.update(piece)
        yield piece
