"""What differs between the clouds that ``./dev live`` tries: keys, prefixes, the cheapest machine, words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple, Protocol

from lastcall.config.settings import Settings
from lastcall.renting import aws_settings, runpod_settings
from lastcall.setup.trial import HARD_S, cheapest
from messages.machines import Offer
from providers.aws.provider import build_aws_storage, build_aws_training
from providers.http import AiohttpTransport
from providers.interface import CloudTrainingProvider, Need
from providers.runpod.provider import build_runpod_storage, build_runpod_training, place_of
from providers.runpod.training import RunPodTraining
from providers.s3.store import S3Store
from providers.seams import ProviderClock

KINDS: Final = ("datasets", "models", "jobs", "predictions")
"""What storage has a prefix for."""
HOUR_S: Final = 3600


class Wire(NamedTuple):
    """One connection to the account, for one step."""

    training: CloudTrainingProvider
    storage: S3Store
    clock: ProviderClock


class Price(NamedTuple):
    """One machine, and what it costs until its hard deadline at most."""

    offer: Offer
    most_usd: Decimal


class Cloud(Protocol):
    """One cloud under test."""

    kind: str
    machine: str
    """What it calls a machine."""
    create_lag: str
    end_lag: str
    billing: str
    """How its bill comes."""

    def refusal(self, environ: Mapping[str, str]) -> str | None:
        """Say why nothing may be tried with these variables, or ``None``."""
        ...

    def prefixes(self, name: str) -> dict[str, str]:
        """Return where a run of this name keeps each kind of file."""
        ...

    async def open(self, settings: Settings, transport: AiohttpTransport, clock: ProviderClock) -> Wire:
        """Open the account. Raises Refused, Unavailable."""
        ...

    async def prices(self, wire: Wire) -> Sequence[Price]:
        """Return machines, the cheapest first. Raises Unavailable."""
        ...


class RunPodCloud:
    """Pods and a network volume."""

    kind = "runpod"
    machine = "pod"
    create_lag = "create lag"
    end_lag = "delete lag"
    billing = "written some minutes late"
    needed: Final = (
        "RUNPOD_API_KEY",
        "RUNPOD_NETWORK_VOLUME_ID",
        "RUNPOD_STORAGE_ACCESS_KEY",
        "RUNPOD_STORAGE_SECRET_KEY",
    )

    def __init__(self) -> None:
        self._place: str | None = None

    def refusal(self, environ: Mapping[str, str]) -> str | None:
        """All four variables must be there."""
        lacking = [name for name in self.needed if not environ.get(name)]
        return f"set {', '.join(lacking)}; lastcall setup runpod makes the account ready" if lacking else None

    def prefixes(self, name: str) -> dict[str, str]:
        """Everything of a run lies in one folder of the volume."""
        return {kind: f"{name}/{kind}" for kind in KINDS}

    async def open(self, settings: Settings, transport: AiohttpTransport, clock: ProviderClock) -> Wire:
        """Open it in the data centre of the volume."""
        told = runpod_settings(settings)
        self._place = self._place or told.data_center or await place_of(told, clock, transport)
        told = told.model_copy(update={"data_center": self._place})
        training = build_runpod_training(told, clock, transport)
        return Wire(training, build_runpod_storage(told, clock, transport), clock)

    async def prices(self, wire: Wire) -> Sequence[Price]:
        """The cheapest pods, as setup's trial finds them."""
        if not isinstance(wire.training, RunPodTraining):
            raise TypeError("not RunPod")
        return [Price(one.offer, one.most_usd) for one in await cheapest(wire.training)]


class AwsCloud:
    """Instances and a bucket."""

    kind = "aws"
    machine = "instance"
    create_lag = "launch lag"
    end_lag = "end lag"
    billing = "by EC2's own times; AWS's bill comes a day later"

    def refusal(self, environ: Mapping[str, str]) -> str | None:
        """A key or a profile must be named: what a chain may find by itself is no consent."""
        if environ.get("AWS_PROFILE") or (environ.get("AWS_ACCESS_KEY_ID") and environ.get("AWS_SECRET_ACCESS_KEY")):
            return None
        wanted = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        return f"set {wanted}; lastcall setup aws makes the account ready"

    def prefixes(self, name: str) -> dict[str, str]:
        """The machines' role reaches files below the usual prefixes only."""
        return {kind: f"{kind}/{name}" for kind in KINDS}

    async def open(self, settings: Settings, transport: AiohttpTransport, clock: ProviderClock) -> Wire:
        """Open account and bucket."""
        told = aws_settings(settings)
        training = build_aws_training(told, clock, transport)
        return Wire(training, build_aws_storage(told, training.client, transport), clock)

    async def prices(self, wire: Wire) -> Sequence[Price]:
        """The smallest instances, spot and on demand."""
        offers = await wire.training.offers(Need(size_mb=0.1, model_type="linear"))
        hours = Decimal(HARD_S) / HOUR_S
        found = [
            Price(one, (one.rate_usd_per_hour + one.disk_usd_per_hour) * hours + one.fixed_usd)
            for one in offers
            if not one.gpu_count
        ]
        return sorted(found, key=lambda price: price.most_usd)


CLOUDS: Final[Mapping[str, Cloud]] = {"runpod": RunPodCloud(), "aws": AwsCloud()}
