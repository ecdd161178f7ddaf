"""What setups spent: noted before it is spent, booked once by the daemon, whatever the budgets say."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from actors.ledger.budgets import Budgets
from actors.ledger.requests import BudgetsLeft, Charge, CostReport
from lastcall.owed import EVERY_S, Owed, OwedNotes
from messages.errors import Refusal
from tests.support.desk import Desk
from tests.support.jobs import START, USER
from tests.support.virtual import virtual


def owed(usd: str = "0.02", provider: str = "aws") -> Owed:
    return Owed(provider=provider, what="setup: a question", amount_usd=Decimal(usd), at=START)


@virtual
async def test_a_note_is_booked_once_and_dropped(tmp_path: Path) -> None:
    notes, desk = OwedNotes(tmp_path), Desk()
    notes.leave("a", owed("0.02"))
    notes.leave("a", owed("0.003"))
    async with desk.open():
        assert await notes.book(desk.ledger, USER) == 1
        assert notes.all() == []
        notes.leave("a", owed("0.003"))
        await notes.book(desk.ledger, USER)
        report = await desk.ask(CostReport(user_id=USER, by="provider"))
        assert [(row.key, row.cost_usd) for row in report.rows] == [("aws", Decimal("0.003"))]


@virtual
async def test_what_was_spent_already_is_booked_although_no_budget_is_left(tmp_path: Path) -> None:
    notes, desk = OwedNotes(tmp_path), Desk()
    notes.leave("a", owed("0.02"))
    async with desk.open(Budgets(total_usd=Decimal("0.01"))):
        charge = Charge(user_id=USER, provider="aws", what="x", amount_usd=Decimal("0.02"), source="x")
        with pytest.raises(Refusal, match="E-BUDGET"):
            await desk.ask(charge)
        await notes.book(desk.ledger, USER)
        [row] = await desk.ask(BudgetsLeft(user_id=USER))
        assert row.spent_usd == Decimal("0.02")


@virtual
async def test_notes_that_could_not_be_booked_are_booked_at_the_next_look(tmp_path: Path) -> None:
    notes, desk, said = OwedNotes(tmp_path), Desk(), list[str]()
    notes.leave("a", owed())

    def log(event: str, **_: Any) -> None:
        said.append(event)

    async with desk.open():
        desk.journal.full = True
        running = asyncio.create_task(notes.run(desk.ledger, USER, desk.clock, log))
        await desk.clock.sleep(1)
        assert [note.name for note in notes.all()] == ["a"]
        desk.journal.full = False
        await desk.clock.sleep(EVERY_S)
        running.cancel()
        assert (notes.all(), await desk.kinds()) == ([], ["charged"])
    assert said == ["setups_not_booked", "setups_booked"]


def test_a_note_that_is_none_stays_and_stops_no_other(tmp_path: Path) -> None:
    notes = OwedNotes(tmp_path)
    assert notes.all() == []
    notes.leave("b", owed())
    (tmp_path / "owed" / "a.json").write_text("{")
    assert [note.name for note in notes.all()] == ["b"]
    notes.drop("b")
    notes.drop("b")
    assert [path.name for path in (tmp_path / "owed").iterdir()] == ["a.json"]
