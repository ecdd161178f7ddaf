"""Uploads in parts at the S3 endpoint."""

from __future__ import annotations

import hashlib

import pytest

from tests.emulators.runpod.s3 import S3Keys, S3Limits, VolumeS3
from tests.emulators.runpod.volume import UPLOADS
from tests.support.s3_kit import MINE, START, Bench, refused, texts


@pytest.fixture
def bench() -> Bench:
    return Bench()


def etag_of(*contents: bytes) -> str:
    digests = b"".join(hashlib.md5(content).digest() for content in contents)
    return f'"{hashlib.md5(digests).hexdigest()}-{len(contents)}"'


def test_parts_become_the_object_in_the_order_of_their_numbers(bench: Bench) -> None:
    upload = bench.begin("big")
    second = bench.part("big", upload, 20, b"two")
    first = bench.part("big", upload, 3, b"one")
    answer = bench.finish("big", upload, {3: first, 20: second})
    assert answer.status == 200
    assert bench.get("big").body == b"onetwo"
    assert texts(answer, "ETag") == [bench.head("big").headers["etag"]] == [etag_of(b"one", b"two")]
    assert texts(bench.list(), "ETag") == [etag_of(b"one", b"two")]


def test_keys_in_answers_begin_with_a_slash(bench: Bench) -> None:
    answer = bench.send("POST", "/vol1/a/big", {"uploads": ""})
    assert texts(answer, "Key") == ["/a/big"]
    upload = texts(answer, "UploadId")[0]
    assert texts(bench.send("GET", "/vol1", {"uploads": ""}), "Key") == ["/a/big"]
    assert texts(bench.send("GET", "/vol1/a/big", {"uploadId": upload}), "Key") == ["/a/big"]
    part = bench.part("a/big", upload, 1, b"x")
    assert texts(bench.finish("a/big", upload, {1: part}), "Key") == ["/a/big"]


def test_parts_lie_on_the_volume_until_the_end(bench: Bench) -> None:
    before = bench.files.usage()
    upload = bench.begin("big")
    part = bench.part("big", upload, 1, b"x" * 1000)
    assert bench.files.usage() >= before + 1000
    assert [entry.key for entry in bench.files.walk(UPLOADS)] != []
    bench.finish("big", upload, {1: part})
    assert bench.files.usage() == before + 1000
    assert [entry.key for entry in bench.files.walk()] == ["big"]


def test_abort_frees_the_room(bench: Bench) -> None:
    upload = bench.begin("big")
    part = bench.part("big", upload, 1, b"x" * 1000)
    assert bench.send("DELETE", "/vol1/big", {"uploadId": upload}).status == 204
    assert bench.files.usage() == 0
    assert [entry.key for entry in bench.files.walk()] == []
    assert refused(bench.finish("big", upload, {1: part})) == (404, "NoSuchUpload")
    assert refused(bench.send("DELETE", "/vol1/big", {"uploadId": upload})) == (404, "NoSuchUpload")


def test_an_ended_upload_is_no_upload(bench: Bench) -> None:
    upload = bench.begin("big")
    part = bench.part("big", upload, 1, b"x")
    bench.finish("big", upload, {1: part})
    assert refused(bench.finish("big", upload, {1: part})) == (404, "NoSuchUpload")
    again = bench.send("PUT", "/vol1/big", {"partNumber": "2", "uploadId": upload}, b"y")
    assert refused(again) == (404, "NoSuchUpload")


@pytest.mark.parametrize("upload", ["", "none", "../../etc", "about.json"])
def test_an_unknown_upload_is_404(bench: Bench, upload: str) -> None:
    assert refused(bench.send("GET", "/vol1/big", {"uploadId": upload})) == (404, "NoSuchUpload")


def test_an_upload_belongs_to_its_key(bench: Bench) -> None:
    upload = bench.begin("big")
    assert refused(bench.send("GET", "/vol1/other", {"uploadId": upload})) == (404, "NoSuchUpload")


def test_a_part_can_be_sent_again(bench: Bench) -> None:
    upload = bench.begin("big")
    old = bench.part("big", upload, 1, b"wrong")
    new = bench.part("big", upload, 1, b"right")
    assert refused(bench.finish("big", upload, {1: old})) == (400, "InvalidPart")
    assert bench.finish("big", upload, {1: new}).status == 200
    assert bench.get("big").body == b"right"


def test_small_parts_are_taken(bench: Bench) -> None:
    assert bench.uploaded("big", b"1", b"2", b"3").status == 200
    assert bench.get("big").body == b"123"


def test_parts_that_are_not_named_are_dropped(bench: Bench) -> None:
    upload = bench.begin("big")
    bench.part("big", upload, 1, b"not this")
    part = bench.part("big", upload, 2, b"this")
    bench.finish("big", upload, {2: part})
    assert bench.get("big").body == b"this"


def test_complete_wants_parts_that_are_there_in_order(bench: Bench) -> None:
    upload = bench.begin("big")
    one, two = bench.part("big", upload, 1, b"1"), bench.part("big", upload, 2, b"2")
    assert refused(bench.finish("big", upload, {2: two, 1: one})) == (400, "InvalidPartOrder")
    assert refused(bench.finish("big", upload, {1: one, 3: two})) == (400, "InvalidPart")
    assert refused(bench.finish("big", upload, {1: two})) == (400, "InvalidPart")
    assert refused(bench.finish("big", upload, {})) == (400, "MalformedXML")
    for body in (b"", b"<a", b"<C><Part><PartNumber>x</PartNumber></Part></C>", b"x" * 2_000_001):
        assert refused(bench.send("POST", "/vol1/big", {"uploadId": upload}, body)) == (400, "MalformedXML")
    assert bench.finish("big", upload, {1: one, 2: two}).status == 200


def test_the_list_of_parts_may_have_a_namespace(bench: Bench) -> None:
    upload = bench.begin("big")
    etag = bench.part("big", upload, 1, b"x").strip('"')
    part = f"<Part><ETag>{etag}</ETag><PartNumber>1</PartNumber></Part>"
    body = f'<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{part}</CompleteMultipartUpload>'
    assert bench.send("POST", "/vol1/big", {"uploadId": upload}, body.encode()).status == 200


@pytest.mark.parametrize("number", ["0", "10001", "x", "-1"])
def test_a_part_has_a_number(bench: Bench, number: str) -> None:
    upload = bench.begin("big")
    answer = bench.send("PUT", "/vol1/big", {"partNumber": number, "uploadId": upload}, b"x")
    assert refused(answer) == (400, "InvalidArgument")


def test_parts_are_listed_in_pages(bench: Bench) -> None:
    upload = bench.begin("big")
    for number in (1, 2, 10):
        bench.part("big", upload, number, b"x" * number)
    answer = bench.send("GET", "/vol1/big", {"uploadId": upload, "max-parts": "2"})
    assert texts(answer, "PartNumber") == ["1", "2"]
    assert texts(answer, "Size") == ["1", "2"]
    assert texts(answer, "IsTruncated") == ["true"]
    (marker,) = texts(answer, "NextPartNumberMarker")
    answer = bench.send("GET", "/vol1/big", {"uploadId": upload, "part-number-marker": marker})
    assert (texts(answer, "PartNumber"), texts(answer, "IsTruncated")) == (["10"], ["false"])


def test_uploads_are_listed_in_pages_and_by_prefix(bench: Bench) -> None:
    ids = {key: bench.begin(key) for key in ("b", "a", "c/d")}
    ids["a again"] = bench.begin("a")
    answer = bench.send("GET", "/vol1", {"uploads": "", "max-uploads": "1"})
    found = texts(answer, "UploadId")
    while texts(answer, "IsTruncated") == ["true"]:
        query = {
            "key-marker": texts(answer, "NextKeyMarker")[0],
            "upload-id-marker": texts(answer, "NextUploadIdMarker")[0],
        }
        answer = bench.send("GET", "/vol1", {"uploads": "", "max-uploads": "1", **query})
        found += texts(answer, "UploadId")
    assert found == [*sorted((ids["a"], ids["a again"])), ids["b"], ids["c/d"]]
    answer = bench.send("GET", "/vol1", {"uploads": "", "prefix": "c/"})
    assert texts(answer, "UploadId") == [ids["c/d"]]
    assert texts(answer, "Initiated") == ["2026-09-21T14:13:20.000Z"]
    answer = bench.send("GET", "/vol1", {"uploads": "", "key-marker": "a"})
    assert texts(answer, "UploadId") == [ids["b"], ids["c/d"]]


def test_an_upload_outlives_a_restart_of_the_endpoint(bench: Bench) -> None:
    upload = bench.begin("big")
    one = bench.part("big", upload, 1, b"1")
    bench.s3 = VolumeS3(bench.volumes, S3Keys([MINE]))
    assert bench.begin("big") != upload
    two = bench.part("big", upload, 2, b"2")
    assert bench.finish("big", upload, {1: one, 2: two}).status == 200
    assert bench.get("big").body == b"12"


def test_the_same_requests_give_the_same_answers() -> None:
    answers = [(bench.begin("a"), bench.put("b"), bench.list()) for bench in (Bench(), Bench())]
    assert answers[0] == answers[1]


def test_limits_of_parts_and_objects() -> None:
    bench = Bench(limits=S3Limits(put_bytes=5, object_bytes=6))
    upload = bench.begin("big")
    parts = {number: bench.part("big", upload, number, b"1234") for number in (1, 2)}
    too_large = bench.send("PUT", "/vol1/big", {"partNumber": "3", "uploadId": upload}, b"12345")
    assert refused(too_large) == (400, "EntityTooLarge")
    assert refused(bench.finish("big", upload, parts)) == (400, "EntityTooLarge")
    assert bench.finish("big", upload, {1: parts[1]}).status == 200


def test_a_folder_or_the_hidden_area_is_no_target(bench: Bench) -> None:
    assert refused(bench.send("POST", "/vol1/a/", {"uploads": ""})) == (400, "InvalidRequest")
    assert refused(bench.send("POST", f"/vol1/{UPLOADS}a", {"uploads": ""})) == (403, "AccessDenied")
    bench.files.put("folder/x", b"", START)
    assert refused(bench.uploaded("folder", b"1")) == (400, "InvalidRequest")


def test_a_full_volume_takes_no_part(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = bench.begin("big")
    monkeypatch.setattr(bench.files, "usage", lambda: 10**9 - 1)
    answer = bench.send("PUT", "/vol1/big", {"partNumber": "1", "uploadId": upload}, b"12")
    assert refused(answer) == (507, "QuotaExceeded")
