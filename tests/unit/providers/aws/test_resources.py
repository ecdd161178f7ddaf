"""What an account shall hold, said and compared: names, lifecycle rules, policies as services give them back."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from providers.aws.policies import RIGHTS, joined, policy_text, same
from providers.aws.resources.lifecycle import amiss, merged, rules_of_data
from providers.aws.resources.resource import NOT_THERE, Look, Resource, mark_of, settle
from providers.aws.resources.roles import read_document
from providers.aws.resources.wanted import MARK, Wanted
from providers.interface import Conflict, Refused, Unavailable
from tests.support.providers.clocks import ManualClock

TOLD: dict[str, Any] = {
    "account": "123456789012",
    "region": "eu-central-1",
    "bucket": "lastcall-ana",
    "instance_profile": "lastcall-machine",
    "log_group": "/lastcall/jobs",
    "log_retention_days": 30,
    "datasets": "datasets",
    "models": "models",
    "predictions": "predictions",
    "jobs": "jobs",
    "datasets_expire_days": 90,
    "models_archive_days": 30,
    "models_expire_days": 180,
    "old_versions_days": 7,
    "access_log_days": 90,
}


def told(**changes: object) -> Wanted:
    return Wanted.model_validate({**TOLD, **changes})


def test_a_second_lastcall_has_other_names_for_everything() -> None:
    one, two = told(), told(instance_profile="team-machine", bucket="lastcall-team")
    names = [(w.daemon_role, w.instance_profile, w.function_role, w.alarm_name, w.log_bucket) for w in (one, two)]
    assert not set(names[0]) & set(names[1])
    assert one.daemon_role == "lastcall-daemon"
    assert told(instance_profile="-machine").daemon_role == "lastcall-daemon"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bucket": "b" * 59}, "58 characters"),
        ({"models_expire_days": 30}, "aws.models_archive_days"),
        ({"models_expire_days": 10}, "aws.models_archive_days"),
    ],
)
def test_what_aws_would_not_take_is_refused_before(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=words):
        told(**changes).check()
    told(bucket="b" * 58).check()


def test_the_key_is_in_the_policies_only_where_there_is_one() -> None:
    arn = "arn:aws:kms:eu-central-1:123456789012:key/k"
    for part in ("daemon", "instance", "function"):
        assert "kms:" not in json.dumps(told().policies()[part])
        assert arn in json.dumps(told(kms_key=arn).policies()[part])
    assert "kms:CreateGrant" not in json.dumps(told(kms_key=arn).policies()["instance"])


def test_every_statement_has_a_name_of_its_own() -> None:
    for part in RIGHTS:
        names = [one["Sid"] for one in json.loads(policy_text(part))["Statement"]]
        assert len(names) == len(set(names)), part
        assert all(name.isalnum() for name in names), part


def test_nobody_gets_all_rights_of_a_service() -> None:
    for part in RIGHTS:
        for statement in json.loads(policy_text(part))["Statement"]:
            actions = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
            assert not [action for action in actions if "*" in action], (part, statement["Sid"])


@pytest.mark.parametrize(
    "action",
    [
        "sts:GetCallerIdentity",
        "pricing:GetProducts",
        "ce:GetCostAndUsage",
        "servicequotas:GetServiceQuota",
        "ec2:DescribeInstances",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeVpcs",
    ],
)
def test_what_cannot_be_granted_for_single_resources_is_granted_for_all(action: str) -> None:
    """An ARN would grant nothing at all ("Service Authorization Reference", no resource types)."""
    for part in RIGHTS:
        for statement in json.loads(policy_text(part))["Statement"]:
            if action in statement["Action"]:
                assert statement["Resource"] == "*", (part, statement["Sid"])


def test_a_role_fits_into_what_iam_takes() -> None:
    """An inline policy of a role has 10,240 characters at most, spaces not counted ("IAM quotas")."""
    long = told(bucket="b" * 58, instance_profile="p" * 50, log_group="/" + "g" * 100, kms_key="arn:" + "k" * 70)
    for part in ("daemon", "instance", "function", "setup"):
        assert len(json.dumps(long.policies()[part], separators=(",", ":"))) < 10_240, part


# ------------------------------------------------------------------------------------------------ comparing


def test_a_policy_is_the_same_whatever_order_its_lists_have() -> None:
    one = {"Statement": [{"Sid": "A", "Action": ["b", "a"]}, {"Sid": "B", "Action": ["c"]}]}
    other = {"Statement": [{"Sid": "B", "Action": "c"}, {"Sid": "A", "Action": ["a", "b"]}]}
    assert same(one, other)
    assert not same(one, {"Statement": [{"Sid": "A", "Action": ["b", "a"]}]})
    assert not same(one, None)
    assert joined({"Version": "1", "Statement": [1]}, {"Statement": [2]}) == {"Version": "1", "Statement": [1, 2]}


def test_iam_gives_documents_back_percent_encoded() -> None:
    assert read_document("%7B%22a%22%3A1%7D") == {"a": 1}
    assert read_document({"a": 1}) == {"a": 1}
    assert read_document("no json") is None
    assert read_document("[1]") is None
    assert read_document(None) is None


def test_the_mark_is_read_from_lists_and_mappings() -> None:
    assert mark_of([{"Key": MARK, "Value": "b"}]) == mark_of({MARK: "b"}) == "b"
    assert mark_of([{"Key": "other", "Value": "b"}]) is None
    assert mark_of(None) is None


def test_rules_that_mean_the_same_differ_in_nothing() -> None:
    """S3 gives an empty prefix back as none, and days of markers as absent."""
    wanted = rules_of_data(told())
    back: list[dict[str, Any]] = json.loads(json.dumps(wanted))
    back[3]["Filter"] = {}
    back[0]["Prefix"] = back[0].pop("Filter")["Prefix"]
    assert amiss(reversed(back), wanted) == []


def test_rules_that_are_missing_changed_or_no_longer_wanted_are_named() -> None:
    wanted = rules_of_data(told())
    there = [*rules_of_data(told(datasets_expire_days=1))[:3], {"ID": "lastcall-old"}, {"ID": "mine"}]
    assert amiss(there, wanted) == ["lastcall-all", "lastcall-datasets", "lastcall-old"]
    assert next(rule["ID"] for rule in merged(there, wanted)) == "mine"
    assert amiss(merged(there, wanted), wanted) == []


def test_models_stay_readable_in_the_archive() -> None:
    """From the other Glacier classes an object must be restored before it can be read."""
    [models] = [rule for rule in rules_of_data(told()) if rule["ID"] == "lastcall-models"]
    assert models["Transitions"] == [{"Days": 30, "StorageClass": "GLACIER_IR"}]


class Late(Resource):
    """Something that shows only some seconds after it was made, as IAM's things do."""

    name = title = "a late thing"

    def __init__(self, clock: ManualClock, lag_s: float) -> None:
        client: Any = SimpleNamespace(clock=clock)
        super().__init__(client, told())
        self._clock = clock
        self._lag_s = lag_s
        self._made_at: float | None = None

    async def look(self) -> Look:
        made = self._made_at
        return NOT_THERE if made is None or self._clock.monotonic() < made + self._lag_s else Look(there=True)

    async def create(self) -> None:
        if self._made_at is not None:
            raise Conflict("it is there")
        self._made_at = self._clock.monotonic()

    async def remove(self) -> None:
        self._made_at = None


async def test_what_shows_late_is_waited_for_and_made_once_and_what_never_shows_is_given_up() -> None:
    clock = ManualClock()
    late = Late(clock, lag_s=9.0)
    assert (await clock.drive(settle(late, NOT_THERE))).there
    with pytest.raises(Unavailable, match="still not as wanted"):
        await clock.drive(settle(Late(clock, lag_s=600.0), NOT_THERE))
