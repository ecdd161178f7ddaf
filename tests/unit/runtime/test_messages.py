"""What a mailbox does with each class of message, and what an ask answers."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import assert_type

import pytest

from actors.runtime.actor import Ref
from actors.runtime.errors import ActorStopped, AskTimeout, Busy
from actors.runtime.mailbox import Bounds, Mailbox
from actors.runtime.system import ActorSystem
from actors.runtime.virtual import VirtualClock
from messages.errors import Refusal
from providers.interface import Unavailable
from tests.unit.runtime.troupe import Act, Count, Note, Order, Player, Reports, Said, Seen, Tiny, UrgentAct, settle


def play(system: ActorSystem, kind: type[Player] = Player, **deeds: object) -> tuple[Ref[Said], list[str]]:
    diary: list[str] = []
    return system.spawn(partial(kind, diary, deeds), "player"), diary  # type: ignore[arg-type]


async def test_told_messages_are_handled_in_order(system: ActorSystem) -> None:
    ref, diary = play(system)
    for text in ("a", "b", "c"):
        ref.tell(Note(text=text))
    await settle()
    assert diary == ["start", "a", "b", "c"]


async def test_the_type_of_an_answer_follows_the_type_of_the_request(system: ActorSystem) -> None:
    ref, _ = play(system)
    assert_type(await ref.ask(Count(text="four"), timeout_s=1), int)
    assert await ref.ask(Count(text="four"), timeout_s=1) == 4


async def test_a_request_that_does_not_fit_is_refused_and_what_waits_stays(system: ActorSystem) -> None:
    ref, diary = play(system, Tiny)
    ref.tell(Note(text="a"))
    ref.tell(Note(text="b"))
    with pytest.raises(Busy) as refused:
        ref.tell(Note(text="c"))
    with pytest.raises(Busy):
        await ref.ask(Count(), timeout_s=1)
    assert refused.value.code == "E-BUSY"
    await settle()
    assert diary == ["start", "a", "b"]


async def test_control_is_handled_first_and_never_dropped(system: ActorSystem) -> None:
    ref, diary = play(system, Tiny)
    ref.tell(Note(text="a"))
    ref.tell(Note(text="b"))
    for text in ("first", "second", "third"):
        ref.tell(Order(text=text))
    assert system.inspect()[0].overruns == 2
    await settle()
    assert diary == ["start", "first", "second", "third", "a", "b"]


async def test_the_latest_observation_of_a_slot_wins_and_keeps_its_place(system: ActorSystem) -> None:
    ref, diary = play(system, Tiny)
    ref.tell(Seen(place="x", value=1))
    ref.tell(Note(text="a"))
    ref.tell(Seen(place="y", value=1))
    ref.tell(Seen(place="x", value=2))
    ref.tell(Note(text="b"))  # slots never take the place of requests
    with pytest.raises(Busy):
        ref.tell(Note(text="c"))
    await settle()
    assert diary == ["start", "x=2", "a", "y=1", "b"]
    ref.tell(Note(text="d"))
    ref.tell(Note(text="e"))
    with pytest.raises(Busy):
        ref.tell(Note(text="f"))


async def test_an_observation_beyond_the_slots_is_a_dead_letter(system: ActorSystem) -> None:
    ref, diary = play(system, Tiny)
    for place in ("x", "y", "z"):
        ref.tell(Seen(place=place, value=1))
    await settle()
    assert diary == ["start", "x=1", "y=1"]
    assert system.dead_letters_total == 1
    assert system.dead_letters[0] == ("player", "Seen", "no slot")


async def test_a_message_without_a_lane_counts_as_a_request(system: ActorSystem) -> None:
    ref, _ = play(system, Tiny)
    bare: Ref[object] = ref  # type: ignore[assignment]  # what the type checker would refuse
    bare.tell("a")
    bare.tell("b")
    with pytest.raises(Busy):
        bare.tell("c")


async def test_send_waits_for_room_in_the_order_of_asking(system: ActorSystem) -> None:
    ref, diary = play(system, Tiny)
    senders = [asyncio.create_task(ref.send(Note(text=str(n)))) for n in range(20)]
    await asyncio.gather(*senders)
    await settle()
    assert diary == ["start", *(str(n) for n in range(20))]


async def test_send_takes_control_and_observations_at_once(system: ActorSystem) -> None:
    ref, diary = play(system, Tiny)
    ref.tell(Note(text="a"))
    ref.tell(Note(text="b"))
    await ref.send(Order(text="now"))
    await ref.send(Seen(place="x", value=1))
    await settle()
    assert diary == ["start", "now", "a", "b", "x=1"]


async def test_a_cancelled_sender_passes_its_turn_on() -> None:
    box = Mailbox(Bounds(requests_max=1))
    loop = asyncio.get_running_loop()
    first, second = (asyncio.create_task(box.room(loop)) for _ in range(2))
    await settle()
    box.admit()
    first.cancel()  # its turn was given and is not used
    await asyncio.wait({first, second})
    assert first.cancelled()
    assert not second.cancelled()


async def test_a_sender_cancelled_while_waiting_takes_no_turn() -> None:
    box = Mailbox(Bounds(requests_max=1))
    loop = asyncio.get_running_loop()
    first, second = (asyncio.create_task(box.room(loop)) for _ in range(2))
    await settle()
    first.cancel()
    await settle()
    box.admit()
    await second
    assert first.cancelled()


async def test_a_waiting_sender_is_told_when_the_actor_ends(system: ActorSystem) -> None:
    gate = asyncio.Event()

    async def wait(_: Player) -> object:
        return await gate.wait()

    ref, _ = play(system, Tiny, wait=wait)
    ref.tell(Note(text="wait"))
    await settle()
    ref.tell(Note(text="a"))
    ref.tell(Note(text="b"))
    sender = asyncio.create_task(ref.send(Note(text="c")))
    await settle()
    await ref.stop()
    with pytest.raises(ActorStopped):
        await sender
    with pytest.raises(ActorStopped):
        await ref.send(Order(text="late"))


@pytest.mark.parametrize("error", [Refusal("E-TASK"), Unavailable("later"), Busy("other", "full")])
async def test_a_refusal_is_the_answer_and_no_failure(system: ActorSystem, error: Exception, reports: Reports) -> None:
    async def refuse(_: Player) -> object:
        raise error

    ref, diary = play(system, refuse=refuse)
    with pytest.raises(type(error)) as caught:
        await ref.ask(Act(name="refuse"), timeout_s=1)
    assert caught.value is error
    assert await ref.ask(Count(text="ok"), timeout_s=1) == 2
    assert diary == ["start"]
    assert reports == []


async def test_any_other_error_is_the_answer_and_a_failure(system: ActorSystem, reports: Reports) -> None:
    async def crash(_: Player) -> object:
        raise ValueError("broken")

    ref, diary = play(system, crash=crash)
    with pytest.raises(ValueError, match="broken"):
        await ref.ask(Act(name="crash"), timeout_s=1)
    assert await ref.ask(Count(text="ok"), timeout_s=5) == 2
    assert diary == ["start", "failure: broken", "start"]
    assert reports[0][1] == "ValueError: broken"


async def test_a_refusal_that_answers_nobody_is_a_failure(system: ActorSystem) -> None:
    async def refuse(_: Player) -> object:
        raise Refusal("E-TASK")

    ref, diary = play(system, refuse=refuse)
    ref.tell(Act(name="refuse"))
    await asyncio.sleep(1)
    assert diary[1].startswith("failure: E-TASK")


@pytest.mark.parametrize("timeout_s", [0.001, 0.05, 1.0, 3.0])
async def test_an_ask_times_out_within_one_bucket_and_never_early(
    system: ActorSystem, clock: VirtualClock, timeout_s: float
) -> None:
    async def sleep(player: Player) -> object:
        await player.ctx.clock.sleep(10)
        return "late"

    ref, _ = play(system, sleep=sleep)
    began = clock.monotonic()
    with pytest.raises(AskTimeout, match="Act"):
        await ref.ask(Act(name="sleep"), timeout_s=timeout_s)
    assert timeout_s <= clock.monotonic() - began <= timeout_s + 0.051


async def test_a_request_whose_asker_gave_up_is_handled_all_the_same(system: ActorSystem) -> None:
    done: list[str] = []

    async def act(player: Player) -> object:
        await player.ctx.clock.sleep(2)
        done.append("acted")
        return "late"

    ref, _ = play(system, act=act)
    with pytest.raises(AskTimeout):
        await ref.ask(Act(name="act"), timeout_s=1)
    await asyncio.sleep(2)
    assert done == ["acted"]


async def test_an_ask_on_the_control_lane_fits_a_full_mailbox(system: ActorSystem) -> None:
    async def act(_: Player) -> object:
        return "stopped"

    ref, _ = play(system, Tiny, act=act)
    ref.tell(Note(text="a"))
    ref.tell(Note(text="b"))
    assert await ref.ask(UrgentAct(name="act"), timeout_s=1) == "stopped"


async def test_one_busy_actor_lets_the_loop_have_its_turns(system: ActorSystem) -> None:
    async def again(player: Player) -> object:
        player.ctx.ref.tell(Note(text="again"))
        return None

    ref, diary = play(system, Tiny, again=again)
    ref.tell(Note(text="again"))
    await settle(10)
    assert 3 < len(diary) < 40  # it runs for ever, and so do we


async def test_a_ref_is_an_address(system: ActorSystem) -> None:
    ref, _ = play(system)
    other = system.spawn(partial(Player, []), "other")
    assert ref == system.find("player")
    assert {ref: 1}[ref] == 1
    assert ref != other
    assert repr(ref) == "Ref(player)"
    assert system.find("nobody") is None
