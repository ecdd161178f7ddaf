"""What runs beside an actor: deferred replies, tasks, timers, watches."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial

import pytest

from actors.runtime.actor import Ref
from actors.runtime.errors import ActorStopped, Busy
from actors.runtime.supervision import NEVER
from actors.runtime.system import ActorSystem
from actors.runtime.virtual import VirtualClock
from messages.errors import Refusal
from tests.unit.runtime.troupe import (
    Act,
    Count,
    Deed,
    Note,
    Order,
    Player,
    Reports,
    Said,
    Seen,
    Tiny,
    crash,
    linger,
    settle,
)


def play(system: ActorSystem, kind: type[Player] = Player, **deeds: Deed) -> tuple[Ref[Said], list[str]]:
    diary: list[str] = []
    return system.spawn(partial(kind, diary, deeds), "player"), diary


async def later(seconds: float, answer: object) -> object:
    await asyncio.sleep(seconds)
    if isinstance(answer, Exception):
        raise answer
    return answer


def defer(seconds: float, answer: object = "done") -> Deed:
    async def deed(player: Player) -> object:
        return player.ctx.reply_later(later(seconds, answer))

    return deed


# ------------------------------------------------------------------------------------------------ deferred replies


async def test_a_deferred_reply_answers_later_and_holds_nobody_up(system: ActorSystem, clock: VirtualClock) -> None:
    ref, _ = play(system, defer=defer(5))
    waiting = asyncio.create_task(ref.ask(Act(name="defer"), timeout_s=10))
    await settle()
    assert await ref.ask(Count(text="ok"), timeout_s=1) == 2
    assert system.inspect()[0].replies == 1
    assert await waiting == "done"
    assert clock.monotonic() == 5


async def test_a_refusal_in_a_deferred_reply_is_its_answer_only(system: ActorSystem) -> None:
    ref, diary = play(system, defer=defer(1, Refusal("E-TASK")))
    with pytest.raises(Refusal):
        await ref.ask(Act(name="defer"), timeout_s=10)
    await asyncio.sleep(5)
    assert diary == ["start"]


async def test_another_error_in_a_deferred_reply_is_a_failure_too(system: ActorSystem) -> None:
    ref, diary = play(system, defer=defer(1, ValueError("broken")))
    with pytest.raises(ValueError, match="broken"):
        await ref.ask(Act(name="defer"), timeout_s=10)
    await asyncio.sleep(5)
    assert diary == ["start", "failure: broken", "start"]


async def test_the_work_goes_on_when_its_asker_gave_up(system: ActorSystem) -> None:
    ref, diary = play(system, defer=defer(5), error=defer(5, Refusal("E-TASK")))
    for name in ("defer", "error"):
        with pytest.raises(Refusal):
            await ref.ask(Act(name=name), timeout_s=1)
    await asyncio.sleep(10)
    assert diary == ["start"]
    assert system.inspect()[0].replies == 0


async def test_a_deferred_reply_to_a_tell_is_run_all_the_same(system: ActorSystem) -> None:
    done: list[object] = []

    async def work() -> None:
        done.append(1)

    async def deed(player: Player) -> object:
        return player.ctx.reply_later(work())

    ref, _ = play(system, work=deed)
    ref.tell(Act(name="work"))
    await settle()
    assert done == [1]


async def test_only_control_is_taken_while_too_many_replies_are_in_work(system: ActorSystem) -> None:
    ref, diary = play(system, Tiny, defer=defer(5))
    first = asyncio.create_task(ref.ask(Act(name="defer"), timeout_s=30))
    await settle()
    ref.tell(Note(text="later"))
    ref.tell(Order(text="now"))
    await settle()
    assert diary == ["start", "now"]
    await first
    await settle()
    assert diary == ["start", "now", "later"]


# ------------------------------------------------------------------------------------------------ tasks


async def test_a_task_that_fails_is_a_failure_of_its_actor(system: ActorSystem) -> None:
    async def begin(player: Player) -> object:
        player.ctx.start(later(1, ValueError("broken")), "work")
        return None

    ref, diary = play(system, begin=begin)
    ref.tell(Note(text="begin"))
    ref.tell(Note(text="a"))
    await asyncio.sleep(5)
    assert diary == ["start", "begin", "a", "failure: broken", "start"]


async def test_one_failure_more_is_reported_and_not_counted(system: ActorSystem, reports: Reports) -> None:
    async def begin(player: Player) -> object:
        for text in ("one", "two"):
            player.ctx.start(later(1, ValueError(text)), text)
        return None

    ref, diary = play(system, begin=begin)
    ref.tell(Note(text="begin"))
    await asyncio.sleep(5)
    assert diary == ["start", "begin", "failure: one", "start"]
    assert "ValueError: two" in [error for _, error, _ in reports]


async def test_no_more_tasks_run_than_allowed(system: ActorSystem) -> None:
    async def begin(player: Player) -> object:
        player.ctx.start(later(1, None), "first")
        player.ctx.start(later(1, None), "second")
        return None

    ref, _ = play(system, Tiny, begin=begin)
    with pytest.raises(Busy, match="second"):
        await ref.ask(Act(name="begin"), timeout_s=1)
    assert system.inspect()[0].tasks == 1
    await asyncio.sleep(2)
    assert system.inspect()[0].tasks == 0


# ------------------------------------------------------------------------------------------------ timers


async def test_a_timer_fires_once_and_never_early(system: ActorSystem, clock: VirtualClock) -> None:
    at: list[float] = []

    async def set_timer(player: Player) -> object:
        player.ctx.after(2.5, Note(text="ring"))
        return None

    async def ring(_: Player) -> object:
        at.append(clock.monotonic())
        return None

    ref, diary = play(system, set=set_timer, ring=ring)
    await ref.ask(Act(name="set"), timeout_s=1)
    await asyncio.sleep(100)
    assert at == [2.5]
    assert diary == ["start", "ring"]


async def test_a_timer_at_an_instant_follows_the_wall_clock(system: ActorSystem, clock: VirtualClock) -> None:
    """Wall clock set back and forward (faults.md 50)."""
    due = clock.now() + timedelta(hours=1)
    at: list[float] = []

    async def set_timer(player: Player) -> object:
        player.ctx.at(due, Note(text="ring"))
        return None

    async def ring(_: Player) -> object:
        at.append((clock.now() - due).total_seconds())
        return None

    ref, _ = play(system, set=set_timer, ring=ring)
    await ref.ask(Act(name="set"), timeout_s=1)
    clock.set_wall(-3600)
    await asyncio.sleep(3700)
    assert at == []
    clock.set_wall(+3600)
    await asyncio.sleep(31)
    assert len(at) == 1
    assert at[0] >= 0


async def test_a_timer_of_the_same_key_replaces_the_earlier(system: ActorSystem, clock: VirtualClock) -> None:
    async def set_timer(player: Player) -> object:
        player.ctx.after(1, Note(text="same"))
        player.ctx.after(2, Note(text="same"))
        player.ctx.after(1, Note(text="one"), key="key")
        player.ctx.after(2, Note(text="two"), key="key")
        return None

    ref, diary = play(system, set=set_timer)
    await ref.ask(Act(name="set"), timeout_s=1)
    await asyncio.sleep(10)
    assert diary == ["start", "same", "two"]


async def test_a_timer_that_fired_is_not_queued_twice(system: ActorSystem) -> None:
    async def set_timers(player: Player) -> object:
        player.ctx.after(1, Note(text="tick"))
        player.ctx.start(again(player), "again")
        await asyncio.sleep(5)
        return None

    async def again(player: Player) -> None:
        await asyncio.sleep(2)
        player.ctx.after(1, Note(text="tick"))

    ref, diary = play(system, set=set_timers)
    await ref.ask(Act(name="set"), timeout_s=10)
    await asyncio.sleep(10)
    assert diary == ["start", "tick"]


async def test_timers_fit_a_full_mailbox_and_control_stays_first(system: ActorSystem) -> None:
    async def set_timers(player: Player) -> object:
        player.ctx.after(1, Note(text="tick"))
        player.ctx.after(1, Order(text="order"))
        await asyncio.sleep(3)
        return None

    ref, diary = play(system, Tiny, set=set_timers)
    waiting = asyncio.create_task(ref.ask(Act(name="set"), timeout_s=10))
    await settle()
    ref.tell(Note(text="a"))
    ref.tell(Note(text="b"))
    ref.tell(Seen(place="x", value=1))
    ref.tell(Seen(place="y", value=1))
    await waiting
    await settle()
    assert diary == ["start", "order", "a", "b", "x=1", "y=1", "tick"]


async def test_a_cancelled_timer_never_fires_and_makes_room(system: ActorSystem) -> None:
    async def set_timers(player: Player) -> object:
        for n in range(100):
            timer = player.ctx.after(1, Note(text=str(n)))
            assert timer.active
            timer.cancel()
            timer.cancel()
            assert not timer.active
        player.ctx.after(1, Note(text="a"))
        player.ctx.after(1, Note(text="b"))
        with pytest.raises(Busy):
            player.ctx.after(1, Note(text="c"))
        return None

    ref, diary = play(system, Tiny, set=set_timers)
    await ref.ask(Act(name="set"), timeout_s=1)
    await asyncio.sleep(2)
    assert diary == ["start", "a", "b"]


async def test_cancelled_timers_do_not_pile_up(system: ActorSystem, clock: VirtualClock) -> None:
    """Bounded memory (design.md 9, rule 14)."""
    kept = system.timers.at(clock.now() + timedelta(hours=1), lambda: None)
    for n in range(10_000):
        system.timers.after(1_000 + n, lambda: None).cancel()
        system.timers.at(clock.now() + timedelta(hours=2), lambda: None).cancel()
    assert len(system.timers._spans) + len(system.timers._instants) < 200
    kept.cancel()


async def test_the_nearest_timer_decides_whatever_the_order_of_setting(
    system: ActorSystem, clock: VirtualClock
) -> None:
    fired: list[tuple[str, float]] = []

    def note(name: str) -> None:
        fired.append((name, clock.monotonic()))
        if name == "b":
            system.timers.after(1, partial(note, "d"))

    system.timers.after(3, partial(note, "c"))
    system.timers.after(1, partial(note, "b"))
    system.timers.at(clock.now() + timedelta(seconds=0.5), partial(note, "a"))
    await asyncio.sleep(10)
    assert fired == [("a", 0.5), ("b", 1.0), ("d", 2.0), ("c", 3.0)]


# ------------------------------------------------------------------------------------------------ watches


async def test_a_watcher_is_told_once_of_an_end_and_not_of_a_restart(system: ActorSystem) -> None:
    other = system.spawn(partial(Player, [], {"poison": crash()}), "other")

    async def watch(player: Player) -> object:
        player.ctx.watch(other)
        player.ctx.watch(other)
        return None

    ref, diary = play(system, watch=watch)
    await ref.ask(Act(name="watch"), timeout_s=1)
    other.tell(Note(text="poison"))
    await asyncio.sleep(5)
    assert diary == ["start"]
    await other.stop()
    await settle()
    assert diary == ["start", "other stopped"]
    await ref.ask(Act(name="watch"), timeout_s=1)
    await settle()
    assert diary == ["start", "other stopped", "other stopped", "other stopped"]


async def test_a_watcher_is_told_of_a_parking(system: ActorSystem) -> None:
    other = system.spawn(partial(Player, [], {"poison": crash()}), "other", policy=NEVER)

    async def watch(player: Player) -> object:
        player.ctx.watch(other)
        return None

    ref, diary = play(system, watch=watch)
    await ref.ask(Act(name="watch"), timeout_s=1)
    other.tell(Note(text="poison"))
    await settle()
    assert diary == ["start", "other parked"]


async def test_an_ended_watcher_is_forgotten(system: ActorSystem) -> None:
    other = system.spawn(partial(Player, []), "other")

    async def watch(player: Player) -> object:
        player.ctx.watch(other)
        return None

    ref, diary = play(system, watch=watch)
    await ref.ask(Act(name="watch"), timeout_s=1)
    await ref.stop()
    assert not other._cell.watchers
    await other.stop()
    assert diary == ["start", "stop"]


async def test_a_deferred_reply_cancelled_at_the_end_tells_its_asker(system: ActorSystem) -> None:
    ref, _ = play(system, defer=defer(100))
    waiting = asyncio.create_task(ref.ask(Act(name="defer"), timeout_s=200))
    await settle()
    await ref.stop()
    with pytest.raises(ActorStopped):
        await waiting


async def test_the_context_knows_its_actor(system: ActorSystem, clock: VirtualClock) -> None:
    async def look(player: Player) -> object:
        ctx = player.ctx
        assert ctx.system is system
        assert ctx.clock is clock
        assert ctx.entropy is system.entropy
        return f"{ctx.name} {ctx.ref!r}"

    ref, _ = play(system, look=look, slow=linger(1))
    assert await ref.ask(Act(name="look"), timeout_s=1) == "player Ref(player)"
    assert await ref.ask(Act(name="slow"), timeout_s=2) == "done"
