"""One object at the S3 endpoint: put, get, head, copy, delete, and what is not implemented."""

from __future__ import annotations

import base64
import hashlib

import pytest

from tests.emulators.runpod import s3_index
from tests.emulators.runpod.s3 import S3Limits
from tests.emulators.runpod.volume import UPLOADS
from tests.support.s3_kit import START, Bench, refused, texts

MD5_OF_BODY = "841a2d689ad86bd1611447453c22c6fc"


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_what_was_put_is_got(bench: Bench) -> None:
    assert bench.put("jobs/a.json", b"body").headers["etag"] == f'"{MD5_OF_BODY}"'
    answer = bench.get("jobs/a.json")
    assert (answer.status, answer.body) == (200, b"body")
    assert answer.headers["etag"] == f'"{MD5_OF_BODY}"'
    assert answer.headers["content-length"] == "4"
    assert answer.headers["accept-ranges"] == "bytes"


def test_last_modified_says_utc(bench: Bench) -> None:
    bench.put("a")
    assert bench.head("a").headers["last-modified"] == "Mon, 21 Sep 2026 14:13:20 UTC"


def test_user_metadata_is_not_returned(bench: Bench) -> None:
    bench.put("a", x_amz_meta_sha="abc", content_type="text/plain")
    answer = bench.head("a")
    assert "x-amz-meta-sha" not in answer.headers
    assert answer.headers["content-type"] == "binary/octet-stream"


@pytest.mark.parametrize(
    ("asked", "status", "body", "shown"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-30", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=8-100", 206, b"89", "bytes 8-9/10"),
        ("bytes=4-2", 200, b"0123456789", None),
        ("bytes=-", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
    ],
)
def test_a_range_is_a_part(bench: Bench, asked: str, status: int, body: bytes, shown: str | None) -> None:
    bench.put("a", b"0123456789")
    answer = bench.get("a", range=asked)
    assert (answer.status, answer.body, answer.headers.get("content-range")) == (status, body, shown)
    assert answer.headers["content-length"] == str(len(body))


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=10-20", "bytes=-0"])
def test_a_range_past_the_end_is_416(bench: Bench, asked: str) -> None:
    bench.put("a", b"0123456789")
    assert refused(bench.get("a", range=asked)) == (416, "InvalidRange")


def test_head_has_the_size_and_no_body(bench: Bench) -> None:
    bench.put("a", b"body")
    answer = bench.head("a")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "4")
    assert (bench.head("none").status, bench.head("none").body) == (404, b"")


def test_head_of_a_bare_prefix_is_400(bench: Bench) -> None:
    bench.put("jobs/a/b", b"x")
    assert bench.head("jobs").status == 400
    assert bench.head("jobs/a/").status == 400
    assert bench.get("jobs/a").status == 400
    assert bench.head("jobs/a/b/").status == 404
    assert bench.head("jobs/none/").status == 404


def test_delete_is_204_every_time(bench: Bench) -> None:
    bench.put("a")
    assert bench.send("DELETE", "/vol1/a").status == 204
    assert bench.files.stat("a") is None
    assert bench.send("DELETE", "/vol1/a").status == 204


def test_delete_takes_empty_folders_and_leaves_full_ones(bench: Bench) -> None:
    bench.put("a/b/c")
    assert bench.send("DELETE", "/vol1/a/").status == 204
    assert bench.send("DELETE", "/vol1/a/b").status == 204
    assert bench.files.read("a/b/c") == b"x"
    bench.send("DELETE", "/vol1/a/b/c")
    bench.send("DELETE", "/vol1/a/b/")
    assert bench.files.stat("a/b") is None


def test_a_folder_is_made_by_a_key_that_ends_with_a_slash(bench: Bench) -> None:
    assert bench.put("a/b/", b"").status == 200
    assert texts(bench.list(), "Key") == ["a/b/"]
    assert refused(bench.put("a/c/", b"content")) == (400, "InvalidRequest")


def test_a_file_and_a_folder_cannot_have_one_name(bench: Bench) -> None:
    bench.put("file")
    bench.put("folder/inner")
    assert refused(bench.put("file/below")) == (400, "InvalidRequest")
    assert refused(bench.put("folder")) == (400, "InvalidRequest")
    assert refused(bench.put("file/", b"")) == (400, "InvalidRequest")
    assert refused(bench.get("file/below")) == (404, "NoSuchKey")


@pytest.mark.parametrize("key", ["../x", "a//b", "/a", "a/./b", "x" * 256])
def test_a_key_that_is_no_path_is_refused(bench: Bench, key: str) -> None:
    assert refused(bench.put(key)) == (400, "InvalidArgument")
    assert refused(bench.get(key)) == (400, "InvalidArgument")


def test_the_area_of_uploads_is_out_of_reach(bench: Bench) -> None:
    assert refused(bench.put(f"{UPLOADS}x")) == (403, "AccessDenied")
    bench.begin("a")
    (about,) = [entry.key for entry in bench.files.walk(UPLOADS)]
    assert refused(bench.get(about)) == (404, "NoSuchKey")
    assert bench.send("DELETE", f"/vol1/{about}").status == 403


def test_files_of_pods_have_etags_too(bench: Bench) -> None:
    bench.files.put("a", b"body", START)
    assert bench.head("a").headers["etag"] == f'"{MD5_OF_BODY}"'
    bench.files.put("a", b"ydob", START)
    assert bench.head("a").headers["etag"] == f'"{hashlib.md5(b"ydob").hexdigest()}"'


def test_a_file_that_a_pod_removes_meanwhile_is_gone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.files.put("a", b"body", START)

    def gone(path: str, start: int = 0, size: int | None = None) -> bytes:
        raise FileNotFoundError(path)

    monkeypatch.setattr(bench.files, "read", gone)
    assert texts(bench.list(), "Key") == ["a"]
    assert refused(bench.get("a")) == (404, "NoSuchKey")


def test_what_is_remembered_of_keys_is_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_index, "REMEMBERED_MAX", 2)
    for key in ("a", "b", "c"):
        bench.uploaded(key, b"1", b"2")
    assert bench.head("a").headers["etag"] == f'"{hashlib.md5(b"12").hexdigest()}"'
    assert bench.head("c").headers["etag"].endswith('-2"')


def test_content_md5_is_checked(bench: Bench) -> None:
    good = base64.b64encode(bytes.fromhex(MD5_OF_BODY)).decode()
    assert bench.put("a", b"body", content_md5=good).status == 200
    assert refused(bench.put("a", b"other", content_md5=good)) == (400, "BadDigest")
    assert refused(bench.put("a", b"other", content_md5="?")) == (400, "InvalidDigest")


def test_the_condition_of_a_put_is_ignored(bench: Bench) -> None:
    bench.put("a", b"first")
    assert bench.put("a", b"second", if_none_match="*").status == 200
    assert bench.get("a").body == b"second"


def test_a_body_over_the_edges_limit_is_413_without_xml(bench: Bench) -> None:
    bench = Bench(limits=S3Limits(edge_body_bytes=10))
    assert bench.put("a", b"x" * 10).status == 200
    answer = bench.put("b", b"x" * 11)
    assert (answer.status, answer.headers["content-type"].split(";")[0]) == (413, "text/html")
    assert bench.files.stat("b") is None
    assert S3Limits().edge_body_bytes == 100_000_000


def test_one_piece_is_smaller_than_half_a_gigabyte() -> None:
    bench = Bench(limits=S3Limits(put_bytes=10))
    assert bench.put("a", b"x" * 9).status == 200
    assert refused(bench.put("a", b"x" * 10)) == (400, "EntityTooLarge")
    assert S3Limits().put_bytes == 500_000_000


def test_a_full_volume_is_507(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.files, "usage", lambda: 10**9 - 1)
    assert bench.put("a", b"1").status == 200
    assert refused(bench.put("a", b"12")) == (507, "QuotaExceeded")
    assert bench.get("a").body == b"1"
    assert refused(bench.send("PUT", "/vol1/b", None, b"12")) == (507, "QuotaExceeded")


def test_copy_makes_a_second_object(bench: Bench) -> None:
    bench.put("a b/ä", b"body")
    answer = bench.send("PUT", "/vol1/copy", headers={"x-amz-copy-source": "/vol1/a%20b/%C3%A4"})
    assert texts(answer, "ETag") == [f'"{MD5_OF_BODY}"']
    assert bench.get("copy").body == b"body"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("vol1/none", (404, "NoSuchKey")),
        ("none/a", (404, "NoSuchBucket")),
        ("vol3/a", (404, "NoSuchBucket")),
        ("vol2/a", (403, "AccessDenied")),
    ],
)
def test_copy_needs_a_source_that_may_be_read(bench: Bench, source: str, expected: tuple[int, str]) -> None:
    assert refused(bench.send("PUT", "/vol1/copy", headers={"x-amz-copy-source": source})) == expected


def test_head_of_a_bucket(bench: Bench) -> None:
    assert bench.send("HEAD", "/vol1").status == 200
    assert bench.send("HEAD", "/none").status == 404
    assert bench.send("HEAD", "/vol2").status == 403


def test_deleting_many_redirects_to_nowhere(bench: Bench) -> None:
    bench.put("a")
    body = b"<Delete><Object><Key>a</Key></Object></Delete>"
    answer = bench.send("POST", "/vol1", {"delete": ""}, body)
    assert answer.status == 307
    assert "location" not in answer.headers
    assert bench.files.stat("a") is not None


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("PUT", "/newone", {}),
        ("DELETE", "/vol1", {}),
        ("PUT", "/", {}),
        ("GET", "/vol1", {"location": ""}),
        ("GET", "/vol1", {"versioning": ""}),
        ("GET", "/vol1", {"versions": ""}),
        ("GET", "/vol1", {"policy": ""}),
        ("PUT", "/vol1/a", {"acl": ""}),
        ("GET", "/vol1/a", {"tagging": ""}),
        ("GET", "/vol1/a", {"versionId": "1"}),
        ("GET", "/vol1/a", {"attributes": ""}),
        ("GET", "/vol1/a", {"response-content-type": "text/plain"}),
        ("POST", "/vol1/a", {"restore": ""}),
        ("POST", "/vol1/a", {}),
        ("PATCH", "/vol1/a", {}),
    ],
)
def test_what_is_not_listed_is_not_implemented(bench: Bench, method: str, path: str, query: dict[str, str]) -> None:
    assert refused(bench.send(method, path, query)) == (501, "NotImplemented")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("x-amz-acl", "private", (400, "InvalidRequest")),
        ("x-amz-grant-read", "id=1", (400, "InvalidRequest")),
        ("x-amz-tagging", "a=b", (501, "NotImplemented")),
        ("x-amz-server-side-encryption", "AES256", (501, "NotImplemented")),
        ("x-amz-trailer", "x-amz-checksum-crc32", (501, "NotImplemented")),
        ("content-encoding", "aws-chunked", (501, "NotImplemented")),
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", (501, "NotImplemented")),
    ],
)
def test_headers_that_it_does_not_know(bench: Bench, name: str, value: str, expected: tuple[int, str]) -> None:
    assert refused(bench.send("PUT", "/vol1/a", None, b"x", {name: value})) == expected
    assert bench.files.stat("a") is None


def test_an_acl_header_breaks_an_upload_in_parts(bench: Bench) -> None:
    answer = bench.send("POST", "/vol1/a", {"uploads": ""}, headers={"x-amz-acl": "private"})
    assert refused(answer) == (400, "InvalidRequest")


def test_the_name_of_the_call_in_the_query_changes_nothing(bench: Bench) -> None:
    bench.put("a")
    assert bench.send("GET", "/vol1/a", {"x-id": "GetObject"}).status == 200
