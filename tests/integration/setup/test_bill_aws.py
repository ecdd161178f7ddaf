"""The step of ``lastcall setup aws`` that has AWS's bill tell machines apart: when it asks, and what it says."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from lastcall.owed import OwedNotes
from tests.emulators.aws.billing import Kind
from tests.emulators.aws.settings import ACCOUNT
from tests.integration.setup.aws_kit import DRY, AwsBench, setup_rights
from tests.integration.setup.kit import Someone, states, step
from tests.integration.setup.test_doctor_aws import doctor

TAG = "lastcall:name"


def asked(aws: AwsBench) -> list[str]:
    return [one.call for one in aws.core.asked if one.call.startswith("ce.")]


def spent(aws: AwsBench) -> Decimal:
    lines = [line for line in aws.core.bills() if line.kind is Kind.QUESTION]
    return sum((line.amount(aws.seconds()) for line in lines), Decimal(0))


def owed(aws: AwsBench) -> Decimal:
    """Return what the daemon will book of it."""
    return sum((note.owed.amount_usd for note in OwedNotes(aws.root / "s").all()), Decimal(0))


def is_active(aws: AwsBench) -> bool:
    return aws.core.cost_tags.active_since(ACCOUNT, TAG) is not None


async def test_a_first_run_asks_nothing_that_costs_and_says_when_to_run_it_again(aws: AwsBench) -> None:
    report = await aws.set_up()
    found = step(report, "bill")
    assert (found.state, "a day after the first machine" in found.next) == ("skipped", True)
    assert asked(aws) == []


async def test_a_dry_run_says_so_and_asks_nothing(aws: AwsBench) -> None:
    await aws.set_up()
    await aws.rented()
    report = await aws.set_up(wishes=DRY)
    assert (step(report, "bill").state, asked(aws), is_active(aws)) == ("planned", [], False)
    assert step(report, "bill").detail.endswith("$0.020 at most")


async def test_a_tag_that_no_machine_had_is_not_known_yet(aws: AwsBench) -> None:
    await aws.set_up()
    report = await aws.set_up()
    found = step(report, "bill")
    assert (found.state, "not known yet" in found.detail) == ("skipped", True)
    assert "a day after the first machine" in found.next
    assert (report.exit_code, asked(aws)) == (0, ["ce.ListCostAllocationTags"])
    assert owed(aws) == Decimal("0.01")
    assert "bill_split_for" not in aws.written()


async def test_a_day_after_the_first_machine_the_bill_is_split_and_nobody_asks_again(aws: AwsBench) -> None:
    await aws.set_up()
    await aws.rented()
    person = Someone()
    report = await aws.set_up(person)
    assert states(report)["bill"] == "done"
    assert [one for one in person.questions if "$0.020 at most" in one]
    assert (is_active(aws), spent(aws), owed(aws)) == (True, Decimal("0.02"), Decimal("0.02"))
    assert aws.written()["bill_split_for"] == ACCOUNT
    again = Someone()
    assert states(await aws.set_up(again))["bill"] == "unchanged"
    assert (again.questions, spent(aws)) == ([], Decimal("0.02"))


async def test_a_tag_that_somebody_activated_is_found_active(aws: AwsBench) -> None:
    await aws.set_up()
    await aws.rented()
    wanted = {"CostAllocationTagsStatus": [{"TagKey": TAG, "Status": "Active"}]}
    aws.core.cost_tags.answer(ACCOUNT, "UpdateCostAllocationTagsStatus", wanted, aws.seconds())
    assert states(await aws.set_up())["bill"] == "unchanged"
    assert aws.written()["bill_split_for"] == ACCOUNT


async def test_who_does_not_agree_pays_nothing(aws: AwsBench) -> None:
    await aws.set_up()
    await aws.rented()
    report = await aws.set_up(Someone(agrees=False))
    assert (step(report, "bill").state, report.exit_code) == ("skipped", 0)
    assert (asked(aws), owed(aws)) == ([], Decimal(0))


async def test_what_cannot_be_noted_is_not_asked(aws: AwsBench) -> None:
    """No money is spent that no book will know of."""
    await aws.set_up()
    await aws.rented()
    (aws.root / "s").write_text("not a folder")
    assert step(await aws.set_up(), "bill").state == "skipped"
    assert asked(aws) == []


async def test_another_accounts_bill_is_looked_at_anew(aws: AwsBench) -> None:
    await aws.set_up()
    await aws.set_up(bill_split_for="210987654321")
    assert asked(aws) == ["ce.ListCostAllocationTags"]


async def test_without_the_right_the_rest_is_made_and_the_statement_is_named(tmp_path: Path) -> None:
    aws = AwsBench(tmp_path, setup_rights(without="SplitTheBill"))
    await aws.set_up()
    report = await aws.set_up()
    found = step(report, "bill")
    assert (found.state, report.exit_code) == ("skipped", 0)
    assert "ce:ListCostAllocationTags, which statement SplitTheBill of the setup policy grants" in found.detail


async def test_a_member_of_an_organization_is_told_who_can(tmp_path: Path) -> None:
    aws = AwsBench(tmp_path, linked=(ACCOUNT,))
    await aws.set_up()
    found = step(await aws.set_up(), "bill")
    assert (found.state, "management account" in found.next) == ("skipped", True)
    assert spent(aws) == 0


@pytest.mark.parametrize("fault", ["503", "hang"])
async def test_a_silent_cost_explorer_stops_no_setup(aws: AwsBench, fault: str) -> None:
    await aws.set_up()
    aws.arm("outage", fault, on=("ce.*",))
    report = await aws.set_up()
    assert (step(report, "bill").state, step(report, "bill").next, report.exit_code) == ("skipped", "run it again", 0)


async def test_doctor_says_what_setup_saw_and_asks_nothing(aws: AwsBench) -> None:
    await aws.set_up()
    [before] = [one for one in await doctor(aws) if one.name == "bill"]
    assert (before.verdict, "does not tell machines apart" in before.detail) == ("ok", True)
    [after] = [one for one in await doctor(aws, LASTCALL_AWS_BILL_SPLIT_FOR=ACCOUNT) if one.name == "bill"]
    assert after.detail == "AWS's bill tells machines apart"
    assert asked(aws) == []
