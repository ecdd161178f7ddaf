"""What error codes mean, by type: the table, and what it must never call clean."""

from __future__ import annotations

import pytest

from providers.aws.pace import FIRST_S, LONGEST_S, Pace
from providers.aws.policies import policy, policy_text, statement_that_allows
from providers.aws.problems import Problem, create_error, error_of
from providers.gate import Priority
from providers.interface import Denied, NoCapacity, NotFound, Refused, Unavailable


def said(code: str, status: int = 400, detail: str = "") -> Problem:
    return Problem("ec2", "RunInstances", status, code, detail, "req-1")


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("InsufficientInstanceCapacity", 500, NoCapacity),
        ("SpotMaxPriceTooLow", 400, NoCapacity),
        ("MaxSpotInstanceCountExceeded", 400, Denied),
        ("VcpuLimitExceeded", 400, Denied),
        ("Unsupported", 400, Denied),
        ("UnauthorizedOperation", 403, Refused),
        ("AuthFailure", 401, Refused),
        ("InvalidParameterValue", 400, Refused),
        ("OptInRequired", 401, Refused),
    ],
)
def test_a_clean_refusal_of_a_create(code: str, status: int, error: type) -> None:
    assert type(create_error(said(code, status), "x")) is error


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("", 400),
        ("", 503),
        ("InternalError", 500),
        ("Unavailable", 503),
        ("Unheard", 500),
        ("RequestLimitExceeded", 503),
        ("IdempotentParameterMismatch", 400),
        ("IdempotentInstanceTerminated", 400),
    ],
)
def test_what_may_have_made_something_or_may_be_asked_again_is_no_refusal(code: str, status: int) -> None:
    assert create_error(said(code, status), "x") is None


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("InvalidInstanceID.NotFound", 400, NotFound),
        ("RequestLimitExceeded", 503, Unavailable),
        ("InternalError", 500, Unavailable),
        ("", 404, Unavailable),
        ("UnauthorizedOperation", 403, Refused),
    ],
)
def test_a_failed_read(code: str, status: int, error: type) -> None:
    assert type(error_of(said(code, status), "x")) is error


def test_the_action_of_the_message_goes_before_the_operation() -> None:
    detail = "You are not authorized to perform: iam:PassRole on resource: arn:aws:iam::1:role/x"
    sentence = said("UnauthorizedOperation", 403, detail).sentence("x")
    assert "this needs iam:PassRole, which statements GiveTheRole of the daemon policy and " in sentence


def test_a_signature_that_does_not_hold_is_the_clocks_fault_only_where_the_clock_is_off() -> None:
    problem = said("SignatureDoesNotMatch", 403)
    assert "access key does not hold" in problem.sentence("x")
    assert "set the clock" in problem._replace(skewed=True).sentence("x")


def test_every_action_that_is_called_is_granted_by_a_statement() -> None:
    for action in (
        "sts:GetCallerIdentity",
        "ec2:RunInstances",
        "ec2:DescribeInstances",
        "ec2:TerminateInstances",
        "ec2:DescribeVolumes",
        "ec2:DeleteVolume",
        "ec2:DescribeSpotInstanceRequests",
        "ec2:CancelSpotInstanceRequests",
        "ec2:DescribeSpotPriceHistory",
        "ec2:DescribeInstanceTypes",
        "ec2:DescribeImages",
        "ec2:DescribeSubnets",
        "ec2:GetConsoleOutput",
        "ssm:GetParameter",
        "pricing:GetProducts",
        "logs:GetLogEvents",
    ):
        assert statement_that_allows(action).startswith("statement"), action
    assert "not part" in statement_that_allows("ec2:StopInstances")


def test_a_policy_is_filled_in_whole_or_refused() -> None:
    with pytest.raises(ValueError, match="region"):
        policy("daemon", {"account": "1"})
    with pytest.raises(KeyError):
        policy_text("../../etc/passwd")
    filled = policy("bucket", {"partition": "aws", "bucket": "mine"})
    assert filled["Statement"][0]["Resource"] == ["arn:aws:s3:::mine", "arn:aws:s3:::mine/*"]


def test_throttling_holds_back_its_own_priority_and_those_below_and_an_answer_lifts_it() -> None:
    pace = Pace()
    assert pace.throttled(Priority.PROOF, 0.0, 1.0) == FIRST_S
    assert [pace.wait_s(p, 1.0) for p in Priority] == [0.0, 0.0, FIRST_S, FIRST_S]
    assert pace.throttled(Priority.REST, 0.5, 1.1) == FIRST_S  # it was out before: no second lesson
    assert pace.throttled(Priority.LIST, 3.0, 4.0) == 2 * FIRST_S
    for turn in range(20):
        pace.throttled(Priority.TERMINATE, 10.0 + turn * 100, 10.5 + turn * 100)
    assert pace.throttled(Priority.LIST, 5000.0, 5001.0) == LONGEST_S
    assert pace.wait_s(Priority.TERMINATE, 5001.0) == 0.0
    pace.answered()
    assert pace.wait_s(Priority.REST, 5001.0) == 0.0


def test_an_account_that_is_not_signed_up_is_told_so_and_not_of_a_right() -> None:
    for code, words in (("OptInRequired", "not signed up"), ("Blocked", "blocked the account")):
        error = create_error(said(code, 401), "for an instance")
        assert isinstance(error, Refused)
        assert words in str(error)
        assert "policy" not in str(error)
        assert error.right == "", "no policy changes it"


def test_a_missing_right_is_a_field_of_its_error_and_of_no_other() -> None:
    for make in (create_error, error_of):
        denied = make(said("UnauthorizedOperation", 403), "x")
        assert isinstance(denied, Refused)
        assert denied.right == "ec2:RunInstances"
        other = make(said("InvalidParameterValue"), "x")
        assert isinstance(other, Refused)
        assert other.right == ""
