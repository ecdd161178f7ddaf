"""Every statement of the daemon, instance and function policies: what it allows, and what next to it is refused.

Rights are judged in front of moto by action, resource and condition (``tests/emulators/aws/rights.py``). What S3 can
be judged by action and resource alone is also put to moto's own judge, which is not ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from moto import settings as moto_settings
from moto.iam.models import iam_backends
from moto.logs.models import logs_backends
from moto.s3.models import s3_backends

from providers.aws.client import Call, Client
from providers.aws.policies import policy_text
from providers.aws.problems import Class
from providers.aws.settings import AwsSettings
from providers.transport import HttpRequest
from tests.emulators.aws.moto_side import TRUST
from tests.emulators.aws.policy import allowed
from tests.emulators.aws.settings import ACCOUNT
from tests.emulators.aws.state import SpotRequest
from tests.integration.setup.aws_kit import ALL, BUCKET, KEYS, REGION, AwsBench, rights_of

ELSEWHERE = "us-east-1"
OTHER_BUCKET = "somebody-elses"
GROUP = "/lastcall/jobs"
FUNCTION_GROUP = "/aws/lambda/lastcall-function"
BUDGET = {"AccountId": ACCOUNT, "BudgetName": f"{BUCKET}-alarm"}


class Try(NamedTuple):
    """One call."""

    service: str
    operation: str
    parameters: Mapping[str, Any] = {}
    region: str = REGION


class Row(NamedTuple):
    """A statement, a call that it allows, and one that nothing of the policy allows."""

    part: str
    sid: str
    allowed: Try
    refused: Try

    @property
    def judged_by_moto(self) -> bool:
        """Say whether moto has both calls, and tells them apart: by the action, in S3 by the resource too."""
        services, by_action = {self.allowed.service, self.refused.service}, self.allowed[:2] != self.refused[:2]
        if not services <= {"s3", "sts", "iam"} or self.sid == "TellAbsentFromForbidden":
            return False
        return by_action or services == {"s3"}


def run(name: str = "lc1-x", profile: str = "lastcall-machine", region: str = REGION) -> Try:
    tags = [{"Key": "lastcall:name", "Value": name}]
    kinds = ("instance", "volume", "network-interface")
    parameters = {
        "ImageId": IMAGE[region],
        "InstanceType": "m5.large",
        "MinCount": 1,
        "MaxCount": 1,
        "IamInstanceProfile": {"Name": profile},
        "TagSpecifications": [{"ResourceType": kind, "Tags": tags} for kind in kinds],
        "DryRun": True,
    }
    return Try("ec2", "RunInstances", parameters, region)


def s3(operation: str, key: str = "", bucket: str = BUCKET, **more: object) -> Try:
    named = {"Bucket": bucket, **({"Key": key} if key else {}), **more}
    return Try("s3", operation, {**named, **({"Body": b"x"} if operation == "PutObject" else {})})


def logs(operation: str, group: str, **more: object) -> Try:
    return Try("logs", operation, {"logGroupName": group, **more})


def parameter(name: str) -> Try:
    return Try("ssm", "GetParameter", {"Name": name})


def arn(group: str) -> dict[str, str]:
    return {"resourceArn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"}


IMAGE = {REGION: "ami-a1202300000000000", ELSEWHERE: "ami-a1202300000000000"}
QUOTA = {"ServiceCode": "ec2", "QuotaCode": "L-1216C47A"}
SPAN = {"Start": "2026-11-01", "End": "2026-11-02"}
COSTS = {"TimePeriod": SPAN, "Granularity": "DAILY", "Metrics": ["UnblendedCost"]}
PRICES = {"ServiceCode": "AmazonEC2", "Filters": []}
NEWEST = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"

UNREFUSABLE = {"WhoAmI": "STS answers it to every key, whatever policies say"}
ROWS = [
    Row("daemon", "WhoAmI", Try("sts", "GetCallerIdentity"), Try("iam", "ListUsers")),
    Row(
        "daemon",
        "Look",
        Try("ec2", "DescribeInstances"),
        Try("ec2", "DescribeInstances", region=ELSEWHERE),
    ),
    Row("daemon", "LaunchWhatIsTagged", run(), run(name="mine")),
    Row("daemon", "LaunchIn", run(), run(region=ELSEWHERE)),
    Row("daemon", "TagAtLaunch", run(), Try("ec2", "CreateTags", {"Resources": ["OURS"], "Tags": [{"Key": "a"}]})),
    Row(
        "daemon",
        "EndWhatIsOurs",
        Try("ec2", "TerminateInstances", {"InstanceIds": ["OURS"]}),
        Try("ec2", "TerminateInstances", {"InstanceIds": ["THEIRS"]}),
    ),
    Row(
        "daemon",
        "CancelWhatIsOurs",
        Try("ec2", "CancelSpotInstanceRequests", {"SpotInstanceRequestIds": ["OUR_REQUEST"]}),
        Try("ec2", "CancelSpotInstanceRequests", {"SpotInstanceRequestIds": ["THEIR_REQUEST"]}),
    ),
    Row("daemon", "GiveTheRole", run(), run(profile="another")),
    Row("daemon", "NewestImage", parameter(NEWEST), parameter("/mine/secret")),
    Row("daemon", "Prices", Try("pricing", "GetProducts", PRICES), Try("pricing", "DescribeServices")),
    Row("daemon", "BillOnRequest", Try("ce", "GetCostAndUsage", COSTS), Try("ce", "GetTags", {"TimePeriod": SPAN})),
    Row(
        "daemon",
        "ReadLogs",
        logs("GetLogEvents", GROUP, logStreamName="s"),
        logs("GetLogEvents", "/other", logStreamName="s"),
    ),
    Row("daemon", "Objects", s3("PutObject", "a"), s3("PutObject", "a", OTHER_BUCKET)),
    Row("daemon", "Bucket", s3("ListMultipartUploads"), s3("ListMultipartUploads", bucket=OTHER_BUCKET)),
    Row("daemon", "CheckTheBuckets", s3("GetBucketVersioning"), s3("GetBucketVersioning", bucket=OTHER_BUCKET)),
    Row(
        "daemon",
        "CheckTheRoles",
        Try("iam", "GetRole", {"RoleName": "lastcall-machine"}),
        Try("iam", "GetRole", {"RoleName": "another"}),
    ),
    Row(
        "daemon",
        "CheckTheInstanceProfile",
        Try("iam", "GetInstanceProfile", {"InstanceProfileName": "lastcall-machine"}),
        Try("iam", "GetInstanceProfile", {"InstanceProfileName": "another"}),
    ),
    Row(
        "daemon",
        "CheckTheSecurityGroup",
        Try("ec2", "DescribeSecurityGroups"),
        Try("ec2", "DescribeSecurityGroups", region=ELSEWHERE),
    ),
    Row("daemon", "CheckTheLogGroup", Try("logs", "DescribeLogGroups"), logs("CreateLogGroup", "/other")),
    Row(
        "daemon",
        "CheckTheLogGroupsMark",
        Try("logs", "ListTagsForResource", arn(GROUP)),
        Try("logs", "ListTagsForResource", arn("/other")),
    ),
    Row("daemon", "CheckTheAlarm", Try("budgets", "DescribeBudget", BUDGET), Try("budgets", "DeleteBudget", BUDGET)),
    Row(
        "daemon",
        "CheckQuotas",
        Try("service-quotas", "GetServiceQuota", QUOTA),
        Try("service-quotas", "ListServiceQuotas", {"ServiceCode": "ec2"}),
    ),
    Row("instance", "ReadWhatJobsNeed", s3("GetObject", "datasets/a"), s3("GetObject", "models/a")),
    Row("instance", "WriteJobFolders", s3("PutObject", "jobs/a"), s3("PutObject", "datasets/a")),
    Row(
        "instance",
        "TellAbsentFromForbidden",
        s3("ListObjectsV2", Prefix="jobs/user_a"),
        s3("ListObjectsV2", Prefix="models/"),
    ),
    Row(
        "instance",
        "WriteLogs",
        logs("CreateLogStream", GROUP, logStreamName="new"),
        logs("CreateLogStream", "/other", logStreamName="new"),
    ),
    Row("function", "ReadModelsAndData", s3("GetObject", "models/a"), s3("GetObject", "jobs/a")),
    Row("function", "WritePredictions", s3("PutObject", "predictions/a"), s3("PutObject", "models/a")),
    Row(
        "function",
        "WriteLogs",
        logs("CreateLogStream", FUNCTION_GROUP, logStreamName="new"),
        logs("CreateLogStream", GROUP, logStreamName="new"),
    ),
]


class House:
    """A bench whose account has something of everything, and a key with one policy."""

    def __init__(self, root: Path, part: str) -> None:
        self.bench = AwsBench(root, rights_of(part))
        self.ids: dict[str, str] = {}
        for bucket in (BUCKET, OTHER_BUCKET):
            s3_backends[ACCOUNT]["aws"].create_bucket(bucket, REGION)
            for prefix in ("datasets", "models", "jobs", "predictions"):
                s3_backends[ACCOUNT]["aws"].put_object(bucket, f"{prefix}/a", b"x")
        for group in (GROUP, FUNCTION_GROUP, "/other"):
            logs_backends[ACCOUNT][REGION].create_log_group(group, {})
            logs_backends[ACCOUNT][REGION].create_log_stream(group, "s")
        self._roles()
        self._machines()
        budget = {"BudgetName": BUDGET["BudgetName"], "BudgetLimit": {"Amount": "5", "Unit": "USD"}}
        document = {**BUDGET, "Budget": {**budget, "TimeUnit": "MONTHLY", "BudgetType": "COST"}}
        self.bench.core.budgets.answer(ACCOUNT, "CreateBudget", document)

    def _roles(self) -> None:
        iam = iam_backends[ACCOUNT]["aws"]
        for name in ("lastcall-machine", "another"):
            iam.create_role(name, TRUST, "/", None, "", [], None)
            iam.create_instance_profile(name, "/", [name])

    def _machines(self) -> None:
        core, now = self.bench.core, self.bench.seconds()
        ours, theirs = core.intrude(ACCOUNT, REGION, 2, now)
        ours.tags["lastcall:name"] = "lc1-ours"
        self.ids = {"OURS": ours.id, "THEIRS": theirs.id}
        for number, (word, tags) in enumerate((("OUR_REQUEST", dict(ours.tags)), ("THEIR_REQUEST", {}))):
            request = SpotRequest(f"sir-{number:08x}", ACCOUNT, REGION, Decimal(1), False, now, theirs.id, tags=tags)
            core.hosts.requests[request.id] = request
            self.ids[word] = request.id

    async def status(self, one: Try, *, by_moto: bool = False) -> tuple[int, Class | None]:
        """Make a call and return its status, and what is wrong with it."""
        told = AwsSettings(region=one.region, bucket=BUCKET, keys=KEYS, endpoints=ALL)
        client = Client(self.bench.transport, self.bench.clock, told)
        parameters = json.loads(json.dumps(dict(one.parameters), default=lambda raw: raw.decode()))
        parameters = _filled(parameters, self.ids)
        if isinstance(one.parameters.get("Body"), bytes):
            parameters["Body"] = one.parameters["Body"]
        call = Call(one.service, one.operation, parameters)
        if by_moto:
            return await self._by_moto(await client._signed(call))
        answer = await client.exchange(call)
        return answer.problem.status, answer.problem.kind

    async def _by_moto(self, request: HttpRequest) -> tuple[int, Class | None]:
        wire = await self.bench.transport._on_the_wire(request)
        status = self.bench.moto.handle(wire).status
        return status, Class.RIGHTS if status == 403 else None


def _filled(value: Any, ids: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(inner, ids) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, ids) for inner in value]
    return ids.get(value, value) if isinstance(value, str) else value


@pytest.mark.parametrize("part", ["daemon", "instance", "function"])
async def test_every_statement_allows_what_it_is_for_and_no_more(tmp_path: Path, part: str) -> None:
    house = House(tmp_path, part)
    for row in (row for row in ROWS if row.part == part):
        status, _ = await house.status(row.allowed)
        assert status < 400 or status == 412, (row.sid, status)  # 412: it would have launched
        _, kind = await house.status(row.refused)
        assert kind is Class.RIGHTS, (row.sid, kind)


@pytest.mark.parametrize("part", ["daemon", "instance", "function"])
async def test_without_a_statement_its_call_is_refused(tmp_path: Path, part: str) -> None:
    house = House(tmp_path, part)
    for row in (row for row in ROWS if row.part == part and row.sid not in UNREFUSABLE):
        house.bench.again(rights_of(part, without=row.sid))
        _, kind = await house.status(row.allowed)
        assert kind is Class.RIGHTS, row.sid


async def test_an_instance_reads_what_an_earlier_attempt_kept_keeps_its_own_and_deletes_nothing(tmp_path: Path) -> None:
    house, job = House(tmp_path, "instance"), "jobs/user_a/job_b"
    for key in (f"{job}/1/checkpoint/1", f"{job}/2/checkpoint.json"):
        for call in (s3("PutObject", key), s3("GetObject", key), s3("CreateMultipartUpload", key)):
            assert (await house.status(call))[0] < 400, call
    assert (await house.status(s3("GetObject", f"{job}/0/checkpoint.json")))[0] == 404, "absent, and not forbidden"
    assert (await house.status(s3("DeleteObject", f"{job}/2/checkpoint/1")))[1] is Class.RIGHTS


def test_every_statement_has_a_row() -> None:
    for part in ("daemon", "instance", "function"):
        names = {one["Sid"] for one in json.loads(policy_text(part))["Statement"]}
        assert {row.sid for row in ROWS if row.part == part} == names, part


@contextmanager
def judging() -> Iterator[None]:
    """Have moto judge every call by its own IAM (``INITIAL_NO_AUTH_ACTION_COUNT``)."""
    before = moto_settings.INITIAL_NO_AUTH_ACTION_COUNT
    moto_settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
    try:
        yield
    finally:
        moto_settings.INITIAL_NO_AUTH_ACTION_COUNT = before


@pytest.mark.parametrize("part", ["daemon", "instance", "function"])
async def test_moto_judges_alike_what_it_can_judge(tmp_path: Path, part: str) -> None:
    house = House(tmp_path, part)
    rows = [row for row in ROWS if row.part == part and row.judged_by_moto]
    assert rows
    with judging():
        for row in rows:
            status, _ = await house.status(row.allowed, by_moto=True)
            assert status < 400, row.sid
            assert await house.status(row.refused, by_moto=True) == (403, Class.RIGHTS), row.sid


# ------------------------------------------------------------------------------------------------ the key


KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/k"
THROUGH_S3 = {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}
THROUGH_EC2 = {"kms:ViaService": f"ec2.{REGION}.amazonaws.com"}
GRANT = {**THROUGH_EC2, "kms:GrantIsForAWSResource": "true"}


@pytest.mark.parametrize(
    ("part", "sid", "action", "context", "refused"),
    [
        ("key-storage", "UseTheKeyForObjects", "kms:GenerateDataKey", THROUGH_S3, THROUGH_EC2),
        ("key-storage", "UseTheKeyForObjects", "kms:Decrypt", THROUGH_S3, {}),
        ("key-disks", "UseTheKeyForDisks", "kms:GenerateDataKeyWithoutPlaintext", THROUGH_EC2, THROUGH_S3),
        ("key-disks", "LetDisksUseTheKey", "kms:CreateGrant", GRANT, THROUGH_EC2),
        ("key-disks", "LookAtTheKey", "kms:DescribeKey", {}, None),
    ],
)
def test_the_key_is_used_through_its_service_only(
    part: str, sid: str, action: str, context: dict[str, str], refused: dict[str, str] | None
) -> None:
    document = {**rights_of(part, {"kms_key": KEY})}
    assert [one for one in document["Statement"] if one["Sid"] == sid]
    assert allowed([document], action, KEY, context)
    assert not allowed([document], action, KEY.replace("key/k", "key/other"), context)
    assert refused is None or not allowed([document], action, KEY, refused)


# ------------------------------------------------------------------------------------------------ the bucket's policy


@pytest.fixture
async def guarded(tmp_path: Path) -> AwsBench:
    bench = AwsBench(tmp_path)
    assert (await bench.set_up()).exit_code == 0
    return bench


async def put(bench: AwsBench, **headers: str) -> int:
    told = AwsSettings(region=REGION, bucket=BUCKET, keys=KEYS, endpoints=ALL)
    client = Client(bench.transport, bench.clock, told)
    asked = {"Bucket": BUCKET, "Key": "by/another", "Body": b"x", **headers}
    return (await client.exchange(Call("s3", "PutObject", asked))).problem.status


async def test_the_bucket_refuses_other_encryption_and_takes_what_says_nothing(guarded: AwsBench) -> None:
    assert await put(guarded) == 200
    assert await put(guarded, ServerSideEncryption="AES256") == 200
    assert await put(guarded, ServerSideEncryption="aws:kms:dsse") == 403
    assert await put(guarded, SSECustomerAlgorithm="AES256") == 403


async def test_the_bucket_refuses_what_comes_without_tls(guarded: AwsBench) -> None:
    guarded.arm("tls.off", True)
    assert await put(guarded) == 403
