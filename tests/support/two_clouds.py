"""A node in virtual time that can be switched between two fake clouds of different kinds, and back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any, ClassVar, TypeVar, cast

from lastcall.parts import Rented
from messages.machines import ProviderKind, Timings
from providers.fake.cloud import FakeCloud
from providers.fake.prediction import FakePrediction
from providers.fake.settings import FakeSettings
from providers.fake.storage import FakeStorage
from providers.fake.training import FakeTraining
from providers.interface import Provider
from tests.support.node import GOOD, NodeKit, virtually

T = TypeVar("T")


class OtherTraining(FakeTraining):
    """Rents the second cloud's machines."""

    kind: ClassVar[ProviderKind] = "aws"


class OtherStorage(FakeStorage):
    """Keeps the second cloud's objects."""

    kind: ClassVar[ProviderKind] = "aws"


class OtherPrediction(FakePrediction):
    """Answers the second cloud's predictions."""

    kind: ClassVar[ProviderKind] = "aws"


class TwoClouds(NodeKit):
    """``NodeKit`` over two clouds: ``switch`` is a restart with another ``provider`` in the configuration."""

    def make_provider(self, timings: Timings) -> Provider:
        first = super().make_provider(timings)
        cloud = FakeCloud(
            FakeSettings(
                account="aws:account-2", machine_prefix="aws", timings=timings, rate_usd_per_hour=Decimal("0.72")
            ),
            self.clock,
        )
        cloud.default_script = GOOD
        second = Provider(OtherTraining(cloud), OtherStorage(cloud), OtherPrediction(cloud))
        self.clouds: dict[ProviderKind, Provider] = {"fake": first, "aws": second}
        self.holds: tuple[ProviderKind, ...] = ("fake", "aws")
        """What the next node holds beside the configured one."""
        return first

    def cloud_of(self, kind: ProviderKind) -> FakeCloud:
        """Return the cloud behind a provider."""
        return cast(FakeTraining, self.clouds[kind].training).cloud

    def rented(self) -> Mapping[ProviderKind, Rented]:
        kinds = dict.fromkeys((self.provider.training.kind, *self.holds))
        return {kind: Rented(self.clouds[kind], self.cloud_of(kind).settings.account) for kind in kinds}

    async def switch(self, kind: ProviderKind, *, holds: tuple[ProviderKind, ...] = ("fake", "aws")) -> None:
        """Restart with new jobs going to ``kind``."""
        await self.stop()
        self.provider, self.holds = self.clouds[kind], holds
        await self.start()


def with_two_clouds(story: Callable[[TwoClouds], Awaitable[T]], **kit: Any) -> T:
    """Run ``story`` with a node that begins on ``fake`` and holds ``aws`` too."""
    return virtually(cast("Callable[[NodeKit], Awaitable[T]]", story), make=TwoClouds, **kit)
