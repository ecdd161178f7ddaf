"""A page is read pod by pod, and says what plain JSON says, whatever was known of its pods before."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.runpod.boot import BOOT_SOURCE, start_args
from providers.runpod.codec import read_page, read_pod
from providers.runpod.pages import PageReader
from providers.runpod.problems import Unreadable, parse_json
from tests.support.runpod_wire import pod

WORDS = st.sampled_from(
    ["", "x", "RUNNING", '"runtime":', '", "runtime": {"uptime": 9}', "\\", "ä", "runtime", "\ud800"]
)
TEXTS = WORDS | st.just("long " * 300) | st.just('long "runtime": ' * 200)
RUNTIMES: st.SearchStrategy[Any] = st.sampled_from(
    [None, {}, {"uptime": 0}, {"uptime": 7, "gpus": [{"util": 1}]}, {"uptime": "8"}, [], "x"]
)
PODS = st.fixed_dictionaries(
    {"id": st.sampled_from(["p1", "p2", "p3", "p 4", "p\\5"]), "name": st.sampled_from(["lc1-a", "lc1-b", "theirs"])},
    optional={
        "status": WORDS,
        "args": TEXTS,
        "env": st.dictionaries(st.sampled_from(["runtime", "args", "A", "LASTCALL_BOOT"]), TEXTS, max_size=3),
        "cost": st.sampled_from([0, 0.27, "0.3", None]),
        "runtime": RUNTIMES,
        "more": st.dictionaries(st.sampled_from(["runtime", "id"]), RUNTIMES, max_size=2),
        "dataCenterId": st.sampled_from(["EU-RO-1", None]),
    },
)
ITEMS: st.SearchStrategy[list[Any]] = st.lists(PODS | st.sampled_from([None, 1, "x", {}, [], {"id": 5}]), max_size=4)
SHAPES = st.sampled_from([(", ", ": "), (",", ":"), (" ,\n", "\t: ")])


def body(items: list[Any], shape: tuple[str, str] = (", ", ": "), **more: Any) -> bytes:
    """Return a page; lone surrogates can only be written escaped."""
    plain = not any("\\ud" in json.dumps(item) for item in items)
    text = json.dumps({"pods": items, **more}, separators=shape, ensure_ascii=not (plain and len(shape[0]) == 1))
    return text.encode()


def ours(number: int, uptime_s: int = 5, **more: Any) -> dict[str, Any]:
    """Return a pod as long as they are."""
    variables = {"LASTCALL_BOOT": BOOT_SOURCE, "LASTCALL_MACHINE": f"lc1-{number}"}
    shown = pod(number, f"lc1-{number}", args=start_args(), env=variables)
    return {**shown, "runtime": {"uptime": uptime_s, "gpus": []}, "createdAt": "2026-11-01T00:00:00Z", **more}


async def read(reader: PageReader, text: bytes) -> Any:
    """Read a whole list of one page."""
    reader.begin()
    return await reader.read(text)


@settings(deadline=None, max_examples=300)
@given(lists=st.lists(ITEMS, min_size=1, max_size=4), shape=SHAPES)
async def test_it_says_what_plain_json_says_whatever_was_known(lists: list[list[Any]], shape: tuple[str, str]) -> None:
    reader = PageReader()
    for items in (*lists, lists[-1], lists[0]):
        text = body(items, shape)
        value = read_page(parse_json(text), "pods")
        plain = [] if value is None else [one for item in value.items if (one := read_pod(item)) is not None]
        page = await read(reader, text)
        assert page.pods == plain
        assert page.whole is (len(plain) == len(items))


@settings(deadline=None, max_examples=300)
@given(data=st.data())
async def test_it_takes_what_plain_json_takes(data: st.DataObject) -> None:
    """Whatever is cut off, left out or put in between."""
    reader = PageReader()
    text = body([ours(1), ours(2)], pagination={"nextCursor": "c", "hasNextPage": True})
    await read(reader, text)
    at = data.draw(st.integers(0, 60) | st.integers(len(text) - 300, len(text)))
    spoiled = text[:at] + data.draw(st.sampled_from([b"", b"]", b"}", b",", b'"', b" ", b"[", b"NaN", b"1e5", b"\xff"]))
    spoiled += text[at + data.draw(st.integers(0, 2)) :] if data.draw(st.booleans()) else b""
    try:
        value = parse_json(spoiled)
    except Unreadable:
        with pytest.raises(Unreadable):
            await read(reader, spoiled)
        return
    plain, page = read_page(value, "pods"), await read(reader, spoiled)
    assert (page is None) is (plain is None)
    if page is not None and plain is not None:
        assert (page.pods, page.cursor) == ([p for item in plain.items if (p := read_pod(item))], plain.cursor)


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ('{"pods": [], "pods": [{"id": "a"}]}', ["a"]),
        ('{"pods": [{"id": "a"}], "pods": 5}', None),
        (' {\n"x": [1] , "pods" : [ {"id": "a"} , {"id": "b"} ] } ', ["a", "b"]),
        ("[]", None),
        ("5", None),
        ("{}", None),
        ('{"pods": {}}', None),
        ('{"pods": [], "pagination": {"hasNextPage": true}}', None),
    ],
)
async def test_odd_pages_are_read_like_any_other_json(text: str, read_as: list[str] | None) -> None:
    page = await read(PageReader(), text.encode())
    assert (None if page is None else [one.id for one in page.pods]) == read_as


async def test_only_what_changed_is_decoded_anew() -> None:
    reader = PageReader()
    await read(reader, body([ours(n, 5) for n in range(20)]))
    assert reader.decoded == 20
    page = await read(reader, body([ours(n, 65 + n) for n in range(20)]))
    assert reader.decoded == 20
    assert [one.uptime_s for one in page.pods] == [65.0 + n for n in range(20)]
    changed = [ours(n, 70, **({"status": "EXITED", "cost": 0} if n == 7 else {})) for n in range(20)]
    page = await read(reader, body(changed))
    assert reader.decoded == 21
    assert [one.status for one in page.pods].count("EXITED") == 1
    assert page.pods[7].rate_usd_per_hour is None


@pytest.mark.parametrize("field", ["name", "status", "cost", "gpu", "dataCenterId", "env", "createdAt"])
async def test_no_change_before_or_behind_the_runtime_is_missed(field: str) -> None:
    reader = PageReader()
    before, after = ours(1), ours(1) | {field: "another"}
    await read(reader, body([before]))
    assert (await read(reader, body([after]))).pods == [read_pod(parse_json(json.dumps(after).encode()))]
    assert reader.decoded == 2


async def test_another_fields_runtime_is_not_taken_for_the_pods() -> None:
    reader = PageReader()
    for hours in (5, 7):
        shown = {"id": "p1", "name": "lc1-a", "more": {"runtime": {"uptime": hours}}, "runtime": {"uptime": 5}}
        assert [one.uptime_s for one in (await read(reader, body([shown]))).pods] == [5.0]


async def test_pods_are_known_wherever_they_stand() -> None:
    reader = PageReader()
    await read(reader, body([ours(n) for n in range(10)]))
    page = await read(reader, body([ours(n) for n in (7, 3, 9, 1)]))
    assert [one.id for one in page.pods] == ["pod7", "pod3", "pod9", "pod1"]
    assert reader.decoded == 10


async def test_a_pod_that_is_listed_no_more_is_forgotten() -> None:
    reader = PageReader()
    await read(reader, body([ours(1), ours(2)]))
    await read(reader, body([ours(2)]))
    await read(reader, body([ours(1), ours(2)]))
    assert reader.decoded == 3


async def test_other_peoples_pods_are_not_kept() -> None:
    reader = PageReader()
    theirs = [ours(n) | {"name": "theirs", "args": f"{n}" * 5_000} for n in range(5)]
    for _ in range(2):
        await read(reader, body(theirs))
    assert reader.decoded == 10


async def test_what_all_pods_share_is_kept_once() -> None:
    reader = PageReader()
    text = body([ours(n) for n in range(300)])
    tracemalloc.start()
    await read(reader, text)
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(text) / 300 > 8_000
    assert kept / 300 < 2_500


async def test_a_long_page_lets_others_run_in_between() -> None:
    reader, turns = PageReader(), 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    text = body([ours(n) for n in range(600)])
    beside = asyncio.create_task(others())
    await read(reader, text)
    decoded_turns = turns
    await read(reader, text)
    beside.cancel()
    assert decoded_turns >= len(text) / (1 << 20)
    assert turns - decoded_turns >= 2
