"""Our clock is right once the provider's time agreed with it; a provider that tells no time is not asked."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from actors.fleet.certainty import Certainty
from actors.fleet.orphans import Whose, claim
from actors.runtime.clock import SteadyClock
from actors.runtime.virtual import EPOCH, VirtualClock
from messages.machines import Listing, MachineName
from tests.support.jobs import NAMING, machine
from tests.support.virtual import virtual

DAY_S = 86_400.0


class Host:
    """A computer's clock beside the true one, which the provider has."""

    def __init__(self, ahead_s: float = 0.0) -> None:
        self.true = VirtualClock()
        self.wall = VirtualClock(EPOCH + timedelta(seconds=ahead_s))
        self.clock = SteadyClock(self.wall)
        self.answered = True

    def clock_off_s(self) -> float | None:
        return (self.true.now() - self.clock.now()).total_seconds() if self.answered else None

    def certainty(self) -> Certainty:
        return Certainty(cast(Any, self), self.clock)


@virtual
async def test_a_clock_is_certain_from_the_first_answer_that_agrees_on() -> None:
    host = Host()
    certainty = host.certainty()
    host.answered = False
    assert (certainty.sure(), certainty.off_s()) == (False, None)
    host.answered = True
    assert certainty.sure()
    host.answered = False
    assert certainty.sure()


@virtual
async def test_a_clock_a_day_ahead_at_the_start_is_not_certain_until_it_is_set_right() -> None:
    host = Host(ahead_s=DAY_S)
    certainty = host.certainty()
    assert (certainty.sure(), certainty.off_s()) == (False, -DAY_S)
    host.wall.set_wall(-DAY_S)
    assert (certainty.sure(), certainty.off_s()) == (True, None)
    assert host.clock.now() == host.true.now()


@virtual
async def test_a_clock_that_somebody_has_set_is_certain_again_only_once_it_is_borne_out() -> None:
    host = Host()
    certainty = host.certainty()
    assert certainty.sure()
    host.answered = False
    host.wall.set_wall(DAY_S)
    host.clock.now()
    assert not certainty.sure()
    host.answered = True
    assert certainty.sure()


@virtual
async def test_a_provider_whose_own_clock_goes_wrong_changes_nothing() -> None:
    """Fault 15."""
    host = Host()
    certainty = host.certainty()
    assert certainty.sure()
    host.true.set_wall(3600)
    assert (certainty.sure(), certainty.off_s()) == (True, 3600)


class Storage:
    """A store whose clock is ahead by ``off_s``, or that has not answered yet."""

    def __init__(self, off_s: float | None) -> None:
        self.off_s = off_s

    def clock_off_s(self) -> float | None:
        return self.off_s


@pytest.mark.parametrize(("store_s", "sure"), [(1.0, True), (3600.0, False), (None, False)])
@virtual
async def test_where_the_provider_is_an_hour_off_its_storage_may_bear_our_clock_out(
    store_s: float | None, sure: bool
) -> None:
    """Fault 15, after a restart: deadlines of machines rented before would wait until the platform is mended."""
    host = Host()
    host.true.set_wall(3600)
    certainty = Certainty(cast(Any, host), host.clock, cast(Any, Storage(store_s)))
    assert (certainty.sure(), certainty.off_s()) == (sure, 3600)


@virtual
async def test_two_witnesses_against_our_clock_leave_it_unsure() -> None:
    host = Host(ahead_s=DAY_S)
    assert not Certainty(cast(Any, host), host.clock, cast(Any, Storage(-DAY_S))).sure()


@virtual
async def test_a_provider_that_tells_no_time_is_not_asked() -> None:
    assert Certainty(cast(Any, object()), VirtualClock()).sure()
    assert Certainty(cast(Any, object()), VirtualClock()).off_s() is None


def test_without_a_certain_time_no_hard_deadline_has_passed() -> None:
    hard: datetime = EPOCH
    late = machine(MachineName("instal", "gene", "zzzzzzzzzz", 1, hard).text(NAMING.key), "m1")
    listing = Listing(account="a", began=hard, ended=hard, complete=True, machines=(late,))
    assert claim(late, listing, NAMING, None, hard).whose is Whose.ORPHAN
    assert claim(late, listing, NAMING, None, None).whose is Whose.SECOND_WRITER
