"""An AWS provider on an emulated AWS, and orders for it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from messages.ids import JobId
from messages.machines import LaunchRequest, MachineName, Offer
from providers.aws.client import Client
from providers.aws.training import AwsTraining
from providers.interface import Need
from tests.emulators.aws import faults
from tests.emulators.aws.core import Ec2Core
from tests.emulators.aws.settings import Settings
from tests.emulators.common.switches import Switch
from tests.support.aws_sim import AwsTransport, settings
from tests.support.providers.clocks import ManualClock

NAME_KEY = b"aws tests"


class Cloud:
    """The emulated AWS, its clock, and the provider."""

    def __init__(self, emulated: Settings | None = None, **changes: object) -> None:
        self.clock = ManualClock()
        self.core = Ec2Core(emulated, now=self.seconds())
        self.transport = AwsTransport(self.core, self.clock)
        self.transport.keep_sent = True
        self.training = self.open(**changes)

    def open(self, **changes: object) -> AwsTraining:
        return AwsTraining(Client(self.transport, self.clock, settings(**changes)))

    def seconds(self) -> float:
        return self.clock.now().timestamp()

    def arm(self, name: str, *arguments: Any, **named: Any) -> None:
        if name not in faults.RULES:
            raise KeyError(name)
        self.core.arm({name: Switch(*arguments, **named)}, self.seconds())

    def calls(self, name: str) -> int:
        return self.core.calls[f"ec2.{name}"]

    def living(self) -> list[str]:
        return [one.id for one in self.core.alive(self.seconds()) if not one.foreign]

    async def offer(self, number: int = 0, **need: Any) -> Offer:
        return (await self.training.offers(Need(**{"size_mb": 10, "model_type": "auto", **need})))[number]

    async def request(self, offer: Offer | None = None, number: int = 1) -> LaunchRequest:
        now = self.clock.now()
        job, hard = "a" * 10, now + timedelta(hours=2)
        return LaunchRequest(
            name=MachineName("abcdef", "ghij", job, number, hard).text(NAME_KEY),
            job_id=JobId(f"job_{job}"),
            attempt=number,
            offer=offer or await self.offer(),
            folder=f"jobs/user_x/job_{job}/{number}",
            soft_deadline=now + timedelta(hours=1),
            hard_deadline=hard,
            max_runtime_s=3600,
        )
