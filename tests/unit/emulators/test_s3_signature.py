"""Who may do what at the S3 endpoint: signatures, clocks, regions, keys and volumes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.emulators.runpod.s3 import S3Key
from tests.emulators.runpod.wire import Request, Response
from tests.support.s3_kit import HOST, MINE, START, THEIRS, Bench, refused, texts


@pytest.fixture
def bench() -> Bench:
    return Bench()


def changed(request: Request, **headers: str | None) -> Request:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    kept = {name: value for name, value in request.headers.items() if name not in names}
    return replace(request, headers={**kept, **{name: value for name, value in names.items() if value is not None}})


@given(
    key=st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=30),
    value=st.text(st.characters(codec="utf-8"), max_size=20),
)
@example(key="0", value="//")
def test_the_endpoint_reads_signatures_as_botocore_writes_them(key: str, value: str) -> None:
    bench = Bench()
    if key in (".", "..") or len(key.encode()) > 255:
        return
    assert bench.send("PUT", f"/vol1/a/{key}", None, b"body").status == 200
    assert bench.files.read(f"a/{key}") == b"body"
    assert bench.send("GET", "/vol1", {"list-type": "2", "prefix": value}).status == 200


def test_an_unsigned_payload_is_accepted(bench: Bench) -> None:
    header = {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
    request = bench.request("PUT", "/vol1/a", None, b"body", header)
    assert bench.s3.handle(request, START).status == 200
    assert bench.s3.handle(replace(request, body=b"other"), START).status == 200


def test_a_signed_payload_is_checked_against_the_body(bench: Bench) -> None:
    request = bench.request("PUT", "/vol1/a", None, b"body")
    assert refused(bench.s3.handle(replace(request, body=b"other"), START)) == (400, "XAmzContentSHA256Mismatch")
    assert bench.files.stat("a") is None


def test_without_a_header_nothing_is_served(bench: Bench) -> None:
    request = changed(bench.request("GET", "/vol1/a"), authorization=None)
    answer = bench.s3.handle(request, START)
    assert refused(answer) == (403, "AccessDenied")
    assert texts(answer, "Message") == ["missing Authorization"]


def test_a_presigned_link_is_refused_as_unsigned(bench: Bench) -> None:
    query = urlencode({"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Signature": "0" * 64, "X-Amz-Expires": "60"})
    request = changed(replace(bench.request("GET", "/vol1/a"), query=query), authorization=None)
    answer = bench.s3.handle(request, START)
    assert answer.status == 403
    assert texts(answer, "Message") == ["missing Authorization"]


@pytest.mark.parametrize(
    "header",
    ["Bearer rps_mine", "AWS4-HMAC-SHA256 Credential=a/b", "AWS4-HMAC-SHA256 Credential=user_mine/20260921/EU"],
)
def test_a_header_that_cannot_be_read_is_refused(bench: Bench, header: str) -> None:
    request = changed(bench.request("GET", "/vol1/a"), authorization=header)
    assert refused(bench.s3.handle(request, START)) == (400, "AuthorizationHeaderMalformed")


def test_an_unknown_or_revoked_key_is_named(bench: Bench) -> None:
    bench.key = S3Key("user_nobody", "rps_mine", "account-1")
    assert refused(bench.get("a")) == (403, "InvalidAccessKeyId")
    bench.key = MINE
    assert refused(bench.get("a")) == (404, "NoSuchKey")
    bench.s3.keys.revoke(MINE.access_key)
    assert refused(bench.get("a")) == (403, "InvalidAccessKeyId")
    bench.s3.keys.add(MINE)
    assert refused(bench.get("a")) == (404, "NoSuchKey")


def test_a_wrong_secret_does_not_match_and_is_never_shown(bench: Bench) -> None:
    bench.key = S3Key(MINE.access_key, "rps_wrong", MINE.account)
    answer = bench.get("a")
    assert refused(answer) == (403, "SignatureDoesNotMatch")
    assert b"rps_" not in answer.body
    assert "rps_" not in repr(MINE)


@pytest.mark.parametrize(
    "tamper",
    [
        lambda request: replace(request, path="/vol1/b"),
        lambda request: replace(request, query="list-type=2"),
        lambda request: replace(request, method="DELETE"),
        lambda request: changed(request, host="localhost"),
    ],
)
def test_a_signature_is_good_for_its_own_request_only(bench: Bench, tamper: Callable[[Request], Request]) -> None:
    bench.put("a")
    request = bench.request("GET", "/vol1/a")
    assert bench.s3.handle(request, START).status == 200
    bench.s3.data_center = "EU-RO-1"
    assert refused(bench.s3.handle(tamper(request), START)) == (403, "SignatureDoesNotMatch")


def test_every_amz_header_is_signed(bench: Bench) -> None:
    request = changed(bench.request("PUT", "/vol1/a"), **{"x-amz-copy-source": "/vol1/b"})
    assert refused(bench.s3.handle(request, START)) == (403, "AccessDenied")


def test_a_payload_hash_is_needed(bench: Bench) -> None:
    request = bench.request("GET", "/vol1/a")
    signed = request.headers["authorization"].replace("x-amz-content-sha256;", "")
    bare = changed(request, authorization=signed, **{"x-amz-content-sha256": None})
    assert refused(bench.s3.handle(bare, START)) == (400, "InvalidRequest")


@pytest.mark.parametrize("skew", [-3601, 3601])
def test_a_clock_more_than_an_hour_off_is_refused_and_named(bench: Bench, skew: int) -> None:
    request = bench.request("GET", "/vol1/a")
    assert refused(bench.s3.handle(request, START + skew)) == (403, "RequestTimeTooSkewed")
    assert refused(bench.s3.handle(request, START + skew * 3599 / 3601)) == (404, "NoSuchKey")


def test_the_day_of_the_key_is_that_of_the_request(bench: Bench) -> None:
    request = changed(bench.request("GET", "/vol1/a"), **{"x-amz-date": "20200101T000000Z"})
    assert refused(bench.s3.handle(request, START)) == (403, "AccessDenied")


def test_a_time_that_is_none_is_refused(bench: Bench) -> None:
    request = bench.request("GET", "/vol1/a")
    header = request.headers["authorization"].replace("20260921", "20269921")
    never = changed(request, authorization=header, **{"x-amz-date": "20269921T000000Z"})
    assert refused(bench.s3.handle(never, START)) == (403, "AccessDenied")


@pytest.mark.parametrize(
    ("region", "status"), [("EU-RO-1", 404), ("eu-ro-1", 404), ("Eu-ro-1", 400), ("us-east-1", 400)]
)
def test_the_region_is_the_data_centre_in_one_case(bench: Bench, region: str, status: int) -> None:
    bench.region = region
    answer = bench.get("none")
    assert answer.status == status
    if status == 400:
        assert refused(answer) == (400, "AuthorizationHeaderMalformed")
        assert f"the region '{region}' is wrong" in texts(answer, "Message")[0]


def test_the_volumes_own_data_centre_counts_where_the_host_names_none(bench: Bench) -> None:
    bench.host = "127.0.0.1:8080"
    assert refused(bench.send("GET", "/vol3/a"))[0] == 400
    bench.region = "US-KS-2"
    assert refused(bench.send("GET", "/vol3/a")) == (404, "NoSuchKey")
    bench.region = "us-east-1"
    assert refused(bench.send("GET", "/none/a"))[0] == 400
    assert refused(bench.send("GET", "/"))[0] == 400


def test_a_volume_of_another_account_is_closed(bench: Bench) -> None:
    assert refused(bench.send("GET", "/vol2")) == (403, "AccessDenied")
    bench.key = THEIRS
    assert bench.send("GET", "/vol2").status == 200
    assert refused(bench.send("PUT", "/vol1/a", None, b"x")) == (403, "AccessDenied")


@pytest.mark.parametrize("bucket", ["vol3", "vol4", "none"])
def test_a_volume_of_another_data_centre_or_of_none_is_not_there(bench: Bench, bucket: str) -> None:
    assert refused(bench.send("GET", f"/{bucket}")) == (404, "NoSuchBucket")
    bench.host, bench.region = HOST.replace("eu-ro-1", "us-ks-2"), "US-KS-2"
    assert bench.send("GET", "/vol3").status == 200


def test_a_data_centre_without_s3_serves_no_volume(bench: Bench) -> None:
    bench.host, bench.region = "127.0.0.1", "OC-AU-1"
    assert refused(bench.send("GET", "/vol4")) == (404, "NoSuchBucket")


def test_buckets_are_the_accounts_volumes_here(bench: Bench) -> None:
    answer = bench.send("GET", "/")
    assert (texts(answer, "Name"), texts(answer, "ID")) == (["vol1"], ["account-1"])
    assert texts(answer, "CreationDate") == ["2026-09-21T14:13:20.000Z"]
    bench.host, bench.region = "127.0.0.1", "us-ks-2"
    assert texts(bench.send("GET", "/"), "Name") == ["vol3"]


def test_a_default_agent_of_a_library_is_stopped_at_the_edge(bench: Bench) -> None:
    answer = bench.get("a", **{"user-agent": "Python-urllib/3.11"})
    assert answer.status == 403
    assert b"error code: 1010" in answer.body


def test_every_answer_has_a_request_id_and_a_date(bench: Bench) -> None:
    answers: list[Response] = [bench.put("a"), bench.get("a"), bench.get("none")]
    assert len({answer.headers["x-amz-request-id"] for answer in answers}) == 3
    assert {answer.headers["date"] for answer in answers} == {"Mon, 21 Sep 2026 14:13:20 GMT"}
