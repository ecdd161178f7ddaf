"""RunPod as a subject of the contract suite: the real provider, all three parts of it, on the emulated platform."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import SecretStr

from messages.machines import LaunchRequest
from providers.interface import Provider
from providers.runpod.provider import RunPodProviderSettings, build_runpod
from providers.seams import Outside
from tests.emulators.runpod.faults import Faults, Switch
from tests.emulators.runpod.platform import Platform
from tests.emulators.runpod.s3 import S3Key, S3Keys, VolumeS3
from tests.emulators.runpod.settings import MAIN_KEY, Settings
from tests.emulators.runpod.wire import Request, Surface
from tests.support.providers.clocks import ManualClock
from tests.support.providers.counted import CountedWorker
from tests.support.providers.subjects import (
    CountingRunner,
    LossyPrediction,
    build_request,
    close_provider,
    os_entropy,
)
from tests.support.runpod_sim import ACCOUNT, PLACE, USER_AGENT, SimTransport, settings, with_volume
from tests.support.s3 import LossyStorage

T = TypeVar("T")

ROUTES: Final = {"launch": ("POST", "/v2/pods"), "terminate": ("DELETE", "/v2/pods/")}
"""Calls whose answers are lost on the wire; those of store and predictions are lost by the caller of the provider."""
QUICK: Final = Settings(place_s=0.2, pull_s=0.3, billing_lag_s=0.0)
"""Pods that run within a second, and a bill without delay: the suite waits for neither."""
ACCESS, SECRET = "user_main", "rps_of_the_suite"


class RunPodSubject:
    """Pods and a volume of an emulated platform, on a clock that moves only when told; predictions are made here."""

    def __init__(self, root: Path) -> None:
        self.clock = ManualClock(lambda: self._thread.settled())
        self.root = root
        self.runner = CountingRunner(self.clock)
        keys = S3Keys([S3Key(ACCESS, SECRET, ACCOUNT)])
        emulated = Platform(QUICK, now=self._seconds(), s3=lambda p: VolumeS3(p.volumes, keys, data_center=PLACE))
        self.platform = with_volume(emulated, self._seconds())
        self.transport = SimTransport(self.platform, self.clock)
        self.provider = self._open()

    def _open(self) -> Provider:
        account = settings(data_center=PLACE, s3_access_key=SecretStr(ACCESS), s3_secret_key=SecretStr(SECRET))
        own = RunPodProviderSettings.model_validate({**account.model_dump(), "near": self.root})
        outside = Outside(clock=self.clock, entropy=os_entropy, runner=self.runner, transport=self.transport)
        self._thread = CountedWorker("copies")
        built = build_runpod(own, outside, near_worker=self._thread)
        self._storage, self._prediction = LossyStorage(built.storage), LossyPrediction(built.prediction)
        return built._replace(storage=self._storage, prediction=self._prediction)

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        return await self.clock.drive(work)

    async def advance(self, seconds: float) -> None:
        await self.clock.advance(seconds)

    def now(self) -> datetime:
        return self.clock.now()

    def lose_next(self, call: str) -> None:
        if call in ROUTES:
            self.transport.lose_next(*ROUTES[call])
        self._storage.lost[call] += 1
        self._prediction.lost[call] += 1

    async def request(self, number: int) -> LaunchRequest:
        return await build_request(self.provider, number, self.now(), {})

    async def end_by_itself(self, request: LaunchRequest) -> None:
        """The program in the pod ends its own pod, as the wrapper does."""
        headers = {"authorization": f"Bearer {MAIN_KEY}", "user-agent": USER_AGENT}
        for pod in self.platform.alive(self._seconds()):
            if pod.name == request.name:
                ending = Request(Surface.REST, "DELETE", f"/v2/pods/{pod.pod_id}", headers=headers)
                self.platform.handle(ending, self._seconds())

    def living(self, name: str) -> int:
        return sum(pod.name == name for pod in self.platform.alive(self._seconds()))

    def plant(self, name: str) -> None:
        self.platform.arm(Faults(foreign_pods=Switch((name,))), self._seconds())

    async def reopen(self) -> None:
        await close_provider(self.provider)
        self.provider = self._open()

    def slow_predictions(self) -> None:
        self.runner.takes_s = 3600.0

    async def close(self) -> None:
        await close_provider(self.provider)
        self.platform.close()

    def _seconds(self) -> float:
        return self.clock.now().timestamp()
