"""The virtual loop runs what asyncio's own would run, in the same order at the same times."""

from __future__ import annotations

import asyncio
import math
import random
from typing import Any

import pytest

from actors.runtime.virtual import CANCELLED_MIN, VirtualLoop, _VirtualSelector

Told = list[tuple[float, int]]


class AsyncioOwn(asyncio.SelectorEventLoop):
    """asyncio's own rounds over the same time."""

    def __init__(self) -> None:
        self._virtual = _VirtualSelector()
        super().__init__(self._virtual)

    @property
    def _clock_resolution(self) -> float:
        return math.ulp(self._virtual.now)

    @_clock_resolution.setter
    def _clock_resolution(self, _: float) -> None:
        pass

    def time(self) -> float:
        return self._virtual.now


async def program(seed: int, told: Told) -> None:
    """Sleep, cancel, call soon and later, often at the same time as others."""
    rng, loop = random.Random(seed), asyncio.get_running_loop()

    def note(number: int) -> None:
        told.append((loop.time(), number))

    async def one(number: int) -> None:
        for _ in range(20):
            handles = [loop.call_later(rng.choice((0, 0.1, 0.3, 1, 50, 100_000)), note, number) for _ in range(9)]
            for handle in rng.sample(handles, 6):
                handle.cancel()
            loop.call_soon(note, -number)
            try:
                async with asyncio.timeout(rng.choice((0.1, 0.5, 2))):
                    await asyncio.sleep(rng.choice((0, 0.1, 0.3, 1, 3)))
            except TimeoutError:
                note(1_000 + number)
            note(number)

    await asyncio.gather(*(one(number) for number in range(12)))
    await asyncio.sleep(200_000)


@pytest.mark.parametrize("seed", range(4))
def test_a_program_takes_the_same_steps_as_on_asyncios_own_loop(seed: int) -> None:
    heard: list[Told] = []
    for make in (VirtualLoop, AsyncioOwn):
        heard.append([])
        with asyncio.Runner(loop_factory=make) as runner:
            runner.run(program(seed, heard[-1]))
    assert heard[0] == heard[1]
    assert len(heard[0]) > 1_000


def test_timers_that_were_cancelled_are_not_kept() -> None:
    async def many() -> int:
        loop: Any = asyncio.get_running_loop()
        loop.call_later(1_800, print)  # before them all
        for _ in range(10 * CANCELLED_MIN):
            loop.call_later(3_600, print).cancel()
        await asyncio.sleep(1)
        return len(loop._scheduled)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(many()) < CANCELLED_MIN


def test_an_error_in_a_callback_is_told_and_stops_nothing() -> None:
    told: list[Any] = []

    async def story() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, words: told.append(words))
        loop.call_soon(lambda: 1 / 0)
        await asyncio.sleep(1)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(story())
    assert [type(words["exception"]) for words in told] == [ZeroDivisionError]
    assert "Exception in callback" in told[0]["message"]


def test_who_leaves_the_program_leaves_it() -> None:
    async def story() -> None:
        asyncio.get_running_loop().call_soon(exit, 3)
        await asyncio.sleep(1)

    with pytest.raises(SystemExit), asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(story())


def test_a_loop_that_is_debugged_works_too() -> None:
    told: Told = []
    with asyncio.Runner(loop_factory=VirtualLoop, debug=True) as runner:
        runner.run(program(1, told))
    assert len(told) > 1_000


def test_a_closed_loop_takes_nothing() -> None:
    loop = VirtualLoop()
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.call_soon(print)
    with pytest.raises(RuntimeError, match="closed"):
        loop.call_later(1, print)
