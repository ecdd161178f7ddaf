"""Every fault of the S3 endpoint has a switch (fault catalogue, section C)."""

from __future__ import annotations

from dataclasses import fields

import pytest

from tests.emulators.runpod.s3 import S3Faults
from tests.emulators.runpod.s3_switch import Occasion, Switch
from tests.support.s3_kit import START, Bench, refused, texts


@pytest.fixture
def bench() -> Bench:
    return Bench()


def on(bench: Bench, **switches: object) -> None:
    bench.faults.merge(switches, bench.now)


def test_the_next_n_times(bench: Bench) -> None:
    on(bench, transient=2)
    assert [bench.put("a").status for _ in range(3)] == [503, 503, 200]
    assert bench.faults.transient.hits == 2


def test_for_some_seconds(bench: Bench) -> None:
    on(bench, transient={"for_s": 10})
    assert bench.put("a").status == 503
    bench.now += 9
    assert bench.put("a").status == 503
    bench.now += 1
    assert bench.put("a").status == 200


def test_some_times_within_some_seconds(bench: Bench) -> None:
    on(bench, transient={"next": 2, "for_s": 10})
    assert bench.put("a").status == 503
    bench.now += 10
    assert bench.put("a").status == 200


def test_always_until_it_is_switched_off(bench: Bench) -> None:
    on(bench, transient=True, full={"always": True})
    assert [bench.put("a").status for _ in range(5)] == [503] * 5
    on(bench, transient=None)
    assert bench.put("a").status == 507
    bench.faults.clear()
    assert bench.put("a").status == 200
    assert bench.faults.transient.hits == 5


def test_for_one_operation_and_some_keys(bench: Bench) -> None:
    on(bench, transient={"always": True, "operation": "PutObject", "key": "jobs/"})
    assert bench.put("jobs/a").status == 503
    assert bench.put("data/a").status == 200
    assert bench.get("jobs/a").status == 404


def test_a_lists_key_is_its_prefix(bench: Bench) -> None:
    on(bench, list_slow={"always": True, "key": "jobs/"})
    assert bench.list(prefix="jobs/1").delay_s == 120
    assert bench.list(prefix="data/").delay_s == 0


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"none": 1},
        {"full": "on"},
        {"full": -1},
        {"full": {}},
        {"full": {"next": True}},
        {"full": {"next": 1, "often": 1}},
        {"full": {"next": 1.5}},
        {"full": {"for_s": "1"}},
        {"full": {"always": 1}},
        {"full": {"next": 1, "value": "x"}},
        {"full": {"next": 1, "operation": 1}},
        {"transient": {"next": 1, "value": "404"}},
        {"complete_slow": {"next": 1, "value": "long"}},
        {"outage": True, "full": {"next": []}},
    ],
)
def test_a_setting_that_makes_no_sense_changes_nothing(document: object) -> None:
    faults = S3Faults()
    with pytest.raises(ValueError, match=r"\w"):
        faults.merge(document, START)
    assert faults == S3Faults()


def test_every_switch_can_be_set_and_seen_as_json() -> None:
    faults = S3Faults()
    faults.merge({one.name: 3 for one in fields(faults)}, START)
    seen = faults.as_json()
    assert list(seen) == [one.name for one in fields(faults)]
    assert {switch["left"] for switch in seen.values()} == {3}
    assert seen["complete_slow"]["value"] == 120.0


def test_a_switch_is_off_at_first() -> None:
    assert not Switch().take(Occasion(START, "PutObject"))


@pytest.mark.parametrize(
    ("value", "status", "broken"), [("reset", 503, "reset"), ("hang", 503, "hang"), ("503", 503, None)]
)
def test_outage(bench: Bench, value: str, status: int, broken: str | None) -> None:
    on(bench, outage={"next": 1, "value": value})
    answer = bench.put("a")
    assert (answer.status, answer.lost) == (status, broken)
    assert bench.files.stat("a") is None


@pytest.mark.parametrize(("value", "kind"), [(403, "application/xml"), ("502", "text/html"), ("503", "text/html")])
def test_transient_refusal(bench: Bench, value: str | int, kind: str) -> None:
    on(bench, transient={"next": 1, "value": value})
    answer = bench.put("a")
    assert (answer.status, answer.headers["content-type"].split(";")[0]) == (int(value), kind)
    assert bench.files.stat("a") is None


def test_c39_wrong_region_is_named(bench: Bench) -> None:
    on(bench, wrong_region=1)
    answer = bench.put("a")
    assert refused(answer) == (400, "AuthorizationHeaderMalformed")
    assert texts(answer, "Message") == ["the region 'EU-RO-1' is wrong"]


@pytest.mark.parametrize(("value", "status"), [(7200, 403), (-7200, 403), (1800, 200)])
def test_c39_skew_of_the_servers_clock_is_named(bench: Bench, value: float, status: int) -> None:
    on(bench, clock_skew={"next": 1, "value": value})
    answer = bench.put("a")
    assert answer.status == status
    if status == 403:
        assert refused(answer) == (403, "RequestTimeTooSkewed")


def test_c42_a_body_over_a_lower_limit_is_413(bench: Bench) -> None:
    on(bench, too_large={"always": True, "value": 10})
    assert bench.put("a", b"x" * 10).status == 200
    assert bench.put("a", b"x" * 11).status == 413
    assert bench.faults.too_large.hits == 1


def test_c42_a_stalled_upload_leaves_nothing(bench: Bench) -> None:
    upload = bench.begin("big")
    on(bench, stalled=2)
    assert bench.put("a").lost == "hang"
    assert bench.send("PUT", "/vol1/big", {"partNumber": "1", "uploadId": upload}, b"x").lost == "hang"
    assert bench.files.stat("a") is None
    assert texts(bench.send("GET", "/vol1/big", {"uploadId": upload}), "PartNumber") == []


def test_c38_a_full_volume_refuses_uploads_and_shows_old_sizes(bench: Bench) -> None:
    bench.put("log", b"12")
    upload = bench.begin("big")
    on(bench, full=True)
    bench.files.put("log", b"1234", START + 1)
    assert refused(bench.put("probe")) == (507, "QuotaExceeded")
    part = bench.send("PUT", "/vol1/big", {"partNumber": "1", "uploadId": upload}, b"x")
    assert refused(part) == (507, "QuotaExceeded")
    assert bench.head("log").headers["content-length"] == "2"
    assert texts(bench.list(), "Size") == ["2"]
    on(bench, full=False)
    assert bench.head("log").headers["content-length"] == "4"
    assert texts(bench.list(), "Size") == ["4"]


@pytest.mark.parametrize("value", [0.5, 0])
def test_c36_a_truncated_upload_is_answered_well(bench: Bench, value: float) -> None:
    on(bench, truncated={"next": 2, "value": value})
    assert bench.put("a", b"1234").status == 200
    assert bench.uploaded("b", b"12", b"34").status == 200
    assert bench.head("a").headers["content-length"] == bench.head("b").headers["content-length"] == str(int(4 * value))


def test_c36_a_vanished_upload_is_answered_well(bench: Bench) -> None:
    on(bench, vanished=2)
    assert bench.put("a").status == 200
    assert bench.uploaded("b", b"12").status == 200
    assert (bench.head("a").status, bench.head("b").status) == (404, 404)
    assert bench.files.usage() == 0


@pytest.mark.parametrize(("value", "expected"), [(0, b"\x0100"), (0.5, b"0\x010"), (1, b"00\x01")])
def test_c40_one_bit_of_a_download_is_wrong(bench: Bench, value: float, expected: bytes) -> None:
    bench.put("a", b"\0\0\0")
    on(bench, bit_flipped={"next": 1, "value": value})
    assert bench.get("a").body == expected.replace(b"0", b"\0")
    assert bench.get("a").body == b"\0\0\0"


def test_a_cut_download(bench: Bench) -> None:
    bench.put("a", b"1234")
    on(bench, cut=1)
    answer = bench.get("a")
    assert (answer.lost, answer.headers["content-length"]) == ("cut", "4")
    assert bench.get("a").lost is None


LOST = [("524", 524, None), ("502", 502, None), ("timeout", 503, "hang"), ("reset", 503, "reset")]


@pytest.mark.parametrize(("value", "status", "broken"), LOST)
def test_c41_a_delete_is_done_though_its_answer_is_lost(
    bench: Bench, value: str, status: int, broken: str | None
) -> None:
    bench.put("a")
    on(bench, delete_lost={"next": 1, "value": value})
    answer = bench.send("DELETE", "/vol1/a")
    assert (answer.status, answer.lost) == (status, broken)
    assert bench.head("a").status == 404
    assert bench.send("DELETE", "/vol1/a").status == 204


def test_c35_a_slow_complete_succeeds(bench: Bench) -> None:
    on(bench, complete_slow={"next": 1, "value": 300})
    answer = bench.uploaded("big", b"1", b"2")
    assert (answer.status, answer.delay_s) == (200, 300)
    assert bench.get("big").body == b"12"


@pytest.mark.parametrize(("value", "status", "broken"), LOST)
def test_c35_complete_is_done_though_its_answer_is_lost(
    bench: Bench, value: str, status: int, broken: str | None
) -> None:
    upload = bench.begin("big")
    part = bench.part("big", upload, 1, b"whole")
    on(bench, complete_lost={"next": 1, "value": value})
    answer = bench.finish("big", upload, {1: part})
    assert (answer.status, answer.lost) == (status, broken)
    assert refused(bench.finish("big", upload, {1: part})) == (404, "NoSuchUpload")
    assert bench.head("big").headers["content-length"] == "5"


def test_lost_parts_make_complete_fail_until_they_are_sent_again(bench: Bench) -> None:
    upload = bench.begin("big")
    parts = {number: bench.part("big", upload, number, b"%d" % number) for number in (1, 2, 3)}
    on(bench, parts_lost={"next": 1, "value": 2})
    assert refused(bench.finish("big", upload, parts)) == (400, "InvalidPart")
    assert texts(bench.send("GET", "/vol1/big", {"uploadId": upload}), "PartNumber") == ["3"]
    assert refused(bench.finish("big", upload, parts)) == (400, "InvalidPart")
    for number in (1, 2):
        bench.part("big", upload, number, b"%d" % number)
    assert bench.finish("big", upload, parts).status == 200
    assert bench.get("big").body == b"123"


def test_copying_may_be_missing(bench: Bench) -> None:
    bench.put("a")
    on(bench, copy_unsupported=True)
    answer = bench.send("PUT", "/vol1/b", headers={"x-amz-copy-source": "/vol1/a"})
    assert refused(answer) == (501, "NotImplemented")


def test_a_condition_may_be_honoured(bench: Bench) -> None:
    on(bench, condition_honoured=True)
    assert bench.put("a", b"first", if_none_match="*").status == 200
    assert refused(bench.put("a", b"second", if_none_match="*")) == (412, "PreconditionFailed")
    assert bench.put("a", b"third").status == 200


def test_c37_a_token_comes_back(bench: Bench) -> None:
    for key in ("a", "b", "c"):
        bench.put(key)
    (token,) = texts(bench.list(max_keys="1"), "NextContinuationToken")
    on(bench, list_token_repeated=1)
    answer = bench.list(max_keys="1", continuation_token=token)
    assert texts(answer, "NextContinuationToken") == [token]
    assert texts(answer, "IsTruncated") == ["true"]
    (following,) = texts(bench.list(max_keys="1", continuation_token=token), "NextContinuationToken")
    assert following != token


def test_c37_a_key_comes_twice(bench: Bench) -> None:
    for key in ("a", "b"):
        bench.put(key)
    on(bench, list_duplicates=2)
    first = bench.list(max_keys="1")
    assert texts(first, "Key") == ["a", "a"]
    (token,) = texts(first, "NextContinuationToken")
    assert texts(bench.list(max_keys="1", continuation_token=token), "Key") == ["a", "b"]


def test_c37_a_prefix_is_ignored_without_a_delimiter(bench: Bench) -> None:
    for key in ("a", "j/1"):
        bench.put(key)
    on(bench, list_prefix_ignored=True)
    assert texts(bench.list(prefix="j/"), "Key") == ["a", "j/1"]
    assert texts(bench.list(prefix="j/"), "Prefix") == ["j/"]
    assert texts(bench.list(prefix="j/", delimiter="/"), "Key") == ["j/1"]


def test_c37_a_fresh_prefix_is_empty_for_a_list_with_a_delimiter(bench: Bench) -> None:
    bench.put("j/1")
    on(bench, list_empty={"always": True, "value": 60})
    assert texts(bench.list(prefix="j/", delimiter="/"), "Key") == []
    assert texts(bench.list(prefix="j/"), "Key") == ["j/1"]
    bench.now += 60
    bench.put("j/2")
    assert texts(bench.list(prefix="j/", delimiter="/"), "Key") == ["j/1", "j/2"]


def test_c37_a_stale_list_shows_what_was_there_before(bench: Bench) -> None:
    for key in ("changed", "deleted", "kept"):
        bench.put(key, b"1")
    bench.now += 100
    bench.put("changed", b"123")
    bench.put("new", b"1")
    bench.send("DELETE", "/vol1/deleted")
    bench.files.put("new of a pod", b"1", bench.now)
    on(bench, list_stale={"always": True, "value": 30})
    answer = bench.list()
    assert texts(answer, "Key") == ["changed", "deleted", "kept"]
    assert texts(answer, "Size") == ["1", "1", "1"]
    assert texts(bench.list(prefix="d"), "Key") == ["deleted"]
    assert texts(bench.list(max_keys="2", start_after="changed"), "Key") == ["deleted", "kept"]
    assert bench.head("new").status == 200
    bench.now += 30
    assert texts(bench.list(), "Key") == ["changed", "kept", "new", "new of a pod"]


def test_a_slow_list(bench: Bench) -> None:
    on(bench, list_slow={"next": 1, "value": 45})
    assert (bench.list().delay_s, bench.list().delay_s) == (45, 0)


def test_c37_a_prefix_that_is_a_file_is_echoed(bench: Bench) -> None:
    bench.put("file", b"12")
    assert texts(bench.list(prefix="file/"), "Key") == []
    on(bench, list_file_echoed=True)
    assert texts(bench.list(prefix="file/"), "Key") == ["file/"]
    assert texts(bench.list(prefix="none/"), "Key") == []


def test_the_hidden_area_may_be_listed(bench: Bench) -> None:
    upload = bench.begin("big")
    on(bench, list_uploads_shown=True)
    assert texts(bench.list(), "Key") == [f".s3compat_uploads/{upload}/about.json"]
