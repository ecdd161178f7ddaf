"""Puts the RunPod provider together: pods, the volume's storage, copies of it here, and predictions made here."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from messages.machines import ProviderKind
from providers.interface import Provider, ProviderClock, Refused
from providers.local.prediction import LocalPrediction, PredictionTerms
from providers.local.storage import LocalStorage
from providers.near import COPIES_BYTES_MAX, NearCopies
from providers.runpod.account import Account
from providers.runpod.client import Client
from providers.runpod.settings import RunPodSettings
from providers.runpod.storage import RunPodStorage, volume_settings
from providers.runpod.training import RunPodTraining
from providers.s3.client import S3Client
from providers.seams import Outside, ProgramRunner
from providers.transport import Transport
from providers.worker import Worker

UPLOAD_NAME_BYTES = 12


class RunPodProviderSettings(RunPodSettings):
    """RunPod, and what of it lies on this computer."""

    near: Path
    """Absolute directory for uploads on their way and for copies of the volume's objects."""
    near_bytes_max: int = Field(default=COPIES_BYTES_MAX, gt=0)
    python: str = Field(default_factory=lambda: sys.executable)
    """Interpreter of the prediction program."""
    prediction_workers_max: int = Field(default=1, ge=0)
    prediction_memory_bytes: int | None = None
    prediction_usd_per_second: Decimal = Field(default=Decimal(0), ge=0, le=Decimal(100))
    """What this computer is said to cost while a prediction runs on it."""


class PredictionHere(LocalPrediction):
    """Answers predictions with models of the volume on this computer, until there is an endpoint for them."""

    kind: ClassVar[ProviderKind] = "runpod"

    def __init__(
        self,
        terms: PredictionTerms,
        storage: RunPodStorage,
        copies: NearCopies,
        runner: ProgramRunner,
        clock: ProviderClock,
        worker: Worker,
    ) -> None:
        super().__init__(terms, storage, copies, runner, clock, worker)
        self._copies = copies

    async def close(self) -> None:
        """End what runs, and let go of the copies they read."""
        await super().close()
        await self._copies.close()


def build_runpod_training(settings: RunPodSettings, clock: ProviderClock, transport: Transport) -> RunPodTraining:
    """Return the training part for one account; nothing is asked yet. Its ``client`` serves the other parts too.

    The transport stays the caller's to close.
    """
    return RunPodTraining(Client(transport, clock, settings))


def build_runpod_storage(settings: RunPodSettings, clock: ProviderClock, transport: Transport) -> RunPodStorage:
    """Return the storage part; nothing is asked yet. Raises Refused without data centre or storage keys."""
    place, access, secret = settings.data_center, settings.s3_access_key, settings.s3_secret_key
    if place is None:
        raise Refused("the data centre of the network volume is not known")
    if access is None or secret is None:
        raise Refused("RunPod's storage needs runpod.storage_access_key and runpod.storage_secret_key")
    s3 = volume_settings(place, settings.volume_id, access.get_secret_value(), secret, settings.s3_endpoint)
    return RunPodStorage(S3Client(transport, clock, s3), settings.mount_path)


def build_runpod(settings: RunPodProviderSettings, outside: Outside, *, near_worker: Worker | None = None) -> Provider:
    """Open the provider; nothing is asked yet. Raises Refused without data centre or storage keys, OSError."""
    storage = build_runpod_storage(settings, outside.clock, outside.transport)
    near = settings.near.absolute()
    near.mkdir(parents=True, exist_ok=True, mode=0o700)
    worker = near_worker or Worker("runpod-near")
    disk = LocalStorage(near / "objects", lambda: outside.entropy.bytes(UPLOAD_NAME_BYTES).hex(), worker)
    copies = NearCopies(storage, disk, outside.clock, settings.near_bytes_max)
    terms = PredictionTerms(
        folder=near / "predictions",
        python=settings.python,
        workers_max=settings.prediction_workers_max,
        memory_bytes=settings.prediction_memory_bytes,
        usd_per_second=settings.prediction_usd_per_second,
    )
    prediction = PredictionHere(terms, storage, copies, outside.runner, outside.clock, worker)
    training = build_runpod_training(settings, outside.clock, outside.transport)
    return Provider(training, storage, prediction, copies)


async def place_of(settings: RunPodSettings, clock: ProviderClock, transport: Transport) -> str:
    """Ask RunPod in which data centre the network volume lies. Raises Unavailable, or Refused with what to check."""
    account = Account(Client(transport, clock, settings))
    try:
        return await account.place()
    finally:
        await account.close()
