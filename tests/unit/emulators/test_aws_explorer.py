"""Cost Explorer: a day late, by day and tag, strict, and a cent a request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.emulators.aws.billing import Kind
from tests.emulators.aws.settings import ACCOUNT, MAIN_KEY, MAIN_SECRET, Account, Key, Settings
from tests.unit.emulators.aws_kit import T0, Client, Refused

DAY_S = 86_400
TARGET = "AWSInsightsIndexService.GetCostAndUsage"
FIRST = datetime.fromtimestamp(T0, UTC).date()
NAME = {"Type": "TAG", "Key": "lastcall:name"}
SERVICE = {"Type": "DIMENSION", "Key": "SERVICE"}


def day(number: int) -> str:
    return datetime.fromtimestamp(T0 + number * DAY_S, UTC).date().isoformat()


def question(**changes: Any) -> dict[str, Any]:
    asked = {
        "TimePeriod": {"Start": day(0), "End": day(1)},
        "Granularity": "DAILY",
        "Metrics": ["UnblendedCost"],
        "GroupBy": [NAME, SERVICE],
        **changes,
    }
    return {name: value for name, value in asked.items() if value is not None}


def ask(aws: Client, document: Mapping[str, Any]) -> Any:
    answer = aws.json_call("ce", TARGET, dict(document))
    said = json.loads(answer.body)
    if answer.status != 200:
        raise Refused(said["__type"], answer.status, said["message"])
    return said


def groups(said: Any) -> dict[tuple[str, ...], Decimal]:
    return {
        tuple(group["Keys"]): Decimal(group["Metrics"]["UnblendedCost"]["Amount"])
        for one in said["ResultsByTime"]
        for group in one["Groups"]
    }


def spent(aws: Client, *kinds: Kind) -> Decimal:
    return sum((line.amount(aws.now) for line in aws.core.bills() if line.kind in kinds), Decimal(0))


@pytest.fixture
def aws() -> Client:
    found = Client()
    found.running("lc1")
    found.wait(3600)
    found.call("TerminateInstances", InstanceIds=[life.instance_id for life in found.core.history()])
    found.wait(60)
    return found


def test_what_was_used_shows_a_day_later_and_not_before(aws: Client) -> None:
    assert groups(ask(aws, question())) == {}
    aws.wait(2 * DAY_S)
    shown = groups(ask(aws, question()))
    compute, disk = (
        ("lastcall:name$lc1", "Amazon Elastic Compute Cloud - Compute"),
        ("lastcall:name$lc1", "EC2 - Other"),
    )
    assert shown[compute] == pytest.approx(spent(aws, Kind.ON_DEMAND))
    assert shown[disk] == pytest.approx(spent(aws, Kind.VOLUME))
    assert shown["lastcall:name$", "Amazon Virtual Private Cloud"] == pytest.approx(spent(aws, Kind.ADDRESS))


def test_a_tag_that_is_not_active_is_in_no_group_of_its_own() -> None:
    aws = Client(Settings(cost_tags=()))
    aws.running("lc1")
    aws.wait(2 * DAY_S)
    assert {keys[0] for keys in groups(ask(aws, question()))} == {"lastcall:name$"}


def test_what_runs_over_midnight_is_of_both_days() -> None:
    aws = Client()
    aws.running("lc1")
    aws.wait(4 * DAY_S)
    said = ask(aws, question(TimePeriod={"Start": day(0), "End": day(3)}, GroupBy=[NAME]))
    amounts = [Decimal(one["Groups"][-1]["Metrics"]["UnblendedCost"]["Amount"]) for one in said["ResultsByTime"][:2]]
    assert 0 < amounts[0] < amounts[1]
    assert amounts[1] == pytest.approx(Decimal("0.096") * 24 + spent(aws, Kind.VOLUME) / 4, rel=Decimal("0.1"))


def test_every_answered_request_costs_a_cent_and_a_refused_one_nothing(aws: Client) -> None:
    with pytest.raises(Refused):
        ask(aws, question(Metrics=["Everything"]))
    assert spent(aws, Kind.QUESTION) == 0
    ask(aws, question())
    ask(aws, question(GroupBy=None))
    assert spent(aws, Kind.QUESTION) == Decimal("0.02")


def test_pages_hold_together_and_each_costs() -> None:
    aws = Client(Settings(bill_rows=2))
    for number in range(3):
        aws.running(f"lc{number}")
    aws.wait(2 * DAY_S)
    whole = question(TimePeriod={"Start": day(0), "End": day(2)})
    found: dict[tuple[str, tuple[str, ...]], Decimal] = {}
    said = ask(aws, whole)
    pages = 1
    while True:
        for one in said["ResultsByTime"]:
            for group in one["Groups"]:
                key = (one["TimePeriod"]["Start"], tuple(group["Keys"]))
                assert key not in found
                found[key] = Decimal(group["Metrics"]["UnblendedCost"]["Amount"])
        if "NextPageToken" not in said:
            break
        said = ask(aws, {**whole, "NextPageToken": said["NextPageToken"]})
        pages += 1
    assert pages > 3
    assert spent(aws, Kind.QUESTION) == Decimal(pages) / 100
    assert len([key for key in found if key[1][0] != "lastcall:name$"]) >= 6


def test_a_token_of_another_question_or_of_nobody_is_refused() -> None:
    aws = Client(Settings(bill_rows=1))
    aws.running("lc1")
    aws.wait(2 * DAY_S)
    token = ask(aws, question())["NextPageToken"]
    with pytest.raises(Refused, match="RequestChangedException"):
        ask(aws, question(GroupBy=[NAME], NextPageToken=token))
    with pytest.raises(Refused, match="InvalidNextTokenException"):
        ask(aws, question(NextPageToken="nonsense"))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Granularity": "WEEKLY"}, "ValidationException"),
        ({"Granularity": None}, "ValidationException"),
        ({"Metrics": []}, "ValidationException"),
        ({"Metrics": None}, "ValidationException"),
        ({"TimePeriod": {"Start": "2026-13-01", "End": "2026-13-02"}}, "ValidationException"),
        ({"TimePeriod": {"Start": day(1), "End": day(1)}}, "ValidationException"),
        ({"TimePeriod": {"Start": day(0), "End": day(90)}}, "ValidationException"),
        ({"TimePeriod": {"Start": "2020-01-01", "End": "2020-01-02"}}, "DataUnavailableException"),
        ({"GroupBy": [NAME, NAME]}, "ValidationException"),
        ({"GroupBy": [NAME, SERVICE, {"Type": "TAG", "Key": "x"}]}, "ValidationException"),
        ({"GroupBy": [{"Type": "DIMENSION", "Key": "AZ"}]}, "ValidationException"),
        ({"Filter": {"Tags": {"Key": "a", "Values": ["b"]}}}, "ValidationException"),
        ({"Colour": "blue"}, "SerializationException"),
    ],
)
def test_a_question_that_is_not_as_the_model_has_it_is_refused(aws: Client, changes: Any, code: str) -> None:
    with pytest.raises(Refused, match=code):
        ask(aws, question(**changes))


def test_a_month_is_estimated_until_some_days_after_its_end(aws: Client) -> None:
    assert ask(aws, question())["ResultsByTime"][0]["Estimated"] is True
    aws.wait(45 * DAY_S)
    assert ask(aws, question())["ResultsByTime"][0]["Estimated"] is False


def test_it_takes_a_right_of_its_own() -> None:
    policy = {"Statement": [{"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}]}
    aws = Client(Settings(accounts={ACCOUNT: Account({MAIN_KEY: Key(MAIN_SECRET, policy=policy)})}))
    with pytest.raises(Refused, match=r"AccessDenied.*ce:GetCostAndUsage"):
        ask(aws, question())
    assert spent(aws, Kind.QUESTION) == 0


def tags(aws: Client, action: str, **document: Any) -> Any:
    answer = aws.json_call("ce", f"AWSInsightsIndexService.{action}", document)
    said = json.loads(answer.body)
    if answer.status != 200:
        raise Refused(said["__type"], answer.status, said["message"])
    return said


def activate(aws: Client, key: str = "lastcall:name", status: str = "Active") -> list[str]:
    said = tags(aws, "UpdateCostAllocationTagsStatus", CostAllocationTagsStatus=[{"TagKey": key, "Status": status}])
    return [error["Code"] for error in said["Errors"]]


def test_a_tag_is_known_a_day_after_something_that_bills_had_it() -> None:
    aws = Client(Settings(cost_tags=()))
    aws.running("lc1")
    assert tags(aws, "ListCostAllocationTags")["CostAllocationTags"] == []
    assert activate(aws) == ["TagKeysNotFoundException"]
    aws.wait(DAY_S)
    [row] = tags(aws, "ListCostAllocationTags", TagKeys=["lastcall:name", "other"])["CostAllocationTags"]
    assert (row["TagKey"], row["Status"]) == ("lastcall:name", "Inactive")
    assert activate(aws) == activate(aws) == []
    assert tags(aws, "ListCostAllocationTags", Status="Inactive")["CostAllocationTags"] == []
    assert activate(aws, status="Inactive") == []
    assert [row["Status"] for row in tags(aws, "ListCostAllocationTags")["CostAllocationTags"]] == ["Inactive"]
    assert spent(aws, Kind.QUESTION) == Decimal("0.08")


def test_nothing_is_told_apart_in_hindsight() -> None:
    aws = Client(Settings(cost_tags=()))
    aws.running("lc1")
    aws.wait(1.5 * DAY_S)
    activate(aws)
    since = aws.now
    aws.wait(3 * DAY_S)
    shown = groups_of_all_days(ask(aws, question(TimePeriod={"Start": day(0), "End": day(5)}, GroupBy=[NAME])))
    ours = [line for line in aws.core.bills() if line.tags]
    named = sum(line.between(since, aws.now - DAY_S) for line in ours)
    assert named > 0
    assert shown["lastcall:name$lc1"] == pytest.approx(named, rel=Decimal("1e-6"))
    assert shown["lastcall:name$"] > sum(line.between(0, since) for line in ours) > 0


def groups_of_all_days(said: Any) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for one in said["ResultsByTime"]:
        for group in one["Groups"]:
            amount = Decimal(group["Metrics"]["UnblendedCost"]["Amount"])
            found[group["Keys"][0]] = found.get(group["Keys"][0], Decimal(0)) + amount
    return found


def test_a_question_for_tags_is_held_to_the_model() -> None:
    with pytest.raises(Refused, match="ValidationException"):
        tags(Client(), "ListCostAllocationTags", TagKeys="x")


def test_members_of_an_organization_have_no_tags() -> None:
    aws = Client(Settings(linked_accounts=(ACCOUNT,)))
    with pytest.raises(Refused, match=r"AccessDeniedException.*Linked account"):
        tags(aws, "ListCostAllocationTags")
    with pytest.raises(Refused, match="Failed to update"):
        activate(aws)
    assert spent(aws, Kind.QUESTION) == 0
