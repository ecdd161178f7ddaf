"""Puts the fake cloud together."""

from __future__ import annotations

from providers.fake.cloud import FakeCloud
from providers.fake.prediction import FakePrediction
from providers.fake.settings import FakeSettings
from providers.fake.storage import FakeStorage
from providers.fake.training import FakeTraining
from providers.interface import Provider
from providers.seams import Entropy, ProgramRunner, ProviderClock


def build_fake(
    settings: FakeSettings,
    clock: ProviderClock,
    entropy: Entropy,  # noqa: ARG001 (a builder's signature; this cloud draws nothing)
    runner: ProgramRunner,  # noqa: ARG001 (nothing runs here)
) -> Provider:
    """Return a new cloud; ``provider.training.cloud`` is where it is scripted and audited."""
    cloud = FakeCloud(settings, clock)
    return Provider(FakeTraining(cloud), FakeStorage(cloud), FakePrediction(cloud))
