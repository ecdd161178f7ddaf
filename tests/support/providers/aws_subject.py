"""AWS as a subject of the contract suite: the real provider, all three parts of it, on the emulated AWS."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from messages.machines import LaunchRequest
from providers.aws.codec import NAME_TAG
from providers.aws.provider import build_aws
from providers.aws.settings import AwsProviderSettings
from providers.interface import Provider
from providers.seams import Outside
from tests.emulators.aws.catalogue import IMAGES, image_id
from tests.emulators.aws.core import Ec2Core
from tests.emulators.aws.runner import InstanceSpec, NoProgram, Power, Printed
from tests.emulators.aws.settings import ACCOUNT, MAIN_KEY, MAIN_SECRET, Settings
from tests.support.aws_bucket import AwsBucket
from tests.support.aws_sim import BUCKET, REGION, AwsTransport, settings, signed
from tests.support.providers.clocks import ManualClock
from tests.support.providers.counted import CountedWorker
from tests.support.providers.subjects import CountingRunner, LossyPrediction, build_request, close_provider, os_entropy
from tests.support.s3 import LossyStorage

T = TypeVar("T")

ACTIONS: Final = {"launch": "RunInstances", "terminate": "TerminateInstances"}
"""Calls whose answers are lost on the wire; those of store and predictions are lost by the caller of the provider."""
QUICK: Final = Settings(pending_s=0.2, boot_s=0.3, shutting_down_s=2.0, grace_s=0.5)


class Programs(NoProgram):
    """Instances that say a line and end when they are told."""

    def __init__(self) -> None:
        self._said: dict[str, list[Printed]] = {}
        self._off: dict[str, Power] = {}

    def start(self, spec: InstanceSpec, now: float) -> None:
        self._said[spec.id] = [Printed(now, "cloud-init: hello")]

    def lines(self, instance_id: str) -> list[Printed]:
        return self._said.pop(instance_id, [])

    def off(self, instance_id: str) -> None:
        self._off[instance_id] = "poweroff"

    def advance(self, now: float) -> tuple[str, ...]:
        return tuple(self._off)

    def poll(self, instance_id: str, now: float) -> Power | None:
        return self._off.pop(instance_id, None)


class AwsSubject:
    """Instances and a bucket of an emulated AWS, on a clock that moves only when told; predictions are made here."""

    def __init__(self, root: Path) -> None:
        self.clock = ManualClock(lambda: self._thread.settled())
        self.root = root
        self.runner = CountingRunner(self.clock)
        self.programs = Programs()
        self.core = Ec2Core(QUICK, self.programs, now=self._seconds())
        self.bucket = AwsBucket(BUCKET, MAIN_KEY, MAIN_SECRET, ACCOUNT, REGION)
        self.transport = AwsTransport(self.core, self.clock, bucket=self.bucket)
        self.provider = self._open()

    def _open(self) -> Provider:
        own = AwsProviderSettings.model_validate({**settings().model_dump(), "near": self.root})
        outside = Outside(clock=self.clock, entropy=os_entropy, runner=self.runner, transport=self.transport)
        self._thread = CountedWorker("copies")
        built = build_aws(own, outside, near_worker=self._thread)
        self._storage, self._prediction = LossyStorage(built.storage), LossyPrediction(built.prediction)
        return built._replace(storage=self._storage, prediction=self._prediction)

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        return await self.clock.drive(work)

    async def advance(self, seconds: float) -> None:
        await self.clock.advance(seconds)
        self.core.tick(self._seconds())

    def now(self) -> datetime:
        return self.clock.now()

    def lose_next(self, call: str) -> None:
        if call in ACTIONS:
            self.transport.lose_calls(ACTIONS[call])
        self._storage.lost[call] += 1
        self._prediction.lost[call] += 1

    async def request(self, number: int) -> LaunchRequest:
        return await build_request(self.provider, number, self.now(), {})

    async def end_by_itself(self, request: LaunchRequest) -> None:
        """The wrapper powers the instance off."""
        for one in self.core.alive(self._seconds()):
            if one.name == request.name and one.id.startswith("i-"):
                self.programs.off(one.id)
                self.core.hosts.look(one.id, self._seconds())

    def living(self, name: str) -> int:
        return sum(one.name == name and one.id.startswith("i-") for one in self.core.alive(self._seconds()))

    def plant(self, name: str) -> None:
        """Another installation launches one in the same account."""
        order = {
            "Action": "RunInstances",
            "Version": "2016-11-15",
            "ImageId": image_id(IMAGES[0], REGION),
            "InstanceType": "m5.large",
            "MinCount": "1",
            "MaxCount": "1",
            "ClientToken": name,
            "TagSpecification.1.ResourceType": "instance",
            "TagSpecification.1.Tag.1.Key": NAME_TAG,
            "TagSpecification.1.Tag.1.Value": name,
        }
        answer = self.core.handle(signed(urlencode(order).encode(), self.now()), self._seconds())
        if answer.status != 200:
            raise RuntimeError(answer.body.decode())

    async def reopen(self) -> None:
        await close_provider(self.provider)
        self.provider = self._open()

    def slow_predictions(self) -> None:
        self.runner.takes_s = 3600.0

    async def close(self) -> None:
        await close_provider(self.provider)
        self.core.close()

    def _seconds(self) -> float:
        return self.clock.now().timestamp()
