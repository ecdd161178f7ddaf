"""Lists of the S3 endpoint: order, pages, prefixes, folders, spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.emulators.runpod.wire import Response
from tests.support.s3_kit import START, Bench, refused, texts


@pytest.fixture
def bench() -> Bench:
    return Bench()


def shown(answer: Response) -> list[str]:
    """Return keys, then common prefixes, of a list."""
    assert answer.status == 200, answer.body
    return texts(answer, "Key") + texts(answer, "Prefix")[1:]


def test_keys_come_in_order_with_what_is_known_of_them(bench: Bench) -> None:
    for key in ("b", "a/2", "a.1"):
        bench.put(key, b"body")
    answer = bench.list()
    assert texts(answer, "Key") == ["a.1", "a/2", "b"]
    assert texts(answer, "Size") == ["4", "4", "4"]
    assert texts(answer, "ETag") == ['"841a2d689ad86bd1611447453c22c6fc"'] * 3
    assert texts(answer, "LastModified") == ["2026-09-21T14:13:20.000Z"] * 3
    assert texts(answer, "KeyCount") == ["3"]
    assert texts(answer, "IsTruncated") == ["false"]


def test_the_xml_has_no_namespace(bench: Bench) -> None:
    assert b"xmlns" not in bench.list().body
    assert b"<ListBucketResult>" in bench.list().body


def test_an_empty_folder_is_listed_as_a_key(bench: Bench) -> None:
    bench.put("jobs/a/b")
    bench.send("DELETE", "/vol1/jobs/a/b")
    assert shown(bench.list()) == ["jobs/a/"]


def test_unfinished_uploads_are_hidden(bench: Bench) -> None:
    bench.begin("a")
    assert shown(bench.list()) == []
    assert shown(bench.list(prefix=".s3")) == []
    assert shown(bench.list(delimiter="/")) == []


def test_a_prefix_chooses_and_a_delimiter_folds(bench: Bench) -> None:
    for key in ("a", "j/1/x", "j/1/y", "j/2", "j/3/z", "k"):
        bench.put(key)
    assert shown(bench.list(prefix="j/")) == ["j/1/x", "j/1/y", "j/2", "j/3/z"]
    assert shown(bench.list(prefix="j/", delimiter="/")) == ["j/2", "j/1/", "j/3/"]
    assert shown(bench.list(delimiter="/")) == ["a", "k", "j/"]
    assert shown(bench.list(prefix="j/", delimiter="1/")) == ["j/2", "j/3/z", "j/1/"]
    assert shown(bench.list(prefix="none")) == []


@given(
    keys=st.lists(st.sampled_from(["a/1", "a/2", "a.b", "b", "c/d/e", "c/f", "d-", "d/x"]), unique=True),
    size=st.integers(1, 4),
    delimiter=st.sampled_from(["", "/"]),
    prefix=st.sampled_from(["", "a", "c/"]),
    second=st.booleans(),
)
def test_pages_together_are_the_whole_list(
    keys: list[str], size: int, delimiter: str, prefix: str, second: bool
) -> None:
    bench = Bench()
    for key in keys:
        bench.put(key)
    query = {"prefix": prefix, "max-keys": str(size)} | ({"delimiter": delimiter} if delimiter else {})
    query |= {"list-type": "2"} if second else {}
    whole = shown(bench.send("GET", "/vol1", query | {"max-keys": "1000"}))
    found: list[str] = []
    asked = query
    for _ in range(20):
        answer = bench.send("GET", "/vol1", asked)
        assert len(shown(answer)) <= size
        found += shown(answer)
        if texts(answer, "IsTruncated") == ["false"]:
            break
        if second:
            asked = query | {"continuation-token": texts(answer, "NextContinuationToken")[0]}
        else:
            following = texts(answer, "NextMarker") if delimiter else texts(answer, "Key")
            asked = query | {"marker": following[-1]}
    assert sorted(found) == sorted(whole)


def test_a_list_starts_after_a_key(bench: Bench) -> None:
    for key in ("a", "b", "c"):
        bench.put(key)
    assert shown(bench.list(start_after="a")) == ["b", "c"]
    assert shown(bench.send("GET", "/vol1", {"marker": "b"})) == ["c"]


def test_a_page_has_a_thousand_keys_at_most(bench: Bench) -> None:
    for number in range(1001):
        bench.files.put(f"{number:04d}", b"", START)
    for query in ({}, {"max_keys": "5000"}):
        answer = bench.list(**query)
        assert len(texts(answer, "Key")) == 1000
        assert texts(answer, "IsTruncated") == ["true"]
    answer = bench.list(max_keys="0")
    assert (shown(answer), texts(answer, "IsTruncated")) == ([], ["false"])


@pytest.mark.parametrize("query", [{"max_keys": "x"}, {"max_keys": "-1"}, {"continuation_token": "?"}])
def test_what_makes_no_sense_is_refused(bench: Bench, query: dict[str, str]) -> None:
    assert refused(bench.list(**query)) == (400, "InvalidArgument")


def test_keys_are_spelled_for_urls_when_asked(bench: Bench) -> None:
    bench.put("a b/ä&<")
    assert texts(bench.list(), "Key") == ["a b/ä&<"]
    answer = bench.list(encoding_type="url", prefix="a b", delimiter="&")
    assert texts(answer, "Prefix") == ["a%20b", "a%20b/%C3%A4%26"]
    assert texts(answer, "Delimiter") == ["%26"]


def test_what_a_pod_wrote_is_listed(bench: Bench) -> None:
    bench.files.put("jobs/log", b"line", START + 5)
    assert shown(bench.list()) == ["jobs/log"]
