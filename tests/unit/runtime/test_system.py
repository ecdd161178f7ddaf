"""Ending actors in order, looking at them, and what reaches nobody."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

import pytest

from actors.runtime.actor import Actor, Ref
from actors.runtime.errors import ActorStopped
from actors.runtime.supervision import NEVER
from actors.runtime.system import DEAD_LETTERS_KEPT, PARKED_KEPT, ActorSystem
from actors.runtime.virtual import SeededEntropy, VirtualClock
from tests.unit.runtime.troupe import (
    Act,
    Count,
    Deed,
    Note,
    Order,
    Player,
    Reports,
    Said,
    Tiny,
    crash,
    linger,
    settle,
)


def play(
    system: ActorSystem, kind: type[Player] = Player, name: str = "player", **deeds: Deed
) -> tuple[Ref[Said], list[str]]:
    diary: list[str] = []
    return system.spawn(partial(kind, diary, deeds), name), diary


# ------------------------------------------------------------------------------------------------ stopping


async def test_a_stopped_actor_takes_nothing_more(system: ActorSystem) -> None:
    ref, diary = play(system)
    await settle()
    await ref.stop()
    await ref.stop()
    with pytest.raises(ActorStopped) as told:
        await ref.ask(Count(), timeout_s=1)
    assert told.value.code == "E-DRAINING"
    ref.tell(Note(text="late"))
    ref.tell(Order(text="late"))
    assert [letter.kind for letter in system.dead_letters] == ["Note", "Order"]
    assert diary == ["start", "stop"]
    assert system.inspect() == []


async def test_one_that_is_stopped_before_it_started_never_starts(system: ActorSystem) -> None:
    ref, diary = play(system)
    await ref.stop()
    assert diary == []


async def test_what_waits_in_a_stopping_mailbox_is_answered(system: ActorSystem) -> None:
    ref, diary = play(system, slow=linger(10))
    ref.tell(Note(text="slow"))
    waiting = asyncio.create_task(ref.ask(Count(), timeout_s=50))
    await settle()
    ref.tell(Note(text="never"))
    await ref.stop()
    with pytest.raises(ActorStopped):
        await waiting
    assert diary == ["start", "slow", "stop"]
    assert system.dead_letters_total == 1


async def test_within_the_drain_time_what_waits_is_handled(system: ActorSystem, clock: VirtualClock) -> None:
    ref, diary = play(system, slow=linger(1))
    for text in ("slow", "slow", "last"):
        ref.tell(Note(text=text))
    await settle()
    await ref.stop(drain_s=10)
    assert diary == ["start", "slow", "slow", "last", "stop"]
    assert clock.monotonic() == 2


async def test_at_the_end_of_the_drain_time_the_handler_is_cancelled(system: ActorSystem, clock: VirtualClock) -> None:
    ref, diary = play(system, slow=linger(100))
    waiting = asyncio.create_task(ref.ask(Act(name="slow"), timeout_s=500))
    await settle()
    await ref.stop(drain_s=10)
    with pytest.raises(ActorStopped):
        await waiting
    assert diary == ["start", "stop"]
    assert clock.monotonic() == 10


async def test_deferred_replies_may_end_within_the_drain_time(system: ActorSystem) -> None:
    async def work() -> str:
        await asyncio.sleep(5)
        return "done"

    async def defer(player: Player) -> object:
        return player.ctx.reply_later(work())

    ref, _ = play(system, defer=defer)
    waiting = asyncio.create_task(ref.ask(Act(name="defer"), timeout_s=50))
    await settle()
    await ref.stop(drain_s=10)
    assert await waiting == "done"


async def test_draining_waits_for_room_among_the_replies(system: ActorSystem) -> None:
    async def work() -> str:
        await asyncio.sleep(2)
        return "done"

    async def defer(player: Player) -> object:
        return player.ctx.reply_later(work())

    ref, _ = play(system, Tiny, defer=defer)
    asks = [asyncio.create_task(ref.ask(Act(name="defer"), timeout_s=50)) for _ in range(2)]
    await settle()
    await ref.stop(drain_s=10)
    assert await asyncio.gather(*asks) == ["done", "done"]


async def test_tasks_and_children_end_before_on_stop(system: ActorSystem) -> None:
    order: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            order.append("task")

    async def begin(player: Player) -> object:
        player.ctx.start(forever(), "forever")
        for name in ("first", "second"):
            player.ctx.spawn(partial(Player, order, {"stop": say(name)}), name)
        return None

    def say(name: str) -> Deed:
        async def deed(_: Player) -> object:
            order.append(name)
            return None

        return deed

    ref: Ref[Said] = system.spawn(partial(Player, order, {"begin": begin, "stop": say("parent")}), "player")
    await ref.ask(Act(name="begin"), timeout_s=1)
    await ref.stop()
    told = [word for word in order if word not in ("start", "stop")]
    assert told[-1] == "parent"
    assert told.index("second") < told.index("first")
    assert "task" in told


async def test_an_actor_can_end_itself(system: ActorSystem) -> None:
    async def end(player: Player) -> object:
        player.ctx.stop()
        player.ctx.stop()
        return "bye"

    ref, diary = play(system, end=end)
    assert await ref.ask(Act(name="end"), timeout_s=1) == "bye"
    await settle()
    assert diary == ["start", "stop"]
    assert system.find("player") is None


async def test_an_actor_cannot_wait_for_its_own_end(system: ActorSystem) -> None:
    async def end(player: Player) -> object:
        await player.ctx.ref.stop()
        return None

    ref, _ = play(system, end=end)
    with pytest.raises(RuntimeError, match="own end"):
        await ref.ask(Act(name="end"), timeout_s=1)


async def test_a_stop_during_the_back_off_ends_at_once(system: ActorSystem, clock: VirtualClock) -> None:
    ref, diary = play(system, poison=crash())
    ref.tell(Note(text="poison"))
    await settle()
    await ref.stop(drain_s=10)
    assert clock.monotonic() < 0.05
    assert diary == ["start", "poison", "failure: boom"]


@pytest.mark.parametrize("deed", ["start", "failure"])
async def test_a_stop_cancels_what_hangs_outside_of_receive(
    system: ActorSystem, clock: VirtualClock, deed: str
) -> None:
    deeds: dict[str, Deed] = {deed: linger(1_000), "poison": crash()}
    ref: Ref[Said] = system.spawn(partial(Player, [], deeds), "player")
    ref.tell(Note(text="poison"))
    await settle()
    await ref.stop(drain_s=3)
    assert clock.monotonic() == 3
    assert system.inspect() == []


async def test_a_failure_while_stopping_is_reported_and_not_retried(system: ActorSystem, reports: Reports) -> None:
    async def late(player: Player) -> object:
        await asyncio.sleep(1)
        raise ValueError("late")

    ref, diary = play(system, late=late)
    ref.tell(Note(text="late"))
    await settle()
    await ref.stop(drain_s=5)
    assert diary == ["start", "late", "failure: late"]
    assert reports == [("player", "ValueError: late", "failed while stopping")]


@pytest.mark.parametrize("deed", [crash("no"), linger(1_000)])
async def test_on_stop_is_bounded_and_may_fail(system: ActorSystem, reports: Reports, deed: Deed) -> None:
    ref, _ = play(system, Tiny, stop=deed)
    await settle()
    await ref.stop()
    assert system.inspect() == []
    assert reports[0][2] == "on_stop failed"


async def test_one_that_swallows_its_cancellation_is_left_behind_and_reported(
    system: ActorSystem, reports: Reports, clock: VirtualClock
) -> None:
    async def deaf(player: Player) -> object:
        until = clock.monotonic() + 100
        while clock.monotonic() < until:
            try:
                await asyncio.sleep(until - clock.monotonic())
            except asyncio.CancelledError:
                continue
        return None

    async def begin(player: Player) -> object:
        player.ctx.start(deaf(player), "deaf")
        return None

    stuck, _ = play(system, Tiny, "stuck", deaf=deaf)
    with_task, _ = play(system, Tiny, "task", begin=begin)
    stuck.tell(Note(text="deaf"))
    with_task.tell(Note(text="begin"))
    await settle()
    await system.shutdown(1.0)
    assert clock.monotonic() < 10
    assert [(name, consequence) for name, _, consequence in reports] == [
        ("task", "left behind"),
        ("stuck", "left behind"),
    ]
    await asyncio.sleep(200)


async def test_shutdown_ends_the_youngest_first_within_one_drain_time(system: ActorSystem, clock: VirtualClock) -> None:
    order: list[str] = []
    for name in ("a", "b", "c"):

        async def stop(_: Player, name: str = name) -> object:
            order.append(name)
            return None

        ref, _ = play(system, name=name, slow=linger(100), stop=stop)
        ref.tell(Note(text="slow"))
    await settle()
    await system.shutdown(6.0)
    assert order == ["c", "b", "a"]
    assert clock.monotonic() == 6
    with pytest.raises(RuntimeError, match="shut down"):
        play(system)


# ------------------------------------------------------------------------------------------------ looking


async def test_inspect_tells_depth_age_rate_and_count(system: ActorSystem) -> None:
    ref, _ = play(system, slow=linger(30))
    for n in range(100):
        await asyncio.sleep(1)
        ref.tell(Note(text=str(n)))
    await settle()
    info = system.inspect()[0]
    assert (info.depth, info.age_s, info.handled, info.stopping) == (0, 0.0, 100, False)
    assert info.rate == pytest.approx(1.0)
    ref.tell(Note(text="slow"))
    await asyncio.sleep(10)
    ref.tell(Note(text="waits"))
    info = system.inspect()[0]
    assert info.depth == 1
    assert info.age_s == pytest.approx(10)
    await asyncio.sleep(3_000)
    system.inspect()
    await asyncio.sleep(3_000)
    assert system.inspect()[0].rate < 0.02


async def test_the_age_of_a_busy_mailbox_is_not_the_time_since_it_was_empty(system: ActorSystem) -> None:
    async def again(player: Player) -> object:
        await asyncio.sleep(1)
        player.ctx.ref.tell(Note(text="again"))
        return None

    ref, _ = play(system, Tiny, again=again)
    ref.tell(Note(text="again"))
    ref.tell(Note(text="again"))
    await asyncio.sleep(1_000)
    assert 0 < system.inspect()[0].age_s < 12


async def test_a_name_is_used_once_at_a_time(system: ActorSystem) -> None:
    ref, _ = play(system)
    with pytest.raises(ValueError, match="player"):
        play(system)
    await ref.stop()
    play(system)


async def test_dead_letters_are_counted_and_only_the_last_kinds_kept(system: ActorSystem) -> None:
    ref, _ = play(system)
    await ref.stop()
    for _ in range(DEAD_LETTERS_KEPT + 50):
        ref.tell(Note(text="secret"))
    assert system.dead_letters_total == DEAD_LETTERS_KEPT + 50
    assert len(system.dead_letters) == DEAD_LETTERS_KEPT
    assert "secret" not in repr(system.dead_letters)


async def test_only_so_many_parked_actors_are_remembered(clock: VirtualClock) -> None:
    system = ActorSystem(clock, SeededEntropy(), Reports())
    for n in range(PARKED_KEPT + 5):
        play_parked(system, n)
    await settle()
    assert len(system.inspect()) == PARKED_KEPT
    await system.shutdown(0.0)


def play_parked(system: ActorSystem, number: int) -> None:
    system.spawn(partial(Player, [], {"start": crash()}), f"player/{number}", policy=NEVER)


async def test_failures_are_logged_unless_someone_else_takes_them(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    system = ActorSystem(clock, SeededEntropy())
    with caplog.at_level(logging.ERROR):
        play_parked(system, 1)
        await settle()
    assert "actor player/1 failed, parked" in caplog.text
    await system.shutdown(0.0)


async def test_an_actor_needs_no_more_than_receive(system: ActorSystem) -> None:
    class Least(Actor[Note]):
        async def receive(self, msg: Note) -> object:
            return await super().receive(msg)

    ref: Ref[Note] = system.spawn(Least, "least")
    ref.tell(Note(text="a"))
    await asyncio.sleep(1)
    assert system.inspect()[0].restarts == 1
    await ref.stop()


async def test_ten_thousand_asks_share_few_loop_timers(system: ActorSystem) -> None:
    ref, _ = play(system)
    for _ in range(1_000):
        await ref.ask(Count(text="x"), timeout_s=5)
    assert len(system.deadlines._buckets) == 1
