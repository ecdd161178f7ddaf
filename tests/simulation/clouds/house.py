"""A node on an emulated cloud in virtual time. A restart is a new process: every seam of the old one is dead."""

from __future__ import annotations

import asyncio
import gc
import random
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, ClassVar, Final, TypeVar

from actors.runtime.virtual import VirtualLoop
from actors.supervisor.state import Job
from actors.supervisor.work import Program
from messages.machines import ProviderKind, Timings
from providers.fake.cloud import FakeCloud
from providers.fake.prediction import FakePrediction
from providers.fake.settings import FakeSettings
from providers.fake.storage import FakeStorage
from providers.interface import CloudStorageProvider, CloudTrainingProvider, NotFound, Provider
from providers.near import NearCopies
from tests.emulators.common.switches import SwitchBox
from tests.emulators.runpod.s3 import VolumeS3
from tests.emulators.runpod.volume import Files
from tests.simulation.clouds.books import Lived
from tests.simulation.clouds.machines import ScriptedMachines, Work, Works
from tests.support.node import ARTIFACTS, NodeKit
from tests.support.runpod_sim import SimTransport

T = TypeVar("T")
H = TypeVar("H", bound="CloudHouse")

BUNDLE: Final = "bundles/simulated"


class SeededLoop(VirtualLoop):
    """A virtual loop that lets what is ready run in another order now and then, as a seed says.

    Only whole rounds are turned: what one callback scheduled still comes after it.
    """

    def __init__(self, seed: int) -> None:
        self._turns = random.Random(seed)
        super().__init__()

    def _run_once(self) -> None:
        ready = self._ready
        if len(ready) > 1 and self._turns.random() < 0.25:
            ready.rotate(self._turns.randrange(len(ready)))
        super()._run_once()


def healthy(_name: str, _attempt: int) -> Work:
    """Return a minute of work that goes well."""
    return Work(60.0, artifacts=ARTIFACTS)


class CloudHouse(NodeKit):
    """``NodeKit`` over a cloud's real provider, its transport being the emulator."""

    FALSE_YES: ClassVar[Sequence[str]] = ()
    """Faults with which an end is answered like an accepted one, and the machine goes on."""
    LIES: ClassVar[Sequence[str]] = ()
    """Faults that no client can see through: what was gone comes back."""
    TWINS: ClassVar[Sequence[str] | None] = None
    """Faults that make a second machine of a name; ``None``: one create may always have made two."""

    REPEATED_S: ClassVar[float] = 0.0
    """How long after its first call a create without an answer is still repeated, where its token makes that safe."""

    def __init__(self, works: Works = healthy, *, seed: int = 0, latency_s: float = 0.02, **more: Any) -> None:
        self.machines = self.make_machines(works)
        self.rng = random.Random(seed)
        self.latency_s = latency_s
        self._slowest_s = 0.0
        self.transport: SimTransport
        self.s3: VolumeS3
        super().__init__(seed=seed, **more)
        self.program = self._program

    # --- the cloud

    @abstractmethod
    def make_machines(self, works: Works) -> ScriptedMachines:
        """Return what runs in the cloud's machines."""

    @abstractmethod
    def make_cloud(self) -> None:
        """Make the emulated cloud with its store."""

    @abstractmethod
    def connect(self) -> tuple[CloudTrainingProvider, CloudStorageProvider]:
        """Open the provider's parts anew over a transport of their own, as a new process does."""

    @property
    @abstractmethod
    def faults(self) -> SwitchBox:
        """The switches of the cloud's faults, and how often each bit."""

    @property
    @abstractmethod
    def files(self) -> Files:
        """What is in the store."""

    @abstractmethod
    def lose_create(self) -> None:
        """Let the next create happen and its answer never arrive."""

    @abstractmethod
    def tick(self) -> None:
        """Let everything happen in the cloud that happens by itself until now."""

    @abstractmethod
    def lives(self) -> list[Lived]:
        """Return the life of every machine that was ever asked for and accepted."""

    @abstractmethod
    def is_there(self, machine_id: str) -> bool:
        """Tell whether anything of a machine still exists that bills, or can start again by itself."""

    @abstractmethod
    def billed_usd(self) -> Mapping[str, Decimal]:
        """Return what the cloud bills for each machine until now, also for what belongs to it."""

    @abstractmethod
    def billing(self) -> int:
        """Return how many things of ours exist and bill, by the cloud's own books."""

    @abstractmethod
    def at_work(self) -> bool:
        """Tell whether a machine of ours runs."""

    @abstractmethod
    def asked(self) -> Sequence[str]:
        """Return every call that came in, one line each."""

    @abstractmethod
    def settle(self) -> None:
        """End the emulated cloud."""

    def make_provider(self, timings: Timings) -> Provider:
        self.true_clock = self.clock
        """The cloud's, whatever this computer's is set to."""
        self.make_cloud()
        self._disk = FakeStorage(FakeCloud(FakeSettings(), self.clock))
        return self._connect()

    def _connect(self) -> Provider:
        training, storage = self.connect()
        prediction = FakePrediction(FakeCloud(FakeSettings(), self.clock))
        return Provider(training, storage, prediction, NearCopies(storage, self._disk, self.clock))

    async def _program(self, kind: ProviderKind, model: str) -> Program:
        """Put a bundle into storage as the daemon does, and start from it."""
        await ensure(self.provider.storage)
        return Program(argv=("./env/bin/python",), bundle=BUNDLE)

    # --- life

    async def start(self, wrap: Callable[[Any], Any] | None = None) -> CloudHouse:
        if self.runs:
            self._slowest_s = self.slowest_s
            self.provider = self._connect()
        await super().start(wrap)
        return self

    async def stop(self) -> None:
        """End the node; nothing it still wanted to say gets through."""
        self.transport.cut_off = True
        await super().stop()
        await self.provider.training.close()
        await self.provider.storage.close()

    @property
    def slowest_s(self) -> float:
        """The longest a request of any run has been on its way to the cloud."""
        return max(self._slowest_s, self.transport.slowest_s)

    def now(self) -> float:
        """Seconds since 1970, as the cloud counts them."""
        return self.wall.now().timestamp()

    def heal(self) -> None:
        """Take every fault back."""
        self.faults.heal()
        self.s3.faults.clear()
        self.machines.storage_full = False
        self.transport.cut_off = False

    @staticmethod
    def name_of(job: Job, attempt: int = 1) -> str:
        """Return the machine name of one attempt."""
        request = job.attempts[attempt - 1].request
        if request is None:
            raise LookupError(f"attempt {attempt} has no intent")
        return request.name


async def ensure(store: CloudStorageProvider) -> None:
    """Make sure that the bundle's manifest is in storage."""
    try:
        await store.stat(f"{BUNDLE}/manifest.json")
    except NotFound:

        async def chunks() -> AsyncIterator[bytes]:
            yield b"{}"

        await store.put(f"{BUNDLE}/manifest.json", chunks())


def simulate(make: type[H], story: Callable[[H], Awaitable[T]], *, seed: int = 0, **more: Any) -> T:
    """Run ``story`` with a fresh node in virtual time, its scheduler turned by ``seed``; no task may be left."""

    async def told() -> T:
        house = make(seed=seed, **more)
        await house.start()
        try:
            return await story(house)
        finally:
            await house.stop()
            house.settle()
            left = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
            if left:
                raise AssertionError(f"tasks left behind: {left}")

    with _unswept(), asyncio.Runner(loop_factory=lambda: SeededLoop(seed)) as runner:
        return runner.run(told())


@contextmanager
def _unswept() -> Iterator[None]:
    """Look for no garbage meanwhile: a run makes little that lasts, and looking takes a tenth of it."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
