"""A node on an emulated AWS in virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, TypeVar

from providers.aws.codec import NAME_TAG
from providers.aws.provider import build_aws_storage, build_aws_training
from providers.aws.unanswered import REPEAT_S
from providers.interface import CREATE_WAIT_S_MAX, CloudStorageProvider, CloudTrainingProvider
from tests.emulators.aws.core import Ec2Core
from tests.emulators.aws.settings import ACCOUNT, MAIN_KEY, MAIN_SECRET, Settings
from tests.emulators.aws.state import State
from tests.emulators.common.switches import SwitchBox
from tests.emulators.runpod.volume import Files
from tests.simulation.aws.instances import ScriptedInstances
from tests.simulation.clouds import house as kit
from tests.simulation.clouds.books import Lived
from tests.simulation.clouds.house import CloudHouse
from tests.simulation.clouds.machines import Works
from tests.support.aws_bucket import AwsBucket
from tests.support.aws_sim import BUCKET, FINGERPRINT, REGION, AwsTransport, settings

T = TypeVar("T")


class AwsHouse(CloudHouse):
    """A node over the real AWS provider."""

    FALSE_YES: ClassVar[Sequence[str]] = ("terminate.ignored", "auth.switch_account")
    LIES: ClassVar[Sequence[str]] = ("spot.race",)
    """A request that fills again after its instance ended."""
    TWINS: ClassVar[Sequence[str] | None] = ("spot.race",)
    REPEATED_S: ClassVar[float] = REPEAT_S + CREATE_WAIT_S_MAX

    def __init__(self, *works: Works, emulated: Settings | None = None, spot: bool = True, **more: Any) -> None:
        self._emulated = emulated or Settings()
        self.core: Ec2Core
        self.instances: ScriptedInstances
        self.provider_settings = settings(spot=spot)
        super().__init__(*works, **more)

    def make_machines(self, works: Works) -> ScriptedInstances:
        self.instances = ScriptedInstances(works)
        return self.instances

    def make_cloud(self) -> None:
        now = self.clock.now().timestamp()
        self.bucket = AwsBucket(BUCKET, MAIN_KEY, MAIN_SECRET, ACCOUNT, REGION)
        self.s3 = self.bucket
        self.core = Ec2Core(self._emulated, self.instances, self.rng, now=now)
        self.instances.core, self.instances.store = self.core, self.files

    def connect(self) -> tuple[CloudTrainingProvider, CloudStorageProvider]:
        self.transport = AwsTransport(self.core, self.true_clock, latency_s=self.latency_s, bucket=self.bucket)
        training = build_aws_training(self.provider_settings, self.clock, self.transport)
        return training, build_aws_storage(self.provider_settings, training.client, self.transport)

    @property
    def account(self) -> str:
        return FINGERPRINT

    # --- AWS's books

    @property
    def faults(self) -> SwitchBox:
        return self.core.faults

    @property
    def files(self) -> Files:
        volume = self.bucket.volumes.get(BUCKET)
        if volume is None:
            raise LookupError("the bucket is gone")
        return volume.files

    def lose_create(self) -> None:
        transport = self.transport
        if isinstance(transport, AwsTransport):
            transport.lose_calls("RunInstances")

    def tick(self) -> None:
        self.core.tick(self.now())

    def lives(self) -> list[Lived]:
        return [
            Lived(
                life.instance_id,
                life.name,
                life.foreign,
                life.asked_at,
                life.asked_at,
                life.visible_at,
                life.ended_at,
                life.ended_by == "account",
                life.reason or "",
                bool(life.boots),
                life.ran_at,
            )
            for life in self.core.history()
        ]

    def is_there(self, machine_id: str) -> bool:
        hosts = self.core.hosts
        if machine_id in hosts.volumes:
            return True
        if machine_id in hosts.requests:
            return hosts.requests[machine_id].state in ("open", "active")
        life = hosts.lives.get(machine_id)
        if life is None:
            return False
        one = hosts.get(machine_id)
        left = [volume.tags for volume in hosts.volumes.values()]
        left += [request.tags for request in hosts.requests.values() if request.state in ("open", "active")]
        return (one is not None and one.state is not State.TERMINATED) or any(
            tags.get(NAME_TAG) == life.name for tags in left
        )

    def billed_usd(self) -> Mapping[str, Decimal]:
        now, hosts = self.now(), self.core.hosts
        found = dict.fromkeys(hosts.lives, Decimal(0))
        for line in self.core.bills():
            found[hosts.made_for.get(line.resource, line.resource)] += line.amount(now)
        return found

    def billing(self) -> int:
        """Instances and disks of ours that exist, by AWS's own books."""
        foreign = {life.instance_id for life in self.core.history() if life.foreign}
        made_for = self.core.hosts.made_for
        return sum(made_for.get(one.id, one.id) not in foreign for one in self.core.alive(self.now()))

    def at_work(self) -> bool:
        alive = self.core.alive(self.now())
        return any(not one.foreign and one.state == State.RUNNING.value for one in alive)

    def asked(self) -> Sequence[str]:
        return [f"{a.at:.3f} {a.call} {a.who} {a.code} {a.status}" for a in self.core.asked]

    def settle(self) -> None:
        self.core.close()


def simulate(story: Callable[[AwsHouse], Awaitable[T]], **more: Any) -> T:
    """Run ``story`` with a fresh node on AWS in virtual time."""
    return kit.simulate(AwsHouse, story, **more)
