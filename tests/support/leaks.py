"""Tests leave no task behind.

``tests/conftest.py`` holds every async test to it with one line::

    from tests.support.leaks import _loop_tasks, no_task_left_behind  # noqa: F401

The check runs after the test and its other fixtures, before the loop would cancel what is left.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

TURNS_TO_END = 5
"""Turns of the loop that a task may still need to end after the test (turns)."""


def tasks_alive() -> frozenset[asyncio.Task[object]]:
    """Return the tasks of the running loop that are not done, the current one left out."""
    current = asyncio.current_task()
    return frozenset(task for task in asyncio.all_tasks() if task is not current)


async def fail_on_tasks_left(before: frozenset[asyncio.Task[object]]) -> None:
    """Fail the test when a task is alive that was not in ``before``; tasks about to end get a few turns."""
    for _ in range(TURNS_TO_END):
        if not tasks_alive() - before:
            return
        await asyncio.sleep(0)
    left = sorted(f"{task.get_name()}: {task.get_coro()!r}" for task in tasks_alive() - before)
    if left:
        pytest.fail("the test left tasks behind:\n" + "\n".join(left), pytrace=False)


@pytest_asyncio.fixture
async def _loop_tasks() -> AsyncIterator[None]:
    before = tasks_alive()
    yield
    await fail_on_tasks_left(before)


@pytest.fixture(autouse=True)
def no_task_left_behind(request: pytest.FixtureRequest) -> None:
    """Fail an async test that leaves a task behind. Ordinary tests have no loop and are left alone."""
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("_loop_tasks")
