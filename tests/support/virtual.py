"""Async tests in virtual time: a day passes in no time, and the same test always takes the same steps.

Three ways, for code that waits on timers and tasks only (no threads, processes, or sockets to another process):

* ``@virtual`` on an ``async def`` test: it runs on a loop of its own; sync fixtures work, async ones do not;
* in a folder's ``conftest.py``: ``from tests.support.virtual import pytest_asyncio_loop_factories`` makes every async
  test and function-scoped async fixture of that folder run in virtual time;
* ``run_virtual(function)`` inside an ordinary test (hypothesis, or several runs to compare).

A test in which every task waits for something that can never come fails with ``Deadlock`` instead of hanging.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from actors.runtime.virtual import new_virtual_loop
from tests.support.leaks import fail_on_tasks_left

P = ParamSpec("P")
T = TypeVar("T")


def run_virtual(function: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run ``function()`` to its end on a fresh virtual loop and return its result; tasks left behind fail it."""

    async def checked() -> T:
        result = await function()
        await fail_on_tasks_left(frozenset())
        return result

    with asyncio.Runner(loop_factory=new_virtual_loop) as runner:
        return runner.run(checked())


def virtual(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Make an async test an ordinary one that runs in virtual time."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        return run_virtual(lambda: function(*args, **kwargs))

    return run


def pytest_asyncio_loop_factories(config: object, item: object) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Hook of pytest-asyncio: import it into a ``conftest.py`` to put that folder's async tests in virtual time."""
    return {"virtual": new_virtual_loop}
