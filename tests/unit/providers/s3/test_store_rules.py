"""What every store keeps, over the emulated endpoint: the contract suite's own tests, in virtual time."""

from __future__ import annotations

import pytest

from tests.contract.test_storage import *  # noqa: F403
from tests.support.s3 import EmulatedVolume, StoreSubject


@pytest.fixture
def provider_under_test(volume: EmulatedVolume) -> StoreSubject:
    return StoreSubject(volume.storage)
