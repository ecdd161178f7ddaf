"""A node on an emulated RunPod in virtual time. A restart is a new process: every seam of the old one is dead."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, TypeVar

from pydantic import SecretStr

from actors.runtime.virtual import VirtualLoop
from actors.supervisor.state import Job
from actors.supervisor.work import Program
from messages.machines import ProviderKind, Timings
from providers.fake.cloud import FakeCloud
from providers.fake.prediction import FakePrediction
from providers.fake.settings import FakeSettings
from providers.fake.storage import FakeStorage
from providers.interface import CloudStorageProvider, NotFound, Provider
from providers.near import NearCopies
from providers.runpod.provider import build_runpod_storage, build_runpod_training
from providers.runpod.settings import RunPodSettings
from tests.emulators.runpod.platform import Platform
from tests.emulators.runpod.s3 import S3Key, S3Keys, VolumeS3
from tests.emulators.runpod.settings import Settings
from tests.simulation.runpod.pods import ScriptedPods, Work
from tests.support.node import ARTIFACTS, NodeKit
from tests.support.runpod_sim import ACCOUNT, PLACE, VOLUME, SimTransport, settings, with_volume

T = TypeVar("T")

ACCESS: Final = "user_main"
SECRET: Final = "rps_MAIN00000000000000000000000000"
BUNDLE: Final = "bundles/simulated"


class SeededLoop(VirtualLoop):
    """A virtual loop that lets what is ready run in another order now and then, as a seed says.

    Only whole rounds are turned: what one callback scheduled still comes after it.
    """

    def __init__(self, seed: int) -> None:
        self._turns = random.Random(seed)
        super().__init__()

    def _run_once(self) -> None:
        ready: Any = self._ready  # type: ignore[attr-defined]
        if len(ready) > 1 and self._turns.random() < 0.25:
            ready.rotate(self._turns.randrange(len(ready)))
        super()._run_once()  # type: ignore[misc]


class RunPodHouse(NodeKit):
    """``NodeKit`` over the real RunPod provider, its transport being the emulator.

    ``ends_itself``: whether it is known that pods of the account end themselves. They do, whatever is known.
    """

    def __init__(
        self,
        works: Callable[[str, int], Work] = lambda _name, _attempt: Work(60.0, artifacts=ARTIFACTS),
        *,
        emulated: Settings | None = None,
        seed: int = 0,
        latency_s: float = 0.02,
        ends_itself: bool = True,
        **more: Any,
    ) -> None:
        self.pods = ScriptedPods(works)
        self._emulated = emulated or Settings()
        self._rng = random.Random(seed)
        self.latency_s = latency_s
        self.platform: Platform
        self.transport: SimTransport
        self.s3: VolumeS3
        self.provider_settings: RunPodSettings = settings(
            data_center=PLACE,
            s3_access_key=SecretStr(ACCESS),
            s3_secret_key=SecretStr(SECRET),
            self_ending_proven_for=f"runpod:{VOLUME}" if ends_itself else "",
        )
        super().__init__(seed=seed, **more)
        self.program = self._program

    # --- the cloud

    def make_provider(self, timings: Timings) -> Provider:
        self.true_clock = self.clock
        """The platform's, whatever this computer's is set to."""
        now = self.clock.now().timestamp()
        keys = S3Keys([S3Key(ACCESS, SECRET, ACCOUNT)])

        def s3(platform: Platform) -> VolumeS3:
            self.s3 = VolumeS3(platform.volumes, keys, data_center=PLACE)
            return self.s3

        self.platform = Platform(self._emulated, self.pods, self._rng, now=now, s3=s3)
        self.pods.platform = self.platform
        with_volume(self.platform, now)
        self._disk = FakeStorage(FakeCloud(FakeSettings(), self.clock))
        return self._connect()

    def _connect(self) -> Provider:
        """Open the provider anew, as a new process does."""
        self.transport = SimTransport(self.platform, self.true_clock, latency_s=self.latency_s)
        training = build_runpod_training(self.provider_settings, self.clock, self.transport)
        storage = build_runpod_storage(self.provider_settings, self.clock, self.transport)
        prediction = FakePrediction(FakeCloud(FakeSettings(), self.clock))
        return Provider(training, storage, prediction, NearCopies(storage, self._disk, self.clock))

    @property
    def account(self) -> str:
        return self.provider_settings.fingerprint

    async def _program(self, kind: ProviderKind) -> Program:
        """Put a bundle into storage as the daemon does, and start from it."""
        await ensure(self.provider.storage)
        return Program(argv=("./env/bin/python",), bundle=BUNDLE)

    # --- life

    async def start(self, wrap: Callable[[Any], Any] | None = None) -> RunPodHouse:
        if self.runs:
            self.provider = self._connect()
        await super().start(wrap)
        return self

    async def stop(self) -> None:
        """End the node; nothing it still wanted to say gets through."""
        self.transport.cut_off = True
        await super().stop()
        await self.provider.training.close()
        await self.provider.storage.close()

    def now(self) -> float:
        """Seconds since 1970, as the platform counts them."""
        return self.wall.now().timestamp()

    def heal(self) -> None:
        """Take every fault back."""
        self.platform.faults.heal()
        self.s3.faults.clear()
        self.pods.volume_full = False
        self.transport.cut_off = False

    @staticmethod
    def name_of(job: Job, attempt: int = 1) -> str:
        """Return the machine name of one attempt."""
        request = job.attempts[attempt - 1].request
        if request is None:
            raise LookupError(f"attempt {attempt} has no intent")
        return request.name

    def billing(self) -> int:
        """Pods of ours that exist, by the platform's own books."""
        return sum(not pod.foreign for pod in self.platform.alive(self.now()))


async def ensure(store: CloudStorageProvider) -> None:
    """Make sure that the bundle's manifest is in storage."""
    try:
        await store.stat(f"{BUNDLE}/manifest.json")
    except NotFound:

        async def chunks() -> AsyncIterator[bytes]:
            yield b"{}"

        await store.put(f"{BUNDLE}/manifest.json", chunks())


def simulate(story: Callable[[RunPodHouse], Awaitable[T]], *, seed: int = 0, **more: Any) -> T:
    """Run ``story`` with a fresh node in virtual time, its scheduler turned by ``seed``; no task may be left."""

    async def told() -> T:
        house = RunPodHouse(seed=seed, **more)
        await house.start()
        try:
            return await story(house)
        finally:
            await house.stop()
            house.platform.close()
            left = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
            if left:
                raise AssertionError(f"tasks left behind: {left}")

    with asyncio.Runner(loop_factory=lambda: SeededLoop(seed)) as runner:
        return runner.run(told())
