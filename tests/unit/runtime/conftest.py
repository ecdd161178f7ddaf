"""Every async test of this folder runs in virtual time and leaves no task behind."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from actors.runtime.system import ActorSystem
from actors.runtime.virtual import SeededEntropy, VirtualClock
from tests.support.leaks import _loop_tasks, no_task_left_behind  # noqa: F401
from tests.support.virtual import pytest_asyncio_loop_factories  # noqa: F401
from tests.unit.runtime.troupe import Reports


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest_asyncio.fixture
async def system(clock: VirtualClock, reports: Reports) -> AsyncIterator[ActorSystem]:
    system = ActorSystem(clock, SeededEntropy(), reports)
    yield system
    await system.shutdown(0.0)
