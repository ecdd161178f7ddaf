"""RunPod's training part as a subject of the contract suite: the real provider on the emulated platform."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import datetime
from typing import Any, Final, TypeVar

from messages.machines import LaunchRequest
from providers.fake.provider import build_fake
from providers.fake.settings import FakeSettings
from providers.interface import Provider
from providers.runpod.provider import build_runpod_training
from tests.emulators.runpod.faults import Faults, Switch
from tests.emulators.runpod.platform import Platform
from tests.emulators.runpod.settings import MAIN_KEY, Settings
from tests.emulators.runpod.wire import Request, Surface
from tests.support.providers.clocks import ManualClock
from tests.support.providers.subjects import build_request, close_provider, no_programs, os_entropy
from tests.support.runpod_sim import USER_AGENT, SimTransport, settings, with_volume

T = TypeVar("T")

ROUTES: Final = {
    "launch": ("POST", "/v2/pods"),
    "terminate": ("DELETE", "/v2/pods/"),
    "list_machines": ("GET", "/v2/pods"),
    "offers": ("GET", "/v2/catalog/"),
    "fingerprint": ("GET", "/v2/network-volumes/"),
    "billed": ("GET", "/v2/billing/"),
}
QUICK: Final = Settings(place_s=0.2, pull_s=0.3, billing_lag_s=0.0)
"""Pods that run within a second, and a bill without delay: the suite waits for neither."""


class RunPodSubject:
    """Pods of an emulated platform, on a clock that moves only when told. Storage and predictions are the fake's."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.platform = with_volume(Platform(QUICK, now=self._seconds()), self._seconds())
        self.transport = SimTransport(self.platform, self.clock)
        self.provider = self._open()

    def _open(self) -> Provider:
        rest = build_fake(FakeSettings(), self.clock, os_entropy, no_programs)
        return rest._replace(training=build_runpod_training(settings(), self.clock, self.transport))

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        return await self.clock.drive(work)

    async def advance(self, seconds: float) -> None:
        await self.clock.advance(seconds)

    def now(self) -> datetime:
        return self.clock.now()

    def lose_next(self, call: str) -> None:
        self.transport.lose_next(*ROUTES[call])

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
        raise NotImplementedError("its predictions are not RunPod's")

    async def close(self) -> None:
        await close_provider(self.provider)
        self.platform.close()

    def _seconds(self) -> float:
        return self.clock.now().timestamp()
