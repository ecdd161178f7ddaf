"""Every switch of the emulated endpoint, and what comes of it. C-numbers are those of the fault catalogue."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from providers.interface import Conflict, NotFound, Refused, Unavailable
from providers.s3.errors import ClockWrong, KeyWrong, RegionWrong, StorageFull, TooLarge, Unclear
from providers.s3.xml import Part
from tests.emulators.runpod.wire import Request, Response
from tests.support.s3 import BEGIN, MIB, EmulatedVolume, content, pieces

DATA = os.urandom(MIB) * 20
SMALL = b"one,two\n1,2\n"
NAMES = ["a.txt", "a/1", "a/sub/x", "b"]
Act = Callable[[EmulatedVolume], Awaitable[Any]]


def put(data: bytes, key: str = "new") -> Act:
    return lambda volume: volume.storage.put(key, pieces(data))


def get(key: str = "kept") -> Act:
    return lambda volume: content(volume.storage.get(key))


def stat(key: str = "kept") -> Act:
    return lambda volume: volume.storage.stat(key)


def delete(key: str = "kept") -> Act:
    return lambda volume: volume.storage.delete(key)


async def keys(volume: EmulatedVolume, prefix: str = "") -> list[str]:
    return [info.key async for info in volume.storage.list(prefix)]


@pytest.fixture
async def kept(volume: EmulatedVolume) -> EmulatedVolume:
    """A volume with one large object."""
    await volume.storage.put("kept", pieces(DATA))
    return volume


@pytest.mark.parametrize("word", ["403", "502", "503"])
@pytest.mark.parametrize("act", [put(SMALL), put(DATA), get(), stat(), delete(), keys], ids=range(6))
async def test_a_passing_refusal_is_asked_again(kept: EmulatedVolume, word: str, act: Act) -> None:
    kept.faulty(transient={"next": 2, "value": word})
    await act(kept)
    assert kept.s3.faults.transient.hits == 2


@pytest.mark.parametrize("word", ["reset", "503", "hang"])
@pytest.mark.parametrize("act", [put(SMALL), put(DATA), get(), stat(), delete(), keys], ids=range(6))
async def test_an_outage_is_unavailable_and_passes(kept: EmulatedVolume, word: str, act: Act) -> None:
    kept.faulty(outage={"always": True, "value": word})
    with pytest.raises(Unavailable):
        await act(kept)
    kept.faulty(outage=False)
    await act(kept)


async def test_no_question_hangs_for_longer_than_its_time_allows(kept: EmulatedVolume) -> None:
    kept.faulty(outage={"always": True, "value": "hang"})
    began = kept.clock.monotonic()
    with pytest.raises(Unavailable):
        await kept.storage.stat("kept")
    assert kept.clock.monotonic() - began < 3 * kept.settings.call_s


@pytest.mark.parametrize("act", [put(SMALL), put(DATA), get(), stat(), keys], ids=range(5))
@pytest.mark.parametrize(
    ("fault", "error", "word"),
    [("clock_skew", ClockWrong, "clock"), ("wrong_region", RegionWrong, "region")],
)
async def test_a_wrong_clock_and_a_wrong_region_are_named_c39(
    kept: EmulatedVolume, fault: str, error: type[Refused], word: str, act: Act
) -> None:
    kept.faulty(**{fault: True})
    with pytest.raises(error, match=word):
        await act(kept)


@pytest.mark.parametrize("act", [put(SMALL), get(), stat(), keys], ids=range(4))
async def test_every_answer_tells_the_stores_time(act: Act) -> None:
    volume = EmulatedVolume()
    assert volume.storage.clock_off_s() is None
    with suppress(NotFound):
        await act(volume)
    assert volume.storage.clock_off_s() == pytest.approx(0, abs=1)


async def test_a_region_of_another_place_is_named_c39() -> None:
    volume = EmulatedVolume(region="US-KS-2")
    with pytest.raises(RegionWrong):
        await volume.storage.probe()


@pytest.mark.parametrize("wrong", [{"access_key": "user_b"}, {"secret_key": "rps_other"}], ids=["key", "secret"])
async def test_a_wrong_key_is_named_and_no_secret_is_told(wrong: dict[str, str]) -> None:
    volume = EmulatedVolume(**wrong)
    for act in (volume.storage.probe(), volume.storage.stat("x")):
        with pytest.raises(KeyWrong) as caught:
            await act
        assert "rps_" not in str(caught.value)
    assert "rps_" not in repr(volume.settings)
    assert "user_" not in repr(volume.settings)


@pytest.mark.parametrize("data", [SMALL, DATA], ids=["small", "large"])
async def test_a_full_volume_is_named_and_keeps_no_part_c38(kept: EmulatedVolume, data: bytes) -> None:
    kept.faulty(full=True)
    with pytest.raises(StorageFull, match="volume is full"):
        await kept.storage.put("new", pieces(data))
    kept.faulty(full=False)
    assert kept.paths() == ["kept"]


async def test_a_volume_that_fills_up_on_the_way_keeps_no_part_c38(kept: EmulatedVolume) -> None:
    kept.faulty(full={"always": True, "operation": "UploadPart"})
    with pytest.raises(StorageFull):
        await kept.storage.put("new", pieces(DATA))
    assert kept.paths() == ["kept"]


@pytest.mark.parametrize("fault", ["truncated", "vanished"])
@pytest.mark.parametrize("data", [SMALL, DATA], ids=["small", "large"])
async def test_what_is_short_or_not_there_is_an_error_c36(volume: EmulatedVolume, fault: str, data: bytes) -> None:
    volume.faulty(**{fault: True})
    with pytest.raises(Unavailable):
        await volume.storage.put("new", pieces(data))
    volume.faulty(**{fault: False})
    assert volume.paths() == []


@pytest.mark.parametrize("word", ["524", "502", "timeout", "reset"])
@pytest.mark.parametrize("before", [False, True], ids=["new", "replaced"])
async def test_a_lost_complete_is_settled_by_a_look_and_nothing_is_sent_twice_c35(
    volume: EmulatedVolume, word: str, before: bool
) -> None:
    if before:
        volume.files.put("new", bytes(len(DATA)), BEGIN.timestamp())
    volume.faulty(complete_lost={"next": 1, "value": word})
    assert (await volume.storage.put("new", pieces(DATA))).size_bytes == len(DATA)
    assert volume.files.read("new") == DATA
    assert volume.transport.sent_bytes < 1.1 * len(DATA)
    assert volume.paths() == ["new"]


async def test_a_complete_that_takes_longer_than_its_time_is_found_done_c35(volume: EmulatedVolume) -> None:
    volume.faulty(complete_slow={"always": True, "value": 600})
    await volume.storage.put("new", pieces(DATA))
    assert volume.files.read("new") == DATA


async def test_a_merge_that_goes_on_behind_a_lost_answer_is_waited_for_c35(volume: EmulatedVolume) -> None:
    real = volume.client.complete
    merges: list[asyncio.Future[None]] = []

    async def merging(key: str, upload_id: str, parts: Sequence[Part], total_s: float, *, absent: bool = False) -> None:
        async def later() -> None:
            await asyncio.sleep(45)
            await real(key, upload_id, parts, total_s, absent=absent)

        merges.append(asyncio.ensure_future(later()))
        raise Unclear("complete: 524")

    volume.client.complete = merging  # type: ignore[method-assign]
    assert (await volume.storage.put("new", pieces(DATA))).size_bytes == len(DATA)
    await asyncio.gather(*merges)
    assert len(merges) == 1
    assert volume.files.read("new") == DATA


async def test_a_complete_that_did_nothing_never_passes_for_an_older_object_c35(volume: EmulatedVolume) -> None:
    old = bytes(len(DATA))
    volume.files.put("new", old, BEGIN.timestamp())
    volume.faulty(outage={"always": True, "value": "hang", "operation": "CompleteMultipartUpload"})
    with pytest.raises(Unavailable):
        await volume.storage.put("new", pieces(DATA))
    assert volume.files.read("new") == old
    assert volume.paths() == ["new"]


async def test_lost_parts_are_an_error_and_leave_nothing(volume: EmulatedVolume) -> None:
    volume.faulty(parts_lost=True)
    with pytest.raises(Unavailable):
        await volume.storage.put("new", pieces(DATA))
    assert volume.paths() == []


async def test_a_stalled_part_is_sent_again_c42(volume: EmulatedVolume) -> None:
    volume.faulty(stalled={"next": 1, "operation": "UploadPart"})
    await volume.storage.put("new", pieces(DATA))
    assert volume.files.read("new") == DATA


async def test_a_body_that_the_edge_never_takes_is_refused_c42(volume: EmulatedVolume) -> None:
    volume.faulty(too_large={"always": True, "value": 5})
    for data in (SMALL, DATA):
        with pytest.raises(TooLarge):
            await volume.storage.put("new", pieces(data))
    assert volume.paths() == []


async def test_a_cut_download_goes_on_where_it_broke(kept: EmulatedVolume) -> None:
    kept.faulty(cut={"next": 3})
    assert await content(kept.storage.get("kept")) == DATA


async def test_a_download_that_is_cut_for_ever_ends(kept: EmulatedVolume) -> None:
    kept.faulty(outage={"always": True, "value": "reset", "operation": "GetObject"})
    with pytest.raises(Unavailable):
        await content(kept.storage.get("kept"))


async def test_a_flipped_bit_shows_in_the_digest_c40(volume: EmulatedVolume) -> None:
    """The caller compares; a copy tells the digest of what it can read."""
    info = await volume.storage.put("source", pieces(SMALL))
    volume.faulty(bit_flipped=True)
    assert (await volume.storage.copy("source", "target")).sha256 != info.sha256


@pytest.mark.parametrize("word", ["524", "502", "timeout", "reset"])
async def test_a_lost_delete_is_done_c41(kept: EmulatedVolume, word: str) -> None:
    kept.faulty(delete_lost={"always": True, "value": word})
    await kept.storage.delete("kept")
    assert kept.paths() == []


@pytest.mark.parametrize(
    "fault",
    [
        {"list_prefix_ignored": True},
        {"list_empty": True},
        {"list_duplicates": True},
        {"list_file_echoed": True},
        {"list_uploads_shown": True},
        {"list_prefix_ignored": True, "list_duplicates": True, "list_uploads_shown": True},
    ],
    ids=lambda fault: "+".join(fault),
)
async def test_a_listing_is_right_through_what_the_endpoint_does_c37(
    volume: EmulatedVolume, fault: dict[str, object]
) -> None:
    for name in NAMES:
        await volume.storage.put(name, pieces(b"x"))
    await volume.client.create_upload("unfinished")
    await volume.storage.put("gone/file", pieces(b"x"))
    await volume.storage.delete("gone/file")
    volume.faulty(**fault)
    assert await keys(volume) == NAMES
    assert await keys(volume, "a/") == ["a/1", "a/sub/x"]
    assert await keys(volume, "a") == ["a.txt", "a/1", "a/sub/x"]
    assert await keys(volume, "a/s") == ["a/sub/x"]
    assert await keys(volume, "b/") == []
    assert await keys(volume, "gone/") == []


async def many(volume: EmulatedVolume, count: int) -> list[str]:
    names = [f"many/{number % 7}/{number:05d}" for number in range(count)]
    for name in names:
        volume.files.put(name, b"", volume.clock.now().timestamp())
    return sorted(names)


async def test_a_listing_of_many_pages_is_whole_and_each_key_comes_once(volume: EmulatedVolume) -> None:
    names = await many(volume, 3100)
    volume.faulty(list_duplicates=True)
    assert await keys(volume) == names
    volume.faulty(list_prefix_ignored=True)
    assert await keys(volume, "many/3") == [name for name in names if name.startswith("many/3")]


async def test_a_listing_that_strays_does_not_read_the_whole_volume(volume: EmulatedVolume) -> None:
    await many(volume, 6000)
    await volume.storage.put("z/one", pieces(b"x"))
    volume.faulty(list_prefix_ignored=True)
    before = volume.transport.calls["GET"]
    assert await keys(volume, "z/") == ["z/one"]
    assert volume.transport.calls["GET"] - before == 2


async def test_a_listing_in_circles_is_walked_or_unavailable_c37(volume: EmulatedVolume) -> None:
    names = await many(volume, 3100)
    volume.faulty(list_token_repeated=True)
    assert await keys(volume) == names, "each folder fits on a page"
    for number in range(2500):
        volume.files.put(f"wide/{number:05d}", b"", 0.0)
    with pytest.raises(Unavailable):
        await keys(volume, "wide/")


async def test_a_stale_list_says_what_was(volume: EmulatedVolume) -> None:
    """Lists are never evidence: what was just written is known by its key."""
    await volume.storage.put("old", pieces(b"x"))
    await asyncio.sleep(60)
    await volume.storage.put("young", pieces(b"x"))
    volume.faulty(list_stale=True)
    assert await keys(volume) == ["old"]
    assert (await volume.storage.stat("young")).size_bytes == 1


async def test_a_list_that_takes_too_long_is_unavailable(volume: EmulatedVolume) -> None:
    await volume.storage.put("x", pieces(b"x"))
    volume.faulty(list_slow={"always": True, "value": 10})
    assert await keys(volume) == ["x"]
    volume.faulty(list_slow={"always": True, "value": 1000})
    with pytest.raises(Unavailable):
        await keys(volume)


async def test_a_volume_that_is_not_there_is_refused() -> None:
    volume = EmulatedVolume(bucket="another1")
    with pytest.raises(Refused) as caught:
        await volume.storage.stat("x")
    assert not isinstance(caught.value, NotFound)


def losing(volume: EmulatedVolume, monkeypatch: pytest.MonkeyPatch, *, stores: bool = True) -> None:
    """Carry out every PUT, or none, and lose every answer to one."""
    handle = volume.transport.handle

    def lost(request: Request, now: float) -> Response:
        if request.method != "PUT":
            return handle(request, now)
        answer = handle(request, now) if stores else Response(200, {})
        return replace(answer, lost="reset")

    monkeypatch.setattr(volume.transport, "handle", lost)


@pytest.mark.parametrize("exclusive", [False, True])
async def test_a_small_object_that_was_stored_without_an_answer_counts_as_stored(
    volume: EmulatedVolume, monkeypatch: pytest.MonkeyPatch, exclusive: bool
) -> None:
    """Fault 35: told as not stored, a repeated exclusive put would find it and say that it is somebody else's."""
    losing(volume, monkeypatch)
    info = await volume.storage.put("jobs/spec.json", pieces(SMALL), exclusive=exclusive)
    assert (info.size_bytes, info.sha256) == (len(SMALL), hashlib.sha256(SMALL).hexdigest())


@pytest.mark.parametrize("honoured", [False, True])
async def test_of_two_exclusive_puts_the_first_wins_whether_or_not_the_endpoint_heeds_conditions(
    volume: EmulatedVolume, honoured: bool
) -> None:
    """Undocumented, so nothing here counts on it; an endpoint that heeds them one day breaks nothing."""
    volume.faulty(condition_honoured=honoured)
    await volume.storage.put("first", pieces(SMALL), exclusive=True)
    with pytest.raises(Conflict):
        await volume.storage.put("first", pieces(b"other"), exclusive=True)
    await volume.storage.put("first", pieces(b"replaced"))
    assert volume.files.read("first") == b"replaced"


async def test_an_older_object_of_the_same_size_does_not_count_as_what_was_sent(
    volume: EmulatedVolume, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = bytes(reversed(SMALL))
    await volume.storage.put("control.json", pieces(older))
    losing(volume, monkeypatch, stores=False)
    with pytest.raises(Unavailable):
        await volume.storage.put("control.json", pieces(SMALL))
    assert volume.files.read("control.json") == older


async def test_a_range_that_begins_behind_what_was_asked_for_is_no_content(
    volume: EmulatedVolume, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The missing bytes would be made up for by those of the next range: as long as it should be, and wrong."""
    data = os.urandom(100)
    await volume.storage.put("kept", pieces(data))
    handle = volume.transport.handle

    def late(request: Request, now: float) -> Response:
        answer = handle(request, now)
        if answer.status != 206:
            return answer
        said = {**answer.headers, "content-range": "bytes 10-109/110", "content-length": "100"}
        return replace(answer, headers=said, body=data)

    monkeypatch.setattr(volume.transport, "handle", late)
    with pytest.raises(Unavailable, match="behind"):
        await content(volume.storage.get("kept"))
