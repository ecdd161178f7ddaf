"""Puts the RunPod provider together: pods, the volume's storage, copies of it here, and predictions made here."""

from __future__ import annotations

from typing import ClassVar

from messages.machines import ProviderKind
from providers.here import HereSettings, PredictionHere, build_here
from providers.image import brought_by
from providers.interface import Provider, Refused
from providers.runpod.account import Account
from providers.runpod.client import Client
from providers.runpod.settings import RunPodSettings
from providers.runpod.storage import RunPodStorage, volume_settings
from providers.runpod.training import RunPodTraining
from providers.s3.client import S3Client
from providers.seams import Outside, ProviderClock
from providers.transport import Transport
from providers.worker import Worker


class RunPodProviderSettings(RunPodSettings, HereSettings):
    """RunPod, and what of it lies on this computer."""


class RunPodPrediction(PredictionHere):
    """Answers predictions with models of the volume on this computer, until there is an endpoint for them."""

    kind: ClassVar[ProviderKind] = "runpod"


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
    prediction = build_here(RunPodPrediction, settings, storage, outside, near_worker or Worker("runpod-near"))
    training = build_runpod_training(settings, outside.clock, outside.transport)
    return Provider(training, storage, prediction, prediction.copies, brought_by(settings.image))


async def place_of(settings: RunPodSettings, clock: ProviderClock, transport: Transport) -> str:
    """Ask RunPod in which data centre the network volume lies. Raises Unavailable, or Refused with what to check."""
    account = Account(Client(transport, clock, settings))
    try:
        return await account.place()
    finally:
        await account.close()
