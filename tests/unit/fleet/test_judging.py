"""What an order to reconcile does with one machine: what was asked for, and nothing with another user's job."""

from __future__ import annotations

from typing import Any, cast

import pytest

from actors.fleet.judging import Account, Judged, choice, fate
from actors.fleet.orphans import Claim, Whose
from actors.journal.interface import Version
from messages.machines import MachineState
from messages.upkeep import ReconcileOrder
from tests.support.jobs import machine

LOOK = ReconcileOrder()
REAP = ReconcileOrder(reap=True)
REAP_ALL = ReconcileOrder(reap=True, all_ours=True)
ADOPT = ReconcileOrder(adopt=True)


def judged(whose: Whose = Whose.SECOND_WRITER, *, hidden: bool = False, gone: bool = False) -> Judged:
    seen = machine("m-name", "m1")
    if gone:
        seen = seen.model_copy(update={"state": MachineState.GONE})
    return Judged(cast(Account, None), seen, Claim(whose), None, Version(0), hidden)


def fates(one: Judged) -> list[str]:
    named: list[Any] = [LOOK, REAP, REAP_ALL, ADOPT, REAP.model_copy(update={"names": ("m-name",)})]
    return [fate(one, order, acts=order is not LOOK) for order in named]


def test_an_unknown_machine_is_ended_when_it_or_all_are_named_and_taken_over_when_asked() -> None:
    assert fates(judged()) == ["adopt", "nothing", "reap", "adopt", "reap"]
    assert fates(judged(Whose.OTHER_GENERATION)) == fates(judged())


def test_an_orphan_is_ended_by_every_order_to_end() -> None:
    assert fates(judged(Whose.ORPHAN)) == ["reap", "reap", "reap", "nothing", "reap"]


@pytest.mark.parametrize(
    "one",
    [
        judged(hidden=True),
        judged(gone=True),
        judged(Whose.ORPHAN, hidden=True),
        judged(Whose.OURS),
        judged(Whose.FOREIGN),
    ],
    ids=["another user's", "gone", "another user's orphan", "an open job's", "foreign"],
)
def test_what_is_another_users_gone_open_or_foreign_is_left_alone_by_every_order(one: Judged) -> None:
    assert fates(one) == ["nothing"] * 5


def test_taking_over_with_names_takes_over_those_only() -> None:
    other = ReconcileOrder(adopt=True, names=("another",))
    assert fate(judged(), other, acts=True) == "nothing"
    assert fate(judged(), other.model_copy(update={"reap": True}), acts=True) == "adopt"


def test_a_dry_run_says_what_may_be_chosen() -> None:
    one = judged()
    for does, words in (("adopt", "--reap m-name"), ("reap", "waits for the proof"), ("nothing", "")):
        one.does = cast(Any, does)
        assert words in choice(one)
