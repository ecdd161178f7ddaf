"""When a list of pods is evidence, and how often it is asked for. Faults 6, 7, 8, 9."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from providers.gate import Priority
from providers.interface import Need, Refused, Unavailable
from providers.listing import PAGES_MAX
from providers.runpod.account import OTHER
from providers.runpod.training import RunPodTraining
from providers.transport import HttpReply, HttpRequest, NoReply
from tests.support.providers.clocks import ManualClock
from tests.support.runpod_wire import SETTINGS, VOLUME, VOLUME_REPLY, Wire, account, page, pod, problem, reply

VOLUME_ROUTE = f"GET /network-volumes/{VOLUME}"


def training(wire: Wire) -> RunPodTraining:
    return RunPodTraining(account(wire))


def settled(wire: Wire, provider: RunPodTraining) -> RunPodTraining:
    """Let the doubt of a fresh start pass."""
    clock_of(provider).elapsed = 1000
    wire.asked.clear()
    return provider


def clock_of(provider: RunPodTraining) -> ManualClock:
    clock = provider.client.clock
    if not isinstance(clock, ManualClock):
        raise TypeError("another clock")
    return clock


def paged(pods: list[object], cursor: str | None) -> HttpReply:
    return reply({"pods": pods, "pagination": {"nextCursor": cursor, "hasNextPage": cursor is not None}})


async def test_every_page_is_read_and_the_whole_is_complete() -> None:
    wire = Wire()
    wire.on("GET /pods", paged([pod(1)], "a b"), paged([pod(2)], "c"), paged([pod(3)], None))
    listing = await training(wire).list_machines()
    assert listing.complete
    assert [m.id for m in listing.machines] == ["pod1", "pod2", "pod3"]
    queries = [parse_qs(urlsplit(r.url).query) for r in wire.asked if r.url.split("?")[0].endswith("/pods")]
    assert [q.get("cursor") for q in queries] == [None, ["a b"], ["c"]]


async def test_a_page_of_a_thousand_pods_with_all_their_variables_is_not_too_long() -> None:
    wire = Wire()
    wire.on("GET /pods", paged([], None))
    await training(wire).list_machines()
    assert min(r.reply_bytes_max for r in wire.asked if "/pods" in r.url) >= 1000 * 20_000


async def test_a_list_without_pages_is_complete() -> None:
    wire = Wire()
    wire.on("GET /pods", reply({"pods": [pod(1)]}))
    assert (await training(wire).list_machines()).complete


@pytest.mark.parametrize(
    "second",
    [
        problem(500),
        page(502),
        page(200),
        NoReply("cut"),
        reply({"pods": {}}),
        reply({"pods": [], "pagination": {"hasNextPage": True}}),
        paged([pod(1)], None),
        paged(["no pod"], None),
        paged([{"name": "no id"}], None),
        paged([pod(2)], "a"),
    ],
)
async def test_what_breaks_off_repeats_or_moves_is_not_complete(second: HttpReply | Exception) -> None:
    wire = Wire()
    wire.on("GET /pods", paged([pod(1)], "a"), second)
    listing = await training(wire).list_machines()
    assert not listing.complete
    assert "pod1" in [m.id for m in listing.machines]


async def test_a_list_without_end_is_left() -> None:
    wire, number = Wire(), iter(range(10_000))

    def another(_: HttpRequest) -> HttpReply:
        count = next(number)
        return paged([pod(count)], f"c{count}")

    wire.on("GET /pods", another)
    assert not (await training(wire).list_machines()).complete
    assert wire.routes().count("GET /pods") == PAGES_MAX


@pytest.mark.parametrize("first", [problem(401), problem(403), problem(404), page(200), reply([]), NoReply("x")])
async def test_without_a_first_page_there_is_no_listing(first: HttpReply | Exception) -> None:
    wire = Wire()
    wire.on("GET /pods", first)
    with pytest.raises(Unavailable):
        await training(wire).list_machines()


async def test_terminated_pods_are_not_listed() -> None:
    wire = Wire()
    wire.on("GET /pods", reply({"pods": [pod(1, status="TERMINATED"), pod(2)]}))
    assert [m.id for m in (await training(wire).list_machines()).machines] == ["pod2"]


async def test_the_account_is_confirmed_once_a_minute() -> None:
    wire = Wire()
    provider = settled(wire, training(wire))
    wire.on("GET /pods", reply({"pods": [pod(1)]}))
    for _ in range(3):
        assert (await provider.list_machines()).account == f"runpod:{VOLUME}"
        clock_of(provider).elapsed += 20
    assert wire.routes().count(VOLUME_ROUTE) == 1
    clock_of(provider).elapsed += 1
    await provider.list_machines()
    assert wire.routes().count(VOLUME_ROUTE) == 2


@pytest.mark.parametrize("answer", [problem(404), problem(401), problem(403)])
async def test_another_accounts_list_is_no_evidence_and_not_ours(answer: HttpReply) -> None:
    wire = Wire()
    wire.on(VOLUME_ROUTE, answer)
    wire.on("GET /pods", reply({"pods": [pod(1)]}))
    listing = await training(wire).list_machines()
    assert not listing.complete
    assert listing.account == OTHER


async def test_a_list_of_an_unconfirmed_account_is_not_complete() -> None:
    wire = Wire()
    wire.on(VOLUME_ROUTE, problem(500))
    wire.on("GET /pods", reply({"pods": [pod(1)]}))
    listing = await training(wire).list_machines()
    assert (listing.complete, listing.account) == (False, f"runpod:{VOLUME}")


async def test_everything_gone_at_once_is_believed_only_of_the_confirmed_account() -> None:
    wire = Wire()
    provider = settled(wire, training(wire))
    wire.on("GET /pods", reply({"pods": [pod(1), pod(2)]}), reply({"pods": [pod(9)]}))
    assert (await provider.list_machines()).complete
    wire.on(VOLUME_ROUTE, problem(404))
    clock_of(provider).elapsed += 5
    listing = await provider.list_machines()
    assert not listing.complete
    assert listing.account == OTHER


async def test_everything_gone_at_once_is_believed_when_the_account_is_the_same() -> None:
    wire = Wire()
    provider = settled(wire, training(wire))
    wire.on("GET /pods", reply({"pods": [pod(1)]}), reply({"pods": []}))
    await provider.list_machines()
    clock_of(provider).elapsed += 5
    assert (await provider.list_machines()).complete


async def test_while_a_create_may_show_an_empty_list_needs_the_account_read_after_it() -> None:
    wire = Wire()
    wire.on("GET /pods", reply({"pods": []}))
    wire.on(VOLUME_ROUTE, reply(VOLUME_REPLY), reply(VOLUME_REPLY), problem(404))
    provider = training(wire)  # a fresh start: an intent of the last run may be unanswered
    clock_of(provider).elapsed += 1
    assert (await provider.list_machines()).complete is True
    clock_of(provider).elapsed += 5
    assert (await provider.list_machines()).complete is False


async def test_listings_come_as_far_apart_as_the_quota_asks() -> None:
    wire = Wire()
    policy = '"minute";q=6;w=60'
    pages = [paged([pod(n)], f"c{n}" if n < 3 else None) for n in (1, 2, 3)]
    told = [
        p._replace(headers={**p.headers, "ratelimit-policy": policy, "ratelimit": '"minute";r=6;t=60'}) for p in pages
    ]
    wire.on("GET /pods", *told)
    provider = training(wire)
    assert provider.timings.list_interval_s == 5
    await provider.list_machines()
    assert provider.timings.list_interval_s == 3 / (6 / 60 / 2)


async def test_lists_are_left_the_calls_they_need_until_the_window_begins_anew() -> None:
    """Of 20 calls for 50 s: 11 for a list every 5 s and its looks at the account, 3 kept for ends, 6 for proofs."""
    wire = Wire()
    told = {"ratelimit": '"minute";r=20;t=50', "ratelimit_policy": '"minute";q=60;w=60'}
    wire.on(VOLUME_ROUTE, reply(VOLUME_REPLY, 200, **told))
    wire.on("GET /pods", reply({"pods": []}, 200, **told))
    provider = training(wire)
    await provider.list_machines()
    assert provider.client.calls_now(Priority.PROOF) == 6


async def test_what_a_cut_list_lacks_has_not_ended() -> None:
    """Fault 6. Ends by themselves are told from complete lists only."""
    wire = Wire()
    both, cut = reply({"pods": [pod(1), pod(2)]}), (paged([pod(2)], "next"), NoReply("cut"))
    wire.on("GET /pods", both, *cut, reply({"pods": [pod(1)]}))
    provider = training(wire)
    for complete in (True, False, True):
        assert (await provider.list_machines()).complete is complete
    assert await provider.next_exit() == "pod2"


async def test_a_fingerprint_is_asked_anew_and_says_what_to_check() -> None:
    wire = Wire()
    provider = training(wire)
    assert await provider.fingerprint() == f"runpod:{VOLUME}"
    clock_of(provider).elapsed += 1
    wire.on(VOLUME_ROUTE, problem(404))
    with pytest.raises(Refused, match="network_volume_id"):
        await provider.fingerprint()
    wire.on(VOLUME_ROUTE, problem(401))
    with pytest.raises(Refused, match="api_key"):
        await provider.fingerprint()
    for answer in (problem(500), page(404), reply({"id": "other"}), reply([]), NoReply("x")):
        wire.on(VOLUME_ROUTE, answer)
        with pytest.raises(Unavailable):
            await provider.fingerprint()


async def test_a_configured_place_where_the_volume_is_not_is_refused_before_anything_is_spent() -> None:
    wire = Wire()
    provider = RunPodTraining(account(wire, SETTINGS.model_copy(update={"data_center": "US-KS-2"})))
    with pytest.raises(Refused, match=r"lies in EU-RO-1, and US-KS-2 is configured"):
        await provider.offers(Need(size_mb=1, model_type="auto"))


async def test_the_place_is_the_volumes_or_the_configured_one() -> None:
    wire = Wire()
    assert await training(wire).account.place() == "EU-RO-1"
    wire.on(VOLUME_ROUTE, reply({**VOLUME_REPLY, "dataCenter": None}))
    with pytest.raises(Unavailable):
        await training(wire).account.place()
    configured = account(wire, SETTINGS.model_copy(update={"data_center": "US-KS-2"}))
    assert await RunPodTraining(configured).account.place() == "US-KS-2"


async def test_a_listing_and_its_account_are_equally_urgent() -> None:
    """Where a quota still has room for lists, it has room for what makes them evidence."""
    wire = Wire()
    low = reply({"pods": [pod()]}, ratelimit='"minute";r=5;t=60', ratelimit_policy='"minute";q=60;w=60')
    wire.on("GET /pods", low)
    provider = settled(wire, training(wire))
    await provider.list_machines()
    clock_of(provider).elapsed += 61
    provider.client.quota.answered(low.headers, provider.client.clock.monotonic())
    assert (await provider.list_machines()).complete
