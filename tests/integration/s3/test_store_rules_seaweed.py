"""What every store keeps, over a real server: the contract suite's own tests."""

from __future__ import annotations

import pytest

from providers.runpod.storage import RunPodStorage
from tests.contract.test_storage import *  # noqa: F403
from tests.support.s3 import StoreSubject


@pytest.fixture
def provider_under_test(storage: RunPodStorage) -> StoreSubject:
    return StoreSubject(storage)
