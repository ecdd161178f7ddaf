"""The fake cloud: its clock, its faults, its books."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from messages.folder import Started
from messages.jobs import ResultMarker
from messages.machines import Alive, Gone, LaunchRequest, Machine, MachineState, Timings, Unknown
from providers.fake import scripts, timings
from providers.fake.cloud import FakeCloud, ListingFault
from providers.fake.provider import build_fake
from providers.fake.settings import FakeSettings
from providers.fake.training import FakeTraining
from providers.interface import Ambiguous, NoCapacity, NotFound, Provider, Refused, Unavailable
from tests.support.providers.clocks import ManualClock
from tests.support.providers.subjects import build_request, close_provider, content, exits, no_programs, os_entropy


class Sky:
    """A fake cloud and its clock."""

    def __init__(self, settings: FakeSettings | None = None) -> None:
        self.clock = ManualClock()
        self.provider: Provider = build_fake(settings or FakeSettings(), self.clock, os_entropy, no_programs)
        assert isinstance(self.provider.training, FakeTraining)
        self.training = self.provider.training
        self.cloud: FakeCloud = self.training.cloud

    async def request(self, number: int = 1) -> LaunchRequest:
        return await build_request(self.provider, number, self.clock.now(), {})

    async def launch(self, number: int = 1) -> tuple[LaunchRequest, Machine]:
        request = await self.request(number)
        return request, await self.training.launch(request)

    async def prove(self, machine: Machine) -> object:
        return await self.clock.drive(self.training.prove_gone(machine))


@pytest.fixture
async def sky() -> AsyncIterator[Sky]:
    made = Sky()
    yield made
    await close_provider(made.provider)


async def test_a_scripted_job_starts_writes_its_folder_and_ends(sky: Sky) -> None:
    sky.cloud.script_next(scripts.job(10, start_s=2, artifacts={"artifacts/model.skops": b"model"}))
    request, machine = await sky.launch()
    assert machine.state is MachineState.STARTING
    with pytest.raises(NotFound):
        await sky.provider.storage.stat(f"{request.folder}/started.json")
    await sky.clock.advance(3)
    said = Started.model_validate_json(await content(sky.provider.storage.get(f"{request.folder}/started.json")))
    assert said.machine == request.name
    assert (await sky.training.describe(machine.id)).state is MachineState.RUNNING
    waiting = exits(sky.provider).next_exit()
    assert await sky.clock.drive(waiting) == machine.id
    marker = ResultMarker.model_validate_json(await content(sky.provider.storage.get(f"{request.folder}/result.json")))
    assert marker.outcome == "succeeded"
    assert marker.artifacts[0].size_bytes == 5
    assert (marker.ended_at - machine.first_seen).total_seconds() == 12
    assert sky.cloud.billing() == ()


async def test_a_terminated_machine_writes_nothing_more(sky: Sky) -> None:
    sky.cloud.script_next(scripts.job(10))
    request, machine = await sky.launch()
    await sky.training.terminate(machine.id)
    await sky.clock.advance(100)
    with pytest.raises(NotFound):
        await sky.provider.storage.stat(f"{request.folder}/result.json")


async def test_a_machine_that_never_starts_bills_all_the_same(sky: Sky) -> None:
    sky.cloud.script_next(scripts.Script(starts_after_s=None))
    _, machine = await sky.launch()
    await sky.clock.advance(3600)
    assert (await sky.training.describe(machine.id)).state is MachineState.STARTING
    [line] = sky.cloud.billing()
    assert line.amount(sky.clock.now()) == Decimal("3.6")


async def test_a_machine_can_ignore_terminate_a_number_of_times(sky: Sky) -> None:
    sky.cloud.script_next(scripts.Script(terminates_ignored=2))
    _, machine = await sky.launch()
    for _ in range(2):
        await sky.training.terminate(machine.id)
        assert isinstance(await sky.prove(machine), Alive)
    assert (await sky.training.describe(machine.id)).state is MachineState.ENDING
    await sky.training.terminate(machine.id)
    assert isinstance(await sky.prove(machine), Gone)


async def test_a_machine_can_stay_listed_after_its_end(sky: Sky) -> None:
    sky.cloud.script_next(scripts.Script(stays_listed_looks=5))
    request, machine = await sky.launch()
    await sky.training.terminate(machine.id)
    for _ in range(5):
        assert len((await sky.training.list_machines()).named(request.name)) == 1
    assert (await sky.training.list_machines()).named(request.name) == ()


async def test_a_machine_can_be_listed_late_though_it_bills(sky: Sky) -> None:
    sky.cloud.script_next(scripts.Script(listed_after_s=30))
    request, machine = await sky.launch()
    assert (await sky.training.list_machines()).named(request.name) == ()
    with pytest.raises(NotFound):
        await sky.training.describe(machine.id)
    assert len(sky.cloud.billing()) == 1
    await sky.clock.advance(30)
    assert len((await sky.training.list_machines()).named(request.name)) == 1


async def test_a_twin_appears_under_the_same_name(sky: Sky) -> None:
    sky.cloud.script_next(scripts.Script(twin=True))
    request, _ = await sky.launch()
    assert len((await sky.training.list_machines()).named(request.name)) == 2


@pytest.mark.parametrize(
    ("kind", "complete", "shown"),
    [("incomplete", False, 0), ("empty", True, 0), ("stale", True, 1), ("foreign", True, 0)],
)
async def test_a_listing_can_be_spoiled_once(sky: Sky, kind: ListingFault, complete: bool, shown: int) -> None:
    await sky.launch(1)
    await sky.training.list_machines()
    await sky.launch(2)
    sky.cloud.fault_next_listing(kind)
    listing = await sky.training.list_machines()
    assert (listing.complete, len(listing.machines)) == (complete, shown)
    assert (listing.account == sky.cloud.account) is (kind != "foreign")
    assert len((await sky.training.list_machines()).machines) == 2


@pytest.mark.parametrize(("kind", "verdict"), [("incomplete", Unknown), ("foreign", Unknown), ("stale", Alive)])
async def test_a_spoiled_second_look_spoils_the_proof(sky: Sky, kind: ListingFault, verdict: type) -> None:
    _, machine = await sky.launch()
    await sky.training.list_machines()
    await sky.training.terminate(machine.id)
    sky.cloud.listing_faults.append(kind)
    assert isinstance(await sky.prove(machine), verdict)


async def test_one_empty_lie_is_no_proof(sky: Sky) -> None:
    _, machine = await sky.launch()
    sky.cloud.fault_next_listing("empty")
    assert isinstance(await sky.prove(machine), Alive)


async def test_another_account_sees_nothing_and_proves_nothing(sky: Sky) -> None:
    _, machine = await sky.launch()
    sky.cloud.switch_account("fake:account-2")
    assert (await sky.training.list_machines()).machines == ()
    assert isinstance(await sky.prove(machine), Unknown)
    with pytest.raises(NotFound):
        await sky.training.describe(machine.id)
    await sky.training.terminate(machine.id)
    assert len(sky.cloud.billing()) == 1


async def test_below_the_minimum_age_absence_is_no_evidence() -> None:
    sky = Sky(FakeSettings(timings=timings.RUNPOD_LIKE))
    _, machine = await sky.launch()
    await sky.training.terminate(machine.id)
    assert isinstance(await sky.prove(machine), Unknown)
    await sky.clock.advance(timings.RUNPOD_LIKE.min_age_s)
    assert isinstance(await sky.prove(machine), Gone)


@pytest.mark.parametrize(("given", "machines"), [(timings.AWS_LIKE, 1), (timings.RUNPOD_LIKE, 2)])
async def test_creates_repeat_as_the_timings_say(given: Timings, machines: int) -> None:
    sky = Sky(FakeSettings(timings=given))
    request, _ = await sky.launch()
    await sky.training.launch(request)
    assert len(sky.cloud.books()) == machines
    assert sky.cloud.launches == 2


async def test_another_request_under_a_used_name_is_refused() -> None:
    sky = Sky(FakeSettings(timings=timings.AWS_LIKE))
    request, _ = await sky.launch()
    with pytest.raises(Refused):
        await sky.training.launch(request.model_copy(update={"max_runtime_s": 1}))


async def test_faults_come_once_before_or_after_the_effect(sky: Sky) -> None:
    request = await sky.request()
    sky.cloud.faults.fail_next("launch", NoCapacity("full"))
    sky.cloud.faults.fail_next("launch", after_effect=True)
    with pytest.raises(NoCapacity):
        await sky.training.launch(request)
    assert sky.cloud.books() == ()
    with pytest.raises(Ambiguous):
        await sky.training.launch(request)
    assert len(sky.cloud.books()) == 1
    sky.cloud.faults.fail_next("list_machines", times=2)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await sky.training.list_machines()
    assert (await sky.training.list_machines()).complete


async def test_a_new_price_counts_for_new_machines_only(sky: Sky) -> None:
    await sky.launch(1)
    sky.cloud.set_rate(Decimal(100))
    request, _ = await sky.launch(2)
    assert request.offer.rate_usd_per_hour == 100
    assert [line.rate_usd_per_hour for line in sky.cloud.books()] == [Decimal("3.60"), Decimal(100)]


async def test_an_exit_ordered_while_somebody_waits_is_told(sky: Sky) -> None:
    _, machine = await sky.launch()
    sky.cloud.plant("foreign", scripts.Script(ends_after_s=1))

    async def end_soon() -> None:
        await sky.clock.sleep(5)
        sky.cloud.end(machine.id)

    async def both() -> str:
        import asyncio

        told, _ = await asyncio.gather(exits(sky.provider).next_exit(), end_soon())
        return told

    assert await sky.clock.drive(both()) == machine.id


async def test_a_machine_that_only_talks_is_fixed_in_its_script(sky: Sky) -> None:
    sky.cloud.default_script = scripts.Script(writes=(scripts.Write(1, "heartbeat.json", scripts.fixed(b"{}")),))
    request, _ = await sky.launch()
    await sky.clock.advance(1)
    assert await content(sky.provider.storage.get(f"{request.folder}/heartbeat.json")) == b"{}"
    assert sky.provider.storage.machine_path("") == "fake:/"


async def test_predictions_of_the_fake_cost_time_and_money(sky: Sky) -> None:
    from tests.contract.test_prediction import prepared
    from tests.support.providers.subjects import FakeSubject

    subject = FakeSubject()
    await subject.provider.prediction.ensure_endpoint()
    request = await prepared(subject)
    reply = await subject.run(subject.provider.prediction.invoke(request))
    assert reply.seconds == 1.0
    assert reply.cost_usd == Decimal("0.001")
    [line] = await subject.provider.prediction.billed(subject.now().replace(hour=0), subject.now())
    assert line.amount_usd == reply.cost_usd
    missing = request.model_copy(update={"id": "prd_2", "input_key": "none.csv"})
    assert (await subject.run(subject.provider.prediction.invoke(missing))).code == "E-PREDICT"
    await subject.close()
