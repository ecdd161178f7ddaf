"""A pod's life through the provider, on the emulated platform, in both dialects."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest

from messages.machines import Alive, Gone, MachineState, Unknown
from providers.interface import Ambiguous, Need, NoCapacity, NotFound, Refused, Unavailable
from tests.emulators.runpod.catalogue_data import CPUS
from tests.emulators.runpod.faults import Switch
from tests.emulators.runpod.settings import READ_KEY, Settings
from tests.integration.runpod.kit import House
from tests.support.runpod_sim import PLACE


@pytest.mark.parametrize("spec", ["2026-08", "2026-10"])
async def test_a_pod_is_rented_seen_ended_and_proven_gone(spec: str) -> None:
    house = House(Settings(spec=spec))  # type: ignore[arg-type]
    request, machine = await house.launched()
    assert house.living(request.name) == 1
    assert machine.account == await house.run(house.training.fingerprint())
    assert machine.machine_type == request.offer.machine_type
    assert (machine.gpu_count, machine.place) == (1, request.offer.place)
    assert machine.rate_usd_per_hour == request.offer.rate_usd_per_hour
    await house.clock.advance(30)
    seen = await house.run(house.training.describe(machine.id))
    assert seen.state is MachineState.RUNNING
    assert seen.uptime_s
    listing = await house.run(house.training.list_machines())
    assert listing.complete
    assert [m.id for m in listing.named(request.name)] == [machine.id]
    assert isinstance(await house.prove(machine), Alive)
    assert isinstance(await house.ended(machine), Gone)
    assert house.living(request.name) == 0
    with pytest.raises(NotFound):
        await house.run(house.training.describe(machine.id))
    await house.close()


async def test_closing_one_job_costs_few_calls(house: House) -> None:
    _, machine = await house.launched()
    await house.clock.advance(600)
    before = sum(house.platform.calls.values())
    await house.ended(machine)
    spent = sum(house.platform.calls.values()) - before
    assert spent - house.calls("pods.list") <= 5


async def test_offers_are_live_priced_and_lie_where_the_volume_lies(house: House) -> None:
    offers = await house.offers(Need(size_mb=10, model_type="linear"))
    assert {offer.place for offer in offers} == {"EU-RO-1"}
    assert offers[0].machine_type.startswith("cpu")
    assert all(offer.rate_usd_per_hour > 0 and offer.disk_usd_per_hour > 0 and offer.reason for offer in offers)
    [gpu] = await house.offers()
    assert gpu.id == "NVIDIA RTX A5000@EU-RO-1"
    assert gpu.rate_usd_per_hour == Decimal("0.27")


async def test_a_cpu_machine_can_be_rented_and_is_what_was_offered(house: House) -> None:
    [offer, *_] = await house.offers(Need(size_mb=10, model_type="linear"))
    request = (await house.request()).model_copy(update={"offer": offer})
    machine = await house.run(house.training.launch(request))
    assert (machine.machine_type, machine.gpu_count) == (offer.machine_type, 0)
    assert machine.rate_usd_per_hour == offer.rate_usd_per_hour
    await house.ended(machine)


async def test_only_the_lists_of_the_catalogue_that_come_into_question_are_asked_for(house: House) -> None:
    await house.offers(Need(size_mb=10, model_type="neural_network"))
    await house.offers(Need(size_mb=10, model_type="linear", machine="NVIDIA RTX A5000"))
    calls = house.platform.calls
    assert (calls["catalog.gpus"], calls["catalog.cpus"]) == (1, 0)


async def test_a_lone_order_of_a_cpu_model_costs_five_calls_beside_lists_and_confirmations(house: House) -> None:
    """A plan, minutes of thought, the order, the create, the end and its proof: the bar of "other calls per job"."""
    linear = Need(size_mb=10, model_type="linear")
    await house.offers(linear)
    await house.clock.advance(240)
    [offer, *_] = await house.offers(linear)
    request = (await house.request()).model_copy(update={"offer": offer})
    before = Counter(house.platform.calls)
    machine = await house.run(house.training.launch(request))
    await house.clock.advance(600)
    await house.ended(machine)
    spent = Counter(house.platform.calls) - before
    assert house.calls("catalog.cpus") == 1
    beside = {name: count for name, count in spent.items() if name not in ("pods.list", "volumes.get")}
    assert beside == {"pods.create": 1, "pods.delete": 1, "pods.get": 2}


async def test_the_catalogue_is_read_again_once_it_is_old(house: House) -> None:
    await house.offers()
    await house.clock.advance(301)
    await house.offers()
    assert house.calls("catalog.gpus") == 2


async def test_a_create_that_shows_other_stock_or_another_price_makes_the_catalogue_old_at_once(house: House) -> None:
    """The next plan must not offer the same again for minutes."""
    request = await house.request()
    await house.clock.advance(1)
    house.arm(capacity_none=Switch(True, calls=1))
    with pytest.raises(NoCapacity):
        await house.run(house.training.launch(request))
    await house.offers()
    await house.offers()
    assert house.calls("catalog.gpus") == 2
    house.heal()
    await house.clock.advance(1)
    house.arm(price_jump=Switch(1.5))
    machine = await house.run(house.training.launch(request))
    assert machine.rate_usd_per_hour != request.offer.rate_usd_per_hour
    await house.offers()
    assert house.calls("catalog.gpus") == 3
    house.heal()
    await house.run(house.training.launch(request))
    await house.offers()
    assert house.calls("catalog.gpus") == 3, "as offered: nothing to doubt"


async def test_a_configured_gpu_that_does_not_exist_is_named_where_nothing_else_fits() -> None:
    enough = House(default_gpu_type="RTX A5000")
    assert await enough.offers(Need(size_mb=10, model_type="linear")) != []
    await enough.close()
    house = House(Settings(stock={f"{cpu.id}@{PLACE}": 0 for cpu in CPUS}), default_gpu_type="RTX A5000")
    with pytest.raises(Refused, match=r"no GPU called 'RTX A5000'.*NVIDIA RTX A5000"):
        await house.offers(Need(size_mb=10, model_type="xgboost"))
    assert await house.offers(Need(size_mb=2_000, model_type="xgboost")) != []
    assert await house.offers(Need(size_mb=10, model_type="xgboost", machine="no such")) == []
    await house.close()


async def test_without_a_catalogue_nothing_is_offered_at_a_guessed_price(house: House) -> None:
    house.arm(outage=Switch("503", on=("catalog.*",)))
    with pytest.raises(Unavailable):
        await house.offers()


@pytest.mark.parametrize("loss", ["500", "502", "timeout", "reset", "garbage"])
async def test_a_lost_create_answer_is_ambiguous_and_the_pod_shows_in_a_listing(house: House, loss: str) -> None:
    request = await house.request()
    house.arm(create_accept_then=Switch(loss, calls=1))
    with pytest.raises(Ambiguous):
        await house.run(house.training.launch(request))
    [found] = (await house.run(house.training.list_machines())).named(request.name)
    assert house.living(request.name) == 1
    await house.ended(found)


async def test_no_capacity_and_a_denied_type_go_to_the_next_offer(house: House) -> None:
    request = await house.request()
    house.arm(capacity_none=Switch(True, calls=1))
    with pytest.raises(NoCapacity):
        await house.run(house.training.launch(request))
    house.arm(create_denied=Switch(("NVIDIA RTX*",), calls=1))
    with pytest.raises(NoCapacity):
        await house.run(house.training.launch(request))
    assert house.living(request.name) == 0


async def test_a_key_that_may_not_is_refused(house: House) -> None:
    request = await house.request()
    house.arm(auth_revoke=Switch(True))
    with pytest.raises(Refused):
        await house.run(house.training.launch(request))
    with pytest.raises(Refused):
        await house.run(house.training.fingerprint())
    with pytest.raises(Unavailable):
        await house.run(house.training.list_machines())


async def test_a_substitute_says_what_it_is(house: House) -> None:
    request = await house.request()
    house.arm(create_substitute=Switch("zero_gpus", calls=1))
    machine = await house.run(house.training.launch(request))
    assert machine.gpu_count == 0
    await house.ended(machine)


async def test_a_delete_that_is_acknowledged_and_ignored_is_repeated_by_another_route(house: House) -> None:
    request, machine = await house.launched()
    house.arm(delete_ack_ignored=Switch(True, on=("pods.delete",)))
    assert isinstance(await house.ended(machine), Gone)
    assert house.living(request.name) == 0
    assert house.calls("pods.action.terminate") == 1


async def test_a_delete_that_fails_leaves_two_other_routes(house: House) -> None:
    request, machine = await house.launched()
    house.arm(delete_fail=Switch(500, on=("pods.delete", "pods.action.terminate")))
    assert isinstance(await house.ended(machine), Gone)
    assert house.living(request.name) == 0
    assert house.calls("graphql.podTerminate") == 1


async def test_not_found_right_after_the_create_is_no_end(house: House) -> None:
    request, machine = await house.launched()
    house.arm(delete_404_then_visible=Switch(True, calls=1), get_404_for=Switch(30.0), list_lag=Switch(30.0))
    await house.run(house.training.terminate(machine.id))
    assert isinstance(await house.prove(machine), Alive)
    await house.ended(machine)
    assert house.living(request.name) == 0


async def test_an_ended_pod_that_lists_still_show_is_not_proven_gone_before_they_stop(house: House) -> None:
    """Fault 3, the other way round: a list that lags behind an end. The pod counts as billing meanwhile."""
    _, machine = await house.launched()
    await house.clock.advance(600)
    house.arm(list_ghosts=Switch(90.0))
    began = house.clock.elapsed
    await house.run(house.training.terminate(machine.id))
    assert house.living(machine.name) == 0
    assert isinstance(await house.prove(machine), Alive)
    assert isinstance(await house.ended(machine), Gone)
    assert house.clock.elapsed - began > 90


async def test_a_pod_that_somebody_starts_again_without_its_gpu_says_so_and_is_ended_like_any_other(
    house: House,
) -> None:
    """Nothing here starts a stopped pod; a person may, in the console, and gets what is left (fact sheet 2.6)."""
    _, machine = await house.launched()
    await house.clock.advance(60)
    await house.act(machine, "stop")
    house.arm(start_zero_gpus=Switch(True))
    await house.act(machine, "start")
    await house.clock.advance(60)
    [seen] = (await house.run(house.training.list_machines())).named(machine.name)
    assert (seen.gpu_count, seen.state) == (0, MachineState.RUNNING)
    assert isinstance(await house.ended(machine), Gone)
    assert house.living(machine.name) == 0


async def test_another_accounts_silence_proves_nothing(house: House) -> None:
    request, machine = await house.launched()
    await house.clock.advance(600)
    house.arm(auth_switch_account=Switch("user_other"))
    assert isinstance(await house.prove(machine), Unknown)
    assert not (await house.run(house.training.list_machines())).complete
    assert house.living(request.name) == 1
    house.heal()
    assert isinstance(await house.prove(machine), Alive)
    await house.ended(machine)


async def test_an_empty_list_while_pods_live_proves_nothing(house: House) -> None:
    _, machine = await house.launched()
    await house.clock.advance(600)
    house.arm(list_empty_once=Switch(True, calls=1))
    assert isinstance(await house.prove(machine), Alive)
    await house.ended(machine)


async def test_lists_in_pages_that_break_are_not_complete() -> None:
    house = House(Settings(pagination=True))
    for number in range(3):
        await house.launched(number)
    for fault in ({"list_mid_500": Switch(True)}, {"list_repeat_cursor": Switch(True)}):
        house.arm(foreign_pods=Switch(1100), **fault)
        assert not (await house.run(house.training.list_machines())).complete
        house.heal()
    listing = await house.run(house.training.list_machines())
    assert listing.complete
    assert len(listing.machines) == len({m.id for m in listing.machines}) > 1000
    await house.close()


async def test_an_hour_of_outage_ends_nothing_and_passes(house: House) -> None:
    request, machine = await house.launched()
    await house.clock.advance(200)
    house.arm(outage=Switch("hang", for_s=3600.0))
    until = house.clock.elapsed + 3600
    while house.clock.elapsed < until:
        assert isinstance(await house.prove(machine), Unknown)
        with pytest.raises(Unavailable):
            await house.run(house.training.list_machines())
        await house.clock.advance(30)
    assert house.living(request.name) == 1
    await house.clock.advance(60)
    assert isinstance(await house.ended(machine), Gone)


@pytest.mark.parametrize(
    "faults",
    [
        {"status_word": Switch("MIGRATING")},
        {"status_flap": Switch(("RUNNING", "", "EXITED"))},
        {"runtime_null": Switch(True)},
        {"cost_string": Switch(True)},
        {"fields_new": Switch(True)},
        {"list_strip_env": Switch(True)},
        {"clock_skew": Switch(3600.0)},
    ],
)
async def test_odd_readings_are_alive_and_break_nothing(house: House, faults: dict[str, Switch[object]]) -> None:
    request, machine = await house.launched()
    await house.clock.advance(200)
    house.arm(**faults)
    for _ in range(3):
        listing = await house.run(house.training.list_machines())
        assert listing.complete
        [seen] = listing.named(request.name)
        assert seen.state is not MachineState.GONE
        assert seen.rate_usd_per_hour is None or seen.rate_usd_per_hour > 0
    assert isinstance(await house.prove(machine), Alive)
    assert isinstance(await house.ended(machine), Gone)


@pytest.mark.parametrize(
    "faults",
    [
        {"edge_html200": Switch(True, calls=2)},
        {"edge_cut_json": Switch(True, calls=2)},
        {"edge_cloudflare_1010": Switch(True, calls=2)},
        {"redirect_evil": Switch("https://evil.example/", calls=2)},
        {"body_endless": Switch(True, calls=2)},
        {"body_bomb": Switch(50_000_000, calls=2)},
        {"body_drip": Switch(1.0, calls=2)},
    ],
)
async def test_what_stands_before_the_platform_is_never_evidence(
    house: House, faults: dict[str, Switch[object]]
) -> None:
    request, machine = await house.launched()
    await house.clock.advance(200)
    house.arm(**faults)
    assert isinstance(await house.prove(machine), Alive | Unknown)
    house.heal()
    assert isinstance(await house.ended(machine), Gone)
    assert house.living(request.name) == 0


@pytest.mark.parametrize("window", ["ratelimit_minute", "ratelimit_hour", "ratelimit_day"])
async def test_a_used_up_quota_delays_and_loses_nothing(house: House, window: str) -> None:
    request, machine = await house.launched()
    await house.clock.advance(200)
    house.arm(**{window: Switch(True, for_s=300.0)})
    with pytest.raises(Unavailable):
        await house.run(house.training.list_machines())
    assert isinstance(await house.ended(machine), Gone)
    assert house.clock.elapsed < 200 + 300 + 300
    assert house.living(request.name) == 0


async def test_many_ends_leave_quota_for_terminates_and_share_their_listings() -> None:
    house = House(Settings(quotas={"minute": 120}, stock_default=100))
    machines = [(await house.launched(number))[1] for number in range(20)]
    await house.clock.advance(600)
    before = house.calls("pods.list")
    for machine in machines:
        await house.run(house.training.terminate(machine.id))
    for machine in machines:
        assert isinstance(await house.ended(machine), Gone)
    assert house.calls("pods.list") - before <= 20
    assert house.platform.answers["pods.delete 429"] == 0
    await house.close()


async def test_a_key_that_only_reads_launches_and_ends_nothing() -> None:
    house = House(api_key=READ_KEY)
    request = await house.request()
    with pytest.raises(NoCapacity):
        await house.run(house.training.launch(request))
    with pytest.raises(Refused):
        await house.run(house.training.terminate("x"))
    await house.close()


async def test_an_account_that_is_empty_is_confirmed_once_a_minute_and_not_at_every_listing(house: House) -> None:
    _, machine = await house.launched()
    await house.clock.advance(600)
    await house.ended(machine)
    await house.run(house.training.list_machines())
    before = house.calls("volumes.get")
    for _ in range(24):
        await house.clock.advance(5)
        assert (await house.run(house.training.list_machines())).complete
    assert house.calls("volumes.get") - before <= 2


async def test_a_plan_for_a_model_without_gpu_reads_one_list_while_flavours_are_in_stock(house: House) -> None:
    """design.md 12: at most five calls beside listings for a job that closes; a plan's own reads are among them."""
    offers = await house.offers(Need(size_mb=10, model_type="linear"))
    assert len(offers) >= 3
    assert (house.calls("catalog.cpus"), house.calls("catalog.gpus")) == (1, 0)
    await house.offers()
    assert (house.calls("catalog.cpus"), house.calls("catalog.gpus")) == (1, 1)
