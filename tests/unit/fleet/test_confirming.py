"""Since when an account shows no complete list, and when people are told."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from actors.fleet.confirming import UNCONFIRMED_S, Confirmation
from actors.fleet.messages import Watched
from messages.jobs import JobState
from messages.machines import Listing
from tests.support.jobs import ACCOUNT, JOB, START, USER


def listing(**changes: Any) -> Listing:
    told: dict[str, Any] = {"account": ACCOUNT, "began": START, "ended": START, "complete": True, "machines": ()}
    return Listing.model_validate({**told, **changes})


def watched(rate: str | None = "0.27") -> Watched:
    return Watched(
        job_id=JOB,
        user_id=USER,
        attempt=1,
        name="n",
        folder="f",
        account=ACCOUNT,
        phase=JobState.RUNNING,
        rate_usd_per_hour=Decimal(rate) if rate else None,
        soft_deadline=START + timedelta(hours=1),
    )


class Watch:
    """One account, looked at every second."""

    def __init__(self, interval_s: float = 5.0) -> None:
        self.account = Confirmation("runpod", ACCOUNT)
        self.interval_s = interval_s
        self.now_s = 0.0

    def after(self, seconds: float, *, open_: bool = True) -> int:
        """Let time pass and return how often somebody was told."""
        told = 0
        for _ in range(int(seconds)):
            self.now_s += 1
            told += self.account.overdue(self.now_s, self.interval_s, open_=open_)
        return told

    def listed(self, **changes: Any) -> bool:
        return self.account.listed(listing(**changes), self.now_s)


def test_it_is_told_once_when_a_minute_has_passed_without_a_complete_list() -> None:
    watch = Watch()
    watch.listed()
    assert watch.after(UNCONFIRMED_S - 1) == 0
    assert watch.after(1) == 1
    assert watch.after(3600) == 0


def test_cut_and_foreign_lists_confirm_nothing() -> None:
    watch = Watch()
    watch.listed()
    told = 0
    for number in range(20):
        told += watch.after(5)
        assert not watch.listed(**({"complete": False} if number % 2 else {"account": "another"}))
    assert told == 1


def test_it_is_told_anew_after_each_complete_list() -> None:
    watch = Watch()
    assert watch.after(100) == 1
    watch.listed()
    assert watch.after(100) == 1


def test_without_an_open_machine_nobody_is_told_and_the_minute_begins_with_the_machine() -> None:
    watch = Watch()
    assert watch.after(1_000, open_=False) == 0
    assert watch.after(UNCONFIRMED_S - 1) == 0
    assert watch.after(2) == 1


def test_a_list_that_may_be_asked_for_only_seldom_gets_two_of_its_intervals() -> None:
    watch = Watch(interval_s=50.0)
    watch.listed()
    assert watch.after(99) == 0
    assert watch.after(1) == 1


async def test_an_alarm_may_stand_until_it_is_known_to_be_over() -> None:
    """Of a process before this one too; and an end that the disk has not taken is not over."""

    class Journal:
        def __init__(self) -> None:
            self.asked = 0

        async def query(self, *_: Any) -> list[Any]:
            self.asked += 1
            return []

    watch, journal = Watch(), Journal()
    kept: Any = journal
    clock: Any = None
    assert watch.listed()
    assert watch.listed()
    await watch.account.confirm(kept, clock)
    assert not watch.listed()
    assert watch.after(UNCONFIRMED_S) == 1
    assert watch.listed()
    await watch.account.confirm(kept, clock)
    assert not watch.listed()
    assert journal.asked == 2


def test_the_words_say_what_happened_what_it_costs_whether_it_runs_and_what_to_do() -> None:
    watch = Watch()
    watch.listed(account="")
    watch.after(61)
    words = watch.account.words((watched(), watched("0.5"), watched(None)), watch.now_s)
    for part in (
        "runpod has given no complete list of the account's machines for 60 s",
        "another account answers: it does not say which",
        "3 machines are open there at $0.770/h",
        "counts as running and billing",
        "Nothing is ended or called gone for this",
        "lastcall doctor",
    ):
        assert part in words
    assert "A machine is open there, and" in watch.account.words((), watch.now_s)
    watch.account.failed("x" * 5_000)
    assert len(watch.account.words((), watch.now_s)) < 1_000
