"""A node on an emulated RunPod in virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, Final, TypeVar

from pydantic import SecretStr

from providers.interface import CloudStorageProvider, CloudTrainingProvider
from providers.runpod.provider import build_runpod_storage, build_runpod_training
from providers.runpod.settings import RunPodSettings
from tests.emulators.common.switches import SwitchBox
from tests.emulators.runpod.platform import Platform
from tests.emulators.runpod.s3 import S3Key, S3Keys, VolumeS3
from tests.emulators.runpod.settings import Settings
from tests.emulators.runpod.volume import Files
from tests.simulation.clouds import house as kit
from tests.simulation.clouds.books import Lived
from tests.simulation.clouds.house import CloudHouse
from tests.simulation.clouds.machines import Works
from tests.simulation.runpod.pods import ScriptedPods
from tests.support.runpod_sim import ACCOUNT, PLACE, VOLUME, SimTransport, settings, with_volume

T = TypeVar("T")

ACCESS: Final = "user_main"
SECRET: Final = "rps_MAIN00000000000000000000000000"


class RunPodHouse(CloudHouse):
    """A node over the real RunPod provider.

    ``ends_itself``: whether it is known that pods of the account end themselves. They do, whatever is known.
    """

    FALSE_YES: ClassVar[Sequence[str]] = (
        "delete.404_then_visible",
        "delete.ack_ignored",
        "auth.switch_account",
        "auth.narrow",
        "pod.resurrect",
    )
    LIES: ClassVar[Sequence[str]] = ("pod.resurrect",)
    """Row 28."""

    def __init__(self, *works: Works, emulated: Settings | None = None, ends_itself: bool = True, **more: Any) -> None:
        self._emulated = emulated or Settings()
        self.platform: Platform
        self.pods: ScriptedPods
        self.provider_settings: RunPodSettings = settings(
            data_center=PLACE,
            s3_access_key=SecretStr(ACCESS),
            s3_secret_key=SecretStr(SECRET),
            self_ending_proven_for=f"runpod:{VOLUME}" if ends_itself else "",
        )
        super().__init__(*works, **more)

    def make_machines(self, works: Works) -> ScriptedPods:
        self.pods = ScriptedPods(works)
        return self.pods

    def make_cloud(self) -> None:
        now = self.clock.now().timestamp()
        keys = S3Keys([S3Key(ACCESS, SECRET, ACCOUNT)])

        def s3(platform: Platform) -> VolumeS3:
            self.s3 = VolumeS3(platform.volumes, keys, data_center=PLACE)
            return self.s3

        self.platform = Platform(self._emulated, self.pods, self.rng, now=now, s3=s3)
        self.pods.platform = self.platform
        with_volume(self.platform, now)

    def connect(self) -> tuple[CloudTrainingProvider, CloudStorageProvider]:
        self.transport = SimTransport(self.platform, self.true_clock, latency_s=self.latency_s)
        training = build_runpod_training(self.provider_settings, self.clock, self.transport)
        return training, build_runpod_storage(self.provider_settings, self.clock, self.transport)

    @property
    def account(self) -> str:
        return self.provider_settings.fingerprint

    # --- the platform's books

    @property
    def faults(self) -> SwitchBox:
        return self.platform.faults

    @property
    def files(self) -> Files:
        volume = self.platform.volumes.get(VOLUME)
        if volume is None:
            raise LookupError("the volume is gone")
        return volume.files

    def lose_create(self) -> None:
        self.transport.lose_next("POST", "/pods")

    def tick(self) -> None:
        self.platform.tick(self.now())

    def lives(self) -> list[Lived]:
        return [
            Lived(
                life.pod_id,
                life.name,
                life.foreign,
                life.asked_at,
                life.created_at,
                life.visible_at,
                life.ended_at,
                life.ended_by == "account",
                life.how or "",
                bool(life.starts),
                life.created_at,
                bool(life.stopped),
            )
            for life in self.platform.history()
        ]

    def is_there(self, machine_id: str) -> bool:
        life = next((life for life in self.platform.history() if life.pod_id == machine_id), None)
        return life is not None and life.created_at is not None and life.ended_at is None

    def billed_usd(self) -> Mapping[str, Decimal]:
        now = self.now()
        found = dict.fromkeys((life.pod_id for life in self.platform.history()), Decimal(0))
        for line in self.platform.bills():
            if line.resource in found:
                found[line.resource] += line.amount(now)
        return found

    def billing(self) -> int:
        """Pods of ours that exist, by the platform's own books."""
        return sum(not pod.foreign for pod in self.platform.alive(self.now()))

    def at_work(self) -> bool:
        alive = self.platform.alive(self.now())
        return any(not pod.foreign and pod.status == "RUNNING" for pod in alive)

    def asked(self) -> Sequence[str]:
        return [f"{a.at:.3f} {a.call} {a.caller} {a.id} {a.status}" for a in self.platform.asked]

    def settle(self) -> None:
        self.platform.close()


def simulate(story: Callable[[RunPodHouse], Awaitable[T]], **more: Any) -> T:
    """Run ``story`` with a fresh node on RunPod in virtual time."""
    return kit.simulate(RunPodHouse, story, **more)
