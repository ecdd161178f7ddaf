"""Data that lies elsewhere is copied before money is held: what ends the job there, and what is asked again."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from actors.supervisor.launching import reserve
from actors.supervisor.pending import Reserve
from messages import events as ev
from messages.errors import Refusal
from providers.interface import Refused, StorageFull
from tests.support.jobs import Story, offer, plan


class Desk:
    """What a reservation asks and writes; a copy answers with ``answer``."""

    def __init__(self, answer: Exception) -> None:
        self.answer = answer
        self.written: list[ev.Event] = []
        self.ask = self
        story = Story(plan((offer(),)).model_copy(update={"copied_from": "aws"}))
        self.job = story.job

    async def bring(self, _: Any) -> None:
        raise self.answer

    async def append(self, _: Any, event: ev.Event) -> None:
        self.written.append(event)

    async def reserve(self) -> None:
        tools: Any = SimpleNamespace(ask=self, append=self.append)
        await reserve(tools, self.job, Reserve(attempt=1, offer=self.job.plan.offers[0]))


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (StorageFull("no room"), "E-STORAGEFULL"),
        (Refused("not with this key"), "E-STORAGE"),
        (Refusal("E-NOTFOUND", "it is gone"), "E-STORAGE"),
        (Refusal("E-BUDGET", "nobody pays for it"), "E-BUDGET"),
    ],
)
def test_a_copy_that_cannot_be_had_is_said_and_no_money_is_asked_for(answer: Exception, code: str) -> None:
    desk = Desk(answer)
    asyncio.run(desk.reserve())
    [refused] = desk.written
    assert isinstance(refused, ev.ReservationRefused)
    assert refused.code == code


def test_a_copy_that_is_only_busy_is_asked_for_again() -> None:
    desk = Desk(Refusal("E-BUSY", "in a moment"))
    with pytest.raises(Refusal):
        asyncio.run(desk.reserve())
    assert desk.written == []
