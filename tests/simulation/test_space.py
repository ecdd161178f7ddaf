"""A store that charges for its space, in a whole node: what is kept is paid for, held, and shown."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from messages import events as ev
from providers.fake.storage import FakeStorage
from tests.support.node import ANA, NodeKit, virtually

pytestmark = pytest.mark.no_cover
"""Days go by; tests of what it is made of reach the same."""

PRICE = Decimal(10_000)
"""A gigabyte a month, dear enough to be seen."""


def test_what_users_keep_is_booked_once_a_day_whatever_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeStorage, "kept_usd_per_gb_month", PRICE, raising=False)
    monkeypatch.setattr(FakeStorage, "prices_as_of", date(2026, 11, 1), raising=False)

    async def story(house: NodeKit) -> None:
        await house.closed(await house.train())
        await house.clock.sleep(900)
        await house.restart()
        await house.clock.sleep(900)
        booked = [r.event for r in await house.journal.read("ledger") if isinstance(r.event, ev.Stored)]
        assert [(event.user_id, event.amount_usd > 0) for event in booked] == [(ANA.user_id, True)]
        report = await house.node.services.views.costs(ANA, "provider")
        [kept] = report.stored
        assert kept.size_bytes == booked[-1].size_bytes > 0
        [budget] = report.budgets
        assert budget.reserved_usd > 0
        assert report.reserved_usd == 0

    virtually(story, settings={"budgets": {"per_month_usd": "50"}})
