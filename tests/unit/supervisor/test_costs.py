"""What an attempt cost in the end: its time, what is fixed, and its log as the machine counted it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from actors.supervisor.inputs import FolderSeen
from actors.views.building import cost_so_far
from messages import events as ev
from messages.machines import LogPrice
from messages.money import accrued
from tests.support.jobs import Story, offer, plan

LOG = LogPrice(usd_per_file=Decimal("0.001"), usd_per_gb=Decimal("1"), bytes_max=1 << 29, files_per_hour=60)
PRICED = offer(rate="0.36").model_copy(update={"log": LOG, "fixed_usd": Decimal("0.002")})


def story() -> Story:
    return Story(plan((PRICED,))).reserved().created(rate="0.36")


def ended(told: Story) -> ev.AttemptEnded:
    told.ended()
    return next(event for event in told.events if isinstance(event, ev.AttemptEnded))


def cost(event: ev.AttemptEnded, told: Story) -> Decimal:
    assert event.billed_from is not None
    assert event.billed_until is not None
    lived_s = (event.billed_until - event.billed_from).total_seconds()
    assert event.cost_usd == accrued(Decimal("0.36"), lived_s) + event.fixed_usd
    return event.fixed_usd - Decimal("0.002")


@pytest.mark.parametrize(
    ("files", "size_bytes", "costs"),
    [(3, 1 << 20, Decimal("0.003977")), (0, 0, Decimal(0)), (10**9, 1 << 40, LOG.usd_max(600))],
)
def test_a_log_costs_what_the_machine_counted_and_never_more_than_it_can_have(
    files: int, size_bytes: int, costs: Decimal
) -> None:
    told = story().started().after(600)
    marker = told.marker(log_files=files, log_bytes=size_bytes)
    told.hear(FolderSeen(attempt=told.number, marker=marker))
    assert cost(ended(told), told) == costs


def test_a_log_that_nobody_counted_costs_the_most_it_can_have() -> None:
    told = story().started().after(600).marked()
    assert cost(ended(told), told) == LOG.usd_max(600)
    unmarked = story().started().after(600).stop()
    assert cost(ended(unmarked), unmarked) == LOG.usd_max(600)


@pytest.mark.parametrize(
    ("files", "size_bytes", "costs"),
    [(3, 1 << 20, Decimal("0.003977")), (3, None, LOG.usd_max(600)), (10**9, 1 << 40, LOG.usd_max(600))],
)
def test_a_log_of_a_machine_that_was_ended_before_it_counted_costs_what_lies_in_its_folder(
    files: int, size_bytes: int | None, costs: Decimal
) -> None:
    told = story().started().after(600).stop().accepted().proved().unmarked(files, size_bytes)
    assert cost(ended(told), told) == costs


@pytest.mark.parametrize(("lived_s", "paid_s"), [(0, 60), (59, 60), (61, 61)])
def test_a_machine_that_lived_shorter_than_its_provider_bills_costs_the_least_it_bills(
    lived_s: float, paid_s: float
) -> None:
    told = Story(plan((PRICED.model_copy(update={"least_s": 60, "log": None}),))).reserved().created(rate="0.36")
    began = told.attempt.intent.at if told.attempt.intent else told.now
    told.after(lived_s - (told.now - began).total_seconds()).stop().accepted().proved()
    assert cost_so_far(told.job, told.now) == accrued(Decimal("0.36"), paid_s) + Decimal("0.002")
    told.unmarked()
    assert ended(told).cost_usd == accrued(Decimal("0.36"), paid_s) + Decimal("0.002")


def test_a_machine_that_never_began_has_no_log() -> None:
    told = story().after(600).stop()
    assert cost(ended(told), told) == 0


def test_an_attempt_that_was_never_intended_costs_nothing() -> None:
    told = Story(plan((PRICED,))).reserved()
    assert replace(told.attempt, intent=None).accrued_usd(told.now) == 0
    assert replace(told.attempt, intent=None).billed_usd(told.now) == 0
