"""Clocks, randomness, virtual time, and the checks that tests themselves rely on."""

from __future__ import annotations

import asyncio
import socket
import time
from datetime import UTC, datetime, timedelta

import pytest

from actors.runtime import clock as clock_module
from actors.runtime.clock import SteadyClock, SystemClock, SystemEntropy
from actors.runtime.deadlines import Deadlines, Expired
from actors.runtime.timers import TimerQueue
from actors.runtime.virtual import EPOCH, Deadlock, SeededEntropy, VirtualClock, VirtualLoop, new_virtual_loop
from tests.support.leaks import fail_on_tasks_left
from tests.support.virtual import run_virtual, virtual


def real(coroutine: object) -> None:
    """Run on an ordinary loop: what is tested here is the real clock (a few milliseconds)."""
    asyncio.run(coroutine)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------ production


def test_the_system_clock_is_utc_and_its_sleep_never_wakes_early() -> None:
    clock = SystemClock()
    assert clock.now().tzinfo is UTC

    async def nap() -> None:
        for seconds in (0.0, 0.001, 0.003):
            began = clock.monotonic()
            await clock.sleep(seconds)
            assert clock.monotonic() - began >= seconds

    real(nap())


def test_a_sleep_goes_on_when_the_loop_wakes_it_early(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    now = [0.0]

    async def half(seconds: float) -> None:
        slept.append(seconds)
        now[0] += max(seconds / 2, 0.5)

    monkeypatch.setattr(asyncio, "sleep", half)
    monkeypatch.setattr(SystemClock, "monotonic", lambda _: now[0])
    coroutine = SystemClock().sleep(100)
    with pytest.raises(StopIteration):
        coroutine.send(None)
    assert now[0] >= 100
    assert max(slept) <= clock_module.SLEEP_SLICE_S


def test_the_monotonic_clock_counts_suspended_time() -> None:
    assert clock_module._MONOTONIC == time.CLOCK_BOOTTIME


def test_system_entropy_gives_what_is_asked_for() -> None:
    entropy = SystemEntropy()
    assert len(entropy.bytes(16)) == 16
    assert entropy.bytes(16) != entropy.bytes(16)
    assert 2 <= entropy.uniform(2, 3) <= 3


class HandClock:
    """Two clocks that are set by hand."""

    def __init__(self) -> None:
        self.wall, self.at_s = datetime(2026, 1, 1, tzinfo=UTC), 5.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.at_s

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("wall_s", "monotonic_s", "jump_s"),
    [
        (10, 10, None),
        (70, 10, None),
        (71, 10, 61.0),
        (-51, 10, -61.0),
        (36_000, 36_000, None),  # suspended for ten hours
    ],
)
def test_only_a_set_clock_is_a_jump(wall_s: float, monotonic_s: float, jump_s: float | None) -> None:
    """Suspend and resume, a clock set forward and back (faults.md 50)."""
    host = HandClock()
    clock = SteadyClock(host)
    host.wall, host.at_s = host.wall + timedelta(seconds=wall_s), host.at_s + monotonic_s
    shown = clock.now()
    assert clock.jump_s == jump_s
    assert shown == host.wall - timedelta(seconds=jump_s or 0.0)


# ------------------------------------------------------------------------------------------------ virtual


def test_a_day_passes_in_no_time() -> None:
    async def day() -> tuple[datetime, float]:
        clock = VirtualClock()
        await clock.sleep(86_400)
        return clock.now(), clock.monotonic()

    assert run_virtual(day) == (EPOCH + timedelta(days=1), 86_400)


def test_a_sleep_in_virtual_time_never_wakes_early_by_rounding() -> None:
    async def naps() -> None:
        clock = VirtualClock()
        await clock.sleep(1e9 / 3)
        for n in range(200):
            seconds = 0.1 + n / 1e7
            due = clock.monotonic() + seconds
            await clock.sleep(seconds)
            assert clock.monotonic() >= due

    run_virtual(naps)


def test_the_wall_clock_can_be_set_and_spans_do_not_notice() -> None:
    async def look() -> None:
        clock = VirtualClock()
        clock.set_wall(-3600)
        assert clock.now() == EPOCH - timedelta(hours=1)
        assert clock.monotonic() == 0

    run_virtual(look)


def test_a_test_that_would_wait_for_ever_fails() -> None:
    async def stuck() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock):
        run_virtual(stuck)


def test_a_thread_takes_real_time_and_no_virtual_time() -> None:
    async def work() -> float:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(1):
            await loop.run_in_executor(None, time.sleep, 0.02)
        return loop.time()

    assert run_virtual(work) == 0


def test_time_stands_still_during_real_work() -> None:
    async def work() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            timer = loop.call_later(1, lambda: None)
            with loop.real_work():
                theirs.send(b"x")
                assert await loop.sock_recv(ours, 1) == b"x"
            timer.cancel()
        return loop.time()

    assert run_virtual(work) == 0


def test_a_socket_may_be_waited_for_without_a_timer() -> None:
    async def work() -> bytes:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            receiving = asyncio.ensure_future(loop.sock_recv(ours, 1))
            await asyncio.sleep(0)
            theirs.send(b"y")
            return await receiving

    assert run_virtual(work) == b"y"


def test_the_same_seed_gives_the_same_numbers() -> None:
    one, same, other = SeededEntropy(1), SeededEntropy(1), SeededEntropy(2)
    assert (one.bytes(8), one.uniform(0, 1)) == (same.bytes(8), same.uniform(0, 1))
    assert other.bytes(8) != SeededEntropy(1).bytes(8)


@virtual
async def test_a_decorated_test_runs_in_virtual_time() -> None:
    assert isinstance(asyncio.get_running_loop(), VirtualLoop)
    await asyncio.sleep(1_000_000)


# ------------------------------------------------------------------------------------------------ early loops


class EarlyLoop(VirtualLoop):
    """Wakes every timer too early at first, as uvloop does by up to half a millisecond."""

    def call_at(self, when: float, callback: object, *args: object, context: object = None) -> asyncio.TimerHandle:
        early = when - 0.0004 if when - self.time() > 0.0004 else when
        return super().call_at(early, callback, *args, context=context)  # type: ignore[arg-type]


def test_neither_timers_nor_ask_deadlines_fire_early_on_an_early_loop() -> None:
    async def wait() -> None:
        loop = asyncio.get_running_loop()
        fired: list[float] = []
        TimerQueue(VirtualClock(), loop).after(1.0, lambda: fired.append(loop.time()))
        reply: asyncio.Future[None] = loop.create_future()
        Deadlines(loop).bucket(1.02)[reply] = None
        with pytest.raises(Expired):
            await reply
        assert fired[0] >= 1.0
        assert loop.time() >= 1.02

    with asyncio.Runner(loop_factory=EarlyLoop) as runner:
        runner.run(wait())


def test_a_fault_in_one_timer_does_not_stop_the_others() -> None:
    async def wait() -> list[str]:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, __: None)
        fired: list[str] = []
        timers = TimerQueue(VirtualClock(), loop)

        def broken() -> None:
            raise ValueError("broken")

        timers.after(1, broken)
        timers.after(1, lambda: fired.append("other"))
        await asyncio.sleep(2)
        return fired

    assert run_virtual(wait) == ["other"]


# ------------------------------------------------------------------------------------------------ leaks


def test_a_task_left_behind_fails_the_test() -> None:
    async def leak() -> None:
        asyncio.get_running_loop().create_task(asyncio.sleep(10), name="left")

    with pytest.raises(pytest.fail.Exception, match="left"):
        run_virtual(leak)


def test_a_task_about_to_end_is_no_leak() -> None:
    async def brief() -> None:
        asyncio.get_running_loop().create_task(asyncio.sleep(0))

    run_virtual(brief)


def test_tasks_there_before_are_not_blamed() -> None:
    async def check() -> None:
        old = asyncio.create_task(asyncio.sleep(10))
        await fail_on_tasks_left(frozenset({old}))
        old.cancel()

    with asyncio.Runner(loop_factory=new_virtual_loop) as runner:
        runner.run(check())
