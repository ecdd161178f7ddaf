"""What goes over the wire and what comes back: operations as requests, answers as values, and what is no answer."""

from __future__ import annotations

import pytest

from providers.aws.endpoints import resolve
from providers.aws.settings import AwsSettings
from providers.aws.wire import Services, Unreadable, root_of
from providers.interface import Refused

SERVICES = Services()
LISTED = (
    b'<?xml version="1.0"?><DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
    b"<requestId>r</requestId><reservationSet><item><ownerId>123456789012</ownerId><instancesSet><item>"
    b"<instanceId>i-1</instanceId><unknown>x</unknown></item></instancesSet></item></reservationSet>"
    b"</DescribeInstancesResponse>"
)
FAULT = (
    b"<Response><Errors><Error><Code>InsufficientInstanceCapacity</Code><Message>none</Message></Error></Errors>"
    b"<RequestID>r</RequestID></Response>"
)
JSON = {"x-amzn-requestid": "r", "content-type": "application/x-amz-json-1.1"}


def test_a_query_is_written_as_the_service_reads_it() -> None:
    made = SERVICES["ec2"].encode("DescribeInstances", {"Filters": [{"Name": "tag-key", "Values": ["a b"]}]})
    assert made.body == b"Action=DescribeInstances&Version=2016-11-15&Filter.1.Name=tag-key&Filter.1.Value.1=a+b"
    assert made.headers["content-length"] == str(len(made.body))


def test_a_json_call_names_its_operation() -> None:
    made = SERVICES["ssm"].encode("GetParameter", {"Name": "/a"})
    assert (made.headers["x-amz-target"], made.body) == ("AmazonSSM.GetParameter", b'{"Name": "/a"}')


def test_parameters_that_an_operation_does_not_take_are_our_mistake() -> None:
    with pytest.raises(ValueError, match=r"ec2.DescribeInstances"):
        SERVICES["ec2"].encode("DescribeInstances", {"Nonsense": 1})


def test_a_service_that_is_not_spoken_to_is_none() -> None:
    with pytest.raises(KeyError):
        SERVICES["dynamodb"]


def test_an_answer_is_read_whatever_new_fields_it_has() -> None:
    found = SERVICES["ec2"].decode("DescribeInstances", {}, LISTED)
    assert found["Reservations"][0]["Instances"][0]["InstanceId"] == "i-1"


@pytest.mark.parametrize(
    "body",
    [b"", b"<html><body>sign in</body></html>", b"<DescribeInstancesResponse>", LISTED[:200], b"\xff\xfe", b"{}"],
)
def test_what_the_service_did_not_write_is_no_answer(body: bytes) -> None:
    """Fault 64: a page that parses would read as an empty list."""
    with pytest.raises(Unreadable):
        SERVICES["ec2"].decode("DescribeInstances", {}, body)


@pytest.mark.parametrize(("headers", "body"), [({}, b"{}"), (JSON, b"<html/>"), (JSON, b"[]"), (JSON, b'{"a":')])
def test_json_that_the_service_did_not_write_is_no_answer(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(Unreadable):
        SERVICES["ssm"].decode("GetParameter", headers, body)


def test_an_error_is_read_and_a_page_is_none() -> None:
    fault = SERVICES["ec2"].fault(500, {}, FAULT)
    assert fault is not None
    assert (fault.code, fault.message) == ("InsufficientInstanceCapacity", "none")
    assert SERVICES["ec2"].fault(503, {}, b"<html>503</html>") is None
    assert SERVICES["ssm"].fault(400, {}, b"<html>400</html>") is None
    told = SERVICES["ssm"].fault(400, JSON, b'{"__type":"ParameterNotFound","message":"x"}')
    assert told is not None
    assert told.code == "ParameterNotFound"


def test_the_root_of_a_document_is_found_behind_its_prolog() -> None:
    assert root_of(b'<?xml version="1.0"?>\n<!-- x --><a:Answer b="c"/>') == "Answer"
    assert root_of(b"no xml") == ""


@pytest.mark.parametrize(
    ("region", "service", "url", "signed"),
    [
        ("eu-central-1", "ec2", "https://ec2.eu-central-1.amazonaws.com", "eu-central-1"),
        ("eu-central-1", "sts", "https://sts.eu-central-1.amazonaws.com", "eu-central-1"),
        ("eu-central-1", "s3", "https://s3.eu-central-1.amazonaws.com", "eu-central-1"),
        ("eu-west-1", "pricing", "https://api.pricing.eu-central-1.amazonaws.com", "eu-central-1"),
        ("us-west-2", "pricing", "https://api.pricing.us-east-1.amazonaws.com", "us-east-1"),
        ("eu-west-1", "iam", "https://iam.amazonaws.com", "us-east-1"),
    ],
)
def test_services_are_where_aws_has_them(region: str, service: str, url: str, signed: str) -> None:
    assert resolve(AwsSettings(region=region, bucket="abc"), service, SERVICES.data) == (url, signed)


def test_a_region_that_aws_does_not_have_has_no_services() -> None:
    """By their names alone botocore would make up addresses that nobody answers at."""
    with pytest.raises(Refused, match="no region eu-central-9; the nearest name is eu-central-1"):
        resolve(AwsSettings(region="eu-central-9", bucket="abc"), "ec2", SERVICES.data)


def test_another_address_goes_before_awss_own() -> None:
    here = AwsSettings(
        region="eu-west-1", bucket="abc", endpoints={"*": "http://localhost:1", "ec2": "http://localhost:2"}
    )
    assert resolve(here, "ec2", SERVICES.data) == ("http://localhost:2", "eu-west-1")
    assert resolve(here, "sts", SERVICES.data) == ("http://localhost:1", "eu-west-1")


def test_unreadable_is_never_refused() -> None:
    assert not issubclass(Unreadable, Refused)


S3_FAULT = (
    b'<?xml version="1.0"?><Error><Code>NoSuchBucket</Code><Message>none</Message><RequestId>r</RequestId></Error>'
)
S3_OWN = {"x-amz-request-id": "r"}


def test_a_call_to_s3_has_its_bucket_its_query_and_a_digest_of_its_body() -> None:
    setting = {"Status": "Enabled"}
    made = SERVICES["s3"].encode("PutBucketVersioning", {"Bucket": "b", "VersioningConfiguration": setting})
    assert (made.method, made.target) == ("PUT", "/b?versioning=")
    assert made.headers["content-md5"]
    assert b"<Status>Enabled</Status>" in made.body


def test_what_a_query_holds_is_encoded_as_a_signature_wants_it() -> None:
    made = SERVICES["s3"].encode("ListObjectVersions", {"Bucket": "b", "KeyMarker": "a b/é", "MaxKeys": 5})
    assert made.target == "/b?versions=&key-marker=a%20b/%C3%A9&max-keys=5".replace("/%C3", "%2F%C3", 1)
    assert SERVICES["ec2"].encode("DescribeVpcs", {}).target == "/"


def test_an_answer_of_s3_is_known_by_its_request_id() -> None:
    assert SERVICES["s3"].decode("HeadBucket", {**S3_OWN, "x-amz-bucket-region": "eu-west-1"}, b"")["BucketRegion"]
    with pytest.raises(Unreadable):
        SERVICES["s3"].decode("HeadBucket", {}, b"")


def test_a_fault_of_s3_is_read_and_a_page_is_none() -> None:
    fault = SERVICES["s3"].fault(404, S3_OWN, S3_FAULT)
    assert fault is not None
    assert fault.code == "NoSuchBucket"
    assert SERVICES["s3"].fault(403, S3_OWN, b"") is None
    assert SERVICES["s3"].fault(502, {}, b"<html>bad gateway</html>") is None
