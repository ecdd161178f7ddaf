"""What an answer's ``Date`` says of a service's clock. Fault 15."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime

import pytest

from providers.dated import Dated
from tests.support.providers.clocks import ManualClock


async def test_a_service_that_is_ahead_is_told_by_its_last_date_and_stays_so_while_time_passes() -> None:
    clock = ManualClock()
    dated = Dated()
    assert dated.off_s(clock) is None
    dated.heard({"date": format_datetime(clock.now() + timedelta(seconds=90), usegmt=True)}, clock)
    assert dated.off_s(clock) == pytest.approx(90, abs=1)
    await clock.advance(60)
    assert dated.off_s(clock) == pytest.approx(90, abs=1)


@pytest.mark.parametrize("said", ["", "yesterday", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"])
def test_a_date_that_is_none_changes_nothing(said: str) -> None:
    clock, dated = ManualClock(), Dated()
    dated.heard({"date": said}, clock)
    assert dated.off_s(clock) is None
