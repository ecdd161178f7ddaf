"""What happens when an actor fails (faults.md 56: crash loops and poison messages)."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import pairwise

import pytest

from actors.runtime.actor import Ref
from actors.runtime.errors import ActorParked, ActorRestarted
from actors.runtime.supervision import NEVER, RestartPolicy
from actors.runtime.system import ActorSystem
from actors.runtime.virtual import VirtualClock
from tests.unit.runtime.troupe import Act, Count, Deed, Note, Player, Reports, Said, Seen, crash, settle


def play(system: ActorSystem, policy: RestartPolicy | None = None, **deeds: Deed) -> tuple[Ref[Said], list[str]]:
    diary: list[str] = []
    return system.spawn(partial(Player, diary, deeds), "player", policy=policy), diary


async def test_a_poison_message_does_not_come_back_and_the_others_are_not_lost(system: ActorSystem) -> None:
    ref, diary = play(system, poison=crash())
    for text in ("a", "poison", "b"):
        ref.tell(Note(text=text))
    ref.tell(Seen(place="x", value=1))
    await asyncio.sleep(1)
    assert diary == ["start", "a", "poison", "failure: boom", "start", "b", "x=1"]
    assert system.inspect()[0].restarts == 1


async def test_a_restarted_actor_is_a_fresh_one(system: ActorSystem) -> None:
    made: list[Player] = []

    def factory() -> Player:
        made.append(Player([], {"crash": crash()}))
        return made[-1]

    ref: Ref[Said] = system.spawn(factory, "player")
    with pytest.raises(RuntimeError):
        await ref.ask(Act(name="crash"), timeout_s=1)
    await asyncio.sleep(1)
    assert len(made) == 2
    assert made[1].ctx.name == "player"


async def test_the_wait_before_a_restart_doubles_and_is_jittered(system: ActorSystem, clock: VirtualClock) -> None:
    starts: list[float] = []

    async def start(_: Player) -> object:
        starts.append(clock.monotonic())
        raise RuntimeError("again")

    policy = RestartPolicy(restarts_max=4, within_s=100, backoff_first_s=1, backoff_max_s=4, jitter=0.5)
    play(system, policy, start=start)
    await asyncio.sleep(50)
    waits = [after - before for before, after in pairwise(starts)]
    assert len(waits) == 4
    for wait, longest in zip(waits, (1, 2, 4, 4), strict=True):
        assert longest / 2 <= wait <= longest


async def test_past_its_limit_an_actor_is_parked_and_the_system_lives(system: ActorSystem, reports: Reports) -> None:
    alarms: list[tuple[str, str]] = []
    diary: list[str] = []
    ref: Ref[Said] = system.spawn(
        partial(Player, diary, {"poison": crash()}),
        "player",
        policy=RestartPolicy(restarts_max=1, within_s=10),
        on_park=lambda name, error: alarms.append((name, str(error))),
    )
    other = system.spawn(partial(Player, []), "other")
    for text in ("poison", "poison", "never"):
        ref.tell(Note(text=text))
    waiting = asyncio.create_task(ref.ask(Count(), timeout_s=5))
    await asyncio.sleep(2)
    with pytest.raises(ActorParked):
        await waiting
    with pytest.raises(ActorParked):
        await ref.ask(Count(), timeout_s=5)
    with pytest.raises(ActorParked):
        await ref.send(Note(text="late"))
    ref.tell(Note(text="late"))
    assert alarms == [("player", "boom")]
    assert "never" not in diary
    assert "stop" not in diary
    assert [letter.kind for letter in system.dead_letters] == ["Note", "Note"]
    assert await other.ask(Count(text="ok"), timeout_s=1) == 2
    info = system.inspect()[-1]
    assert (info.name, info.parked, info.error, info.restarts) == ("player", True, "RuntimeError: boom", 1)
    assert reports[-1] == ("player", "RuntimeError: boom", "parked")
    await ref.stop()


async def test_failures_long_ago_are_forgiven(system: ActorSystem) -> None:
    ref, diary = play(system, RestartPolicy(restarts_max=1, within_s=10), poison=crash())
    for _ in range(5):
        ref.tell(Note(text="poison"))
        await asyncio.sleep(11)
    assert diary.count("start") == 6


async def test_a_parked_name_can_be_used_again(system: ActorSystem) -> None:
    play(system, NEVER, start=crash())
    await settle()
    assert system.find("player") is None
    ref, _ = play(system)
    assert await ref.ask(Count(text="ok"), timeout_s=1) == 2
    assert [info.parked for info in system.inspect()] == [False]


async def test_an_alarm_that_fails_does_not_stop_the_parking(system: ActorSystem, reports: Reports) -> None:
    def alarm(_: str, __: Exception) -> None:
        raise ValueError("no alarm")

    system.spawn(partial(Player, [], {"start": crash()}), "player", policy=NEVER, on_park=alarm)
    await settle()
    assert system.inspect()[0].parked
    assert reports[-1] == ("player", "ValueError: no alarm", "on_park failed")


async def test_an_error_in_on_failure_does_not_hide_the_first(system: ActorSystem, reports: Reports) -> None:
    ref, diary = play(system, poison=crash("first"), failure=crash("second"))
    ref.tell(Note(text="poison"))
    await asyncio.sleep(1)
    assert [error for _, error, _ in reports] == ["RuntimeError: second", "RuntimeError: first"]
    assert diary[-1] == "start"


async def test_a_factory_that_fails_counts_as_a_failure(system: ActorSystem, reports: Reports) -> None:
    made = 0

    def factory() -> Player:
        nonlocal made
        made += 1
        if made == 2:
            raise OSError("not now")
        return Player([], {"crash": crash()})

    ref: Ref[Said] = system.spawn(factory, "player")
    with pytest.raises(RuntimeError):
        await ref.ask(Act(name="crash"), timeout_s=1)
    assert await ref.ask(Count(text="ok"), timeout_s=5) == 2
    assert made == 3
    assert reports[-1][1] == "OSError: not now"


async def test_a_factory_that_fails_at_once_is_the_callers_error(system: ActorSystem) -> None:
    def factory() -> Player:
        raise OSError("not now")

    with pytest.raises(OSError, match="not now"):
        system.spawn(factory, "player")
    assert system.inspect() == []


async def test_something_cancelled_inside_a_handler_is_a_failure_and_no_end(system: ActorSystem) -> None:
    async def wait(_: Player) -> object:
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        gone.cancel()
        await gone
        return None

    ref, diary = play(system, wait=wait)
    with pytest.raises(RuntimeError, match="cancelled from inside"):
        await ref.ask(Act(name="wait"), timeout_s=1)
    assert await ref.ask(Count(text="ok"), timeout_s=5) == 2
    assert diary[1].startswith("failure: cancelled from inside")


async def test_a_failure_cancels_what_the_failed_instance_had_started(system: ActorSystem) -> None:
    ended: list[str] = []

    async def forever(name: str) -> object:
        try:
            return await asyncio.Event().wait()
        finally:
            ended.append(name)

    async def begin(player: Player) -> object:
        player.ctx.start(forever("task"), "forever")
        player.ctx.after(1, Note(text="timer"))
        player.ctx.spawn(partial(Player, ended), "child")
        return player.ctx.reply_later(forever("reply"))

    ref, diary = play(system, begin=begin, poison=crash())
    waiting = asyncio.create_task(ref.ask(Act(name="begin"), timeout_s=50))
    await settle()
    ref.tell(Note(text="poison"))
    with pytest.raises(ActorRestarted):
        await waiting
    await asyncio.sleep(5)
    assert sorted(ended) == ["reply", "start", "stop", "task"]
    assert "timer" not in diary
    assert system.find("child") is None


async def test_a_policy_that_could_never_park_is_refused() -> None:
    with pytest.raises(ValueError, match="waits of"):
        RestartPolicy(restarts_max=10, within_s=5, backoff_first_s=1)
    with pytest.raises(ValueError, match="jitter"):
        RestartPolicy(jitter=2)
    assert RestartPolicy(restarts_max=5, within_s=1e9, backoff_max_s=1e6).longest_wait_s(5_000) == 1e6


def test_only_failures_that_can_matter_are_remembered() -> None:
    policy = RestartPolicy(restarts_max=2, within_s=10)
    assert policy.recent([0, 1, 2, 3, 4], 4) == [2, 3, 4]
    assert policy.recent([0, 1, 2], 11.5) == [2]
    assert policy.wait_s(3, 0.0) is None
    assert policy.wait_s(1, 1.0) == pytest.approx(0.05)
