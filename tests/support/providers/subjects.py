"""Drivers for the contract suite: what a test may do to a provider from outside, the same words for each."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, Protocol, TypeVar

from messages.ids import JobId
from messages.machines import Gone, LaunchRequest, Machine, MachineName
from providers.fake.cloud import FakeCloud
from providers.fake.prediction import FakePrediction
from providers.fake.provider import build_fake
from providers.fake.scripts import Script
from providers.fake.settings import FakeSettings
from providers.fake.storage import FakeStorage
from providers.fake.training import FakeTraining
from providers.interface import (
    BilledLine,
    CloudPredictionProvider,
    CloudTrainingProvider,
    ExitEvents,
    Need,
    PredictionReply,
    PredictionRequest,
    Provider,
    Unavailable,
)
from providers.local.provider import build_local
from providers.local.settings import LOCAL_TIMINGS, LocalSettings
from providers.seams import ProviderClock
from providers.worker import Worker
from tests.support.names import GENERATION, INSTALL
from tests.support.patience import wait_until
from tests.support.providers import audit
from tests.support.providers.clocks import ManualClock, RealClock

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

STUB = Path(__file__).with_name("stub_wrapper.py")
NAME_KEY = b"contract suite"
RUN = str(os.getpid())
"""What tells the machines of this process from those of tests that run beside it: a machine's wrapper ends every
process that carries its machine's name."""
PATIENCE = 30
"""A busy computer may make a look incomplete; the caller of terminate repeats."""
RATE = Decimal("3.60")


class Subject(Protocol):
    """A provider and what the world around it can do."""

    provider: Provider

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a call that may wait for time to pass."""
        ...

    async def advance(self, seconds: float) -> None:
        """Let time pass."""
        ...

    def now(self) -> datetime:
        """Return the provider's time."""
        ...

    def lose_next(self, call: str) -> None:
        """Let the next call of this name happen, and its answer be lost."""
        ...

    async def request(self, number: int) -> LaunchRequest:
        """Return a create request with a valid name."""
        ...

    async def end_by_itself(self, request: LaunchRequest) -> None:
        """Let the machine end as if its work were done."""
        ...

    def living(self, name: str) -> int:
        """Count living machines of this name, by an outsider's eyes."""
        ...

    def plant(self, name: str) -> None:
        """Let a machine that was not launched here appear."""
        ...

    async def reopen(self) -> None:
        """Let the daemon go and come again; machines know nothing of it."""
        ...

    def slow_predictions(self) -> None:
        """Let predictions take very long from now on."""
        ...

    async def close(self) -> None:
        """Leave nothing behind."""
        ...


def exits(provider: Provider) -> ExitEvents:
    """Return the provider's exit events; every subject of the suite has them."""
    training = provider.training
    if not isinstance(training, ExitEvents):
        raise TypeError(f"{training.kind} tells no exits")
    return training


class Trains(Protocol):
    """What rents machines."""

    @property
    def training(self) -> CloudTrainingProvider: ...


async def build_request(provider: Trains, number: int, now: datetime, environment: dict[str, str]) -> LaunchRequest:
    """Make the ``number``-th request of a test."""
    job = JobId.derived("contract", RUN, str(number))
    hard = now + timedelta(hours=1)
    offers = await provider.training.offers(Need(size_mb=1, model_type="auto"))
    return LaunchRequest(
        name=MachineName(INSTALL, GENERATION, job.tail, 1, hard).text(NAME_KEY),
        job_id=job,
        attempt=1,
        offer=offers[0],
        folder=f"jobs/user_usr_abcdefghij/{job}/1",
        soft_deadline=hard - timedelta(minutes=5),
        hard_deadline=hard,
        max_runtime_s=600,
        environment=environment,
    )


class FakeSubject:
    """The cloud in memory, on a clock that moves only when told."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.provider = build_fake(FakeSettings(rate_usd_per_hour=RATE), self.clock, os_entropy, no_programs)
        self.cloud: FakeCloud = _fake_training(self.provider).cloud

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        return await self.clock.drive(work)

    async def advance(self, seconds: float) -> None:
        await self.clock.advance(seconds)

    def now(self) -> datetime:
        return self.clock.now()

    def lose_next(self, call: str) -> None:
        self.cloud.faults.fail_next(call, after_effect=True)  # type: ignore[arg-type]

    async def request(self, number: int) -> LaunchRequest:
        return await build_request(self.provider, number, self.now(), {})

    async def end_by_itself(self, request: LaunchRequest) -> None:
        self.cloud.end(self.cloud.by_name[request.name].id)

    def living(self, name: str) -> int:
        return sum(line.name == name for line in self.cloud.billing())

    def plant(self, name: str) -> None:
        self.cloud.plant(name, Script())

    async def reopen(self) -> None:
        await close_provider(self.provider)
        self.provider = Provider(FakeTraining(self.cloud), FakeStorage(self.cloud), FakePrediction(self.cloud))

    def slow_predictions(self) -> None:
        self.cloud.settings = self.cloud.settings.model_copy(update={"answer_after_s": 3600})

    async def close(self) -> None:
        await close_provider(self.provider)


class LocalSubject:
    """Real processes below a temporary directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = RealClock()
        self.runner = CountingRunner(self.clock)
        self._workers: list[LossyWorker] = []
        self._planted: list[Any] = []
        self.names: set[str] = set()
        self.settings = LocalSettings(
            root=root,
            wrapper=STUB,
            price_usd_per_second=RATE / 3600,
            full_scan_interval_s=0.05,
            timings=LOCAL_TIMINGS.model_copy(update={"absence_gap_s": 0.05}),
        )
        self._open()

    def _open(self) -> None:
        self._workers = [LossyWorker("machines"), LossyWorker("storage")]
        built = build_local(
            self.settings,
            self.clock,
            os_entropy,
            self.runner,
            training_worker=self._workers[0],
            storage_worker=self._workers[1],
        )
        self._prediction = LossyPrediction(built.prediction)
        self.provider = Provider(built.training, built.storage, self._prediction)

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wait_for(work, 20)

    async def advance(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.1))

    def now(self) -> datetime:
        return self.clock.now()

    def lose_next(self, call: str) -> None:
        self._prediction.lost[call] += 1
        for worker in self._workers:
            worker.lost[{"put": "finish", "copy": "finish", "delete": "delete_object"}.get(call, call)] += 1

    async def request(self, number: int, **environment: str) -> LaunchRequest:
        request = await build_request(self.provider, number, self.now(), environment)
        self.names.add(request.name)
        return request

    def folder(self, request: LaunchRequest) -> Path:
        return self.root / "storage" / request.folder

    def facts(self, request: LaunchRequest) -> dict[str, Any]:
        """Return what the stub says of itself, once it does."""
        path = self.folder(request) / "facts.json"
        wait_until(path.exists)
        found: dict[str, Any] = json.loads(path.read_text())
        return found

    async def end_by_itself(self, request: LaunchRequest) -> None:
        pid = self.facts(request)["pid"]
        (self.folder(request) / "exit").touch()
        wait_until(lambda: not audit.running(pid))

    def living(self, name: str) -> int:
        return 1 if audit.marked(name) else 0

    def plant(self, name: str) -> None:
        planted = audit.sleeper(marker=name)
        self._planted.append(planted)
        wait_until(lambda: planted.pid in audit.marked(name))

    async def reopen(self) -> None:
        await close_provider(self.provider)
        self._open()

    def slow_predictions(self) -> None:
        self.runner.takes_s = 3600.0

    async def close(self) -> None:
        await close_provider(self.provider)
        for planted in self._planted:
            planted.kill()
            planted.wait()
        for path in self.root.glob("storage/**/hidden.*"):  # what a failed test did not end
            audit.end_if_about(int(path.suffix[1:]), str(self.root))
        wait_until(lambda: sum(not audit.ended(name) for name in self.names) == 0)


class LossyWorker(Worker):
    """A worker whose answers can be lost: the call is made, what it returned is not told."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.lost: Counter[str] = Counter()

    async def call(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        answer = await super().call(work, *args, **kwargs)
        name = getattr(work, "__name__", "")
        if self.lost[name]:
            self.lost[name] -= 1
            raise OSError("the answer was lost")
        return answer


class LossyPrediction(CloudPredictionProvider):
    """Makes every call and loses the answers it was told to lose."""

    def __init__(self, inner: CloudPredictionProvider) -> None:
        self.kind = inner.kind  # type: ignore[misc]
        self.inner = inner
        self.lost: Counter[str] = Counter()

    def _told(self, call: str, answer: T) -> T:
        if self.lost[call]:
            self.lost[call] -= 1
            raise Unavailable("the answer was lost")
        return answer

    async def ensure_endpoint(self) -> str:
        return self._told("ensure_endpoint", await self.inner.ensure_endpoint())

    async def invoke(self, request: PredictionRequest) -> PredictionReply:
        return self._told("invoke", await self.inner.invoke(request))

    async def submit(self, request: PredictionRequest) -> None:
        return self._told("submit", await self.inner.submit(request))  # type: ignore[func-returns-value]

    async def status(self, prediction_id: str) -> PredictionReply | None:
        return self._told("status", await self.inner.status(prediction_id))

    async def cancel(self, prediction_id: str) -> None:
        return self._told("cancel", await self.inner.cancel(prediction_id))  # type: ignore[func-returns-value]

    async def scale(self, workers_max: int) -> None:
        return self._told("scale", await self.inner.scale(workers_max))  # type: ignore[func-returns-value]

    async def delete(self) -> None:
        return self._told("delete_endpoint", await self.inner.delete())  # type: ignore[func-returns-value]

    async def billed(self, since: datetime, until: datetime) -> list[BilledLine]:
        return await self.inner.billed(since, until)

    async def close(self) -> None:
        await self.inner.close()


class Ran(NamedTuple):
    """What a program left."""

    exit_code: int
    stdout: bytes


class CountingRunner:
    """Stands in for the prediction program: counts rows, or takes for ever."""

    def __init__(self, clock: ProviderClock) -> None:
        self._clock = clock
        self.takes_s = 0.0
        self.runs = 0
        self.argv: Sequence[str] = ()
        self.asked: dict[str, Any] = {}

    async def run(self, argv: Sequence[str], *, timeout_s: float, memory_limit_bytes: int | None = None) -> Ran:
        self.runs += 1
        self.argv = argv
        self.asked = json.loads(Path(argv[-1]).read_text())
        await self._clock.sleep(min(self.takes_s, timeout_s))
        if self.takes_s > timeout_s:
            raise TimeoutError(str(argv))
        rows = Path(self.asked["input"]).read_bytes().splitlines()[1:]
        Path(self.asked["output"]).write_text("\n".join([self.asked["column"], *["0"] * len(rows)]) + "\n")
        return Ran(0, json.dumps({"ok": True, "rows": len(rows)}).encode() + b"\n")


class OsEntropy:
    """Real randomness."""

    def bytes(self, count: int) -> bytes:
        return os.urandom(count)


class NoPrograms:
    """The fake runs none."""

    async def run(self, argv: Sequence[str], *, timeout_s: float, memory_limit_bytes: int | None = None) -> Ran:
        raise TimeoutError(str(argv))


os_entropy = OsEntropy()
no_programs = NoPrograms()


def _fake_training(provider: Provider) -> FakeTraining:
    if not isinstance(provider.training, FakeTraining):
        raise TypeError("not the fake")
    return provider.training


async def close_provider(provider: Provider) -> None:
    """Close the three parts."""
    await provider.prediction.close()
    await provider.training.close()
    await provider.storage.close()


async def proven(provider: Provider, machine: Machine) -> Gone:
    """End a machine as its caller would: terminate and prove, again and again while nothing can be said."""
    for _ in range(PATIENCE):
        try:
            await provider.training.terminate(machine.id)
        except Unavailable:
            continue
        proof = await provider.training.prove_gone(machine)
        if isinstance(proof, Gone):
            return proof
    raise TimeoutError(str(proof))


async def chunks(*data: bytes) -> AsyncIterator[bytes]:
    """Stream some pieces."""
    for piece in data:
        yield piece


async def content(stream: AsyncIterator[bytes]) -> bytes:
    """Read a stream to its end."""
    return b"".join([piece async for piece in stream])
