"""What every training provider keeps (providers/interface.py). Faults 1, 5, 7, 8, 16, 17 of the catalogue."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

import pytest

from actors.supervisor.checks import mismatch
from messages.machines import Alive, Gone, LaunchRequest, Machine, MachineState, Unknown
from messages.money import HOUR_SECONDS, MICRO
from providers.interface import Ambiguous, EndAnswer, LogChunk, Need, NotFound, Refused, Unavailable
from tests.support.names import FOREIGN, PREFIX
from tests.support.providers.subjects import PATIENCE, Subject, exits, proven

BILL_UNIT = timedelta(hours=1)
"""The longest unit a bill's line may stand for: it begins and ends with the machine's first and last one."""


async def launched(subject: Subject, number: int = 1) -> tuple[LaunchRequest, Machine]:
    request = await subject.request(number)
    return request, await subject.run(subject.provider.training.launch(request))


async def ended(subject: Subject, machine: Machine) -> Gone:
    return await subject.run(proven(subject.provider, machine))


async def test_the_fingerprint_stays_the_same(provider_under_test: Subject) -> None:
    before = await provider_under_test.provider.training.fingerprint()
    await provider_under_test.reopen()
    assert before
    assert await provider_under_test.provider.training.fingerprint() == before


async def test_the_type_it_would_choose_can_be_had_and_every_offer_says_why_it_stands_there(
    provider_under_test: Subject,
) -> None:
    """What a machine brings to a model may put others first."""
    training = provider_under_test.provider.training
    chosen = training.select_compute_type(10, "auto")
    asked = await training.offers(Need(size_mb=10, model_type="auto", machine=chosen))
    assert {offer.machine_type for offer in asked} == {chosen}
    offers = await training.offers(Need(size_mb=10, model_type="auto"))
    assert offers
    assert len({offer.id for offer in offers}) == len(offers)
    assert all(offer.provider == training.kind and offer.reason and offer.rate_usd_per_hour > 0 for offer in offers)


async def test_the_users_own_choice_of_type_wins(provider_under_test: Subject) -> None:
    training = provider_under_test.provider.training
    chosen = training.select_compute_type(10, "auto")
    asked = await training.offers(Need(size_mb=10, model_type="auto", machine=chosen))
    assert asked
    assert {offer.machine_type for offer in asked} == {chosen}
    assert await training.offers(Need(size_mb=10, model_type="auto", machine="no such type")) == []


async def test_an_empty_account_lists_nothing_and_says_it_is_complete(provider_under_test: Subject) -> None:
    training = provider_under_test.provider.training
    listing = await training.list_machines()
    ours = [m for m in listing.machines if m.name.startswith(PREFIX)]
    assert listing.complete
    assert ours == []
    assert listing.account == await training.fingerprint()
    assert listing.began <= listing.ended


async def test_a_launched_machine_is_listed_once_under_its_name(provider_under_test: Subject) -> None:
    request, machine = await launched(provider_under_test)
    listing = await provider_under_test.provider.training.list_machines()
    assert [m.id for m in listing.named(request.name)] == [machine.id]
    assert machine.account == listing.account
    assert provider_under_test.living(request.name) == 1


async def test_a_launched_machine_runs_at_the_offered_rate(provider_under_test: Subject) -> None:
    request, machine = await launched(provider_under_test)
    await provider_under_test.advance(1)
    now = await provider_under_test.provider.training.describe(machine.id)
    assert now.state is MachineState.RUNNING
    assert now.rate_usd_per_hour == request.offer.rate_usd_per_hour
    assert now.first_seen == machine.first_seen


async def test_every_offer_that_is_taken_gives_the_machine_it_speaks_of(provider_under_test: Subject) -> None:
    """A machine that is not what its offer said would be ended at once."""
    training = provider_under_test.provider.training
    for number, offer in enumerate(await training.offers(Need(size_mb=10, model_type="auto")), 1):
        request = (await provider_under_test.request(number)).model_copy(update={"offer": offer})
        made = await provider_under_test.run(training.launch(request))
        for seen in (made, await training.describe(made.id)):
            assert mismatch(seen, offer) is None


async def test_describing_what_never_was_finds_nothing(provider_under_test: Subject) -> None:
    with pytest.raises(NotFound):
        await provider_under_test.provider.training.describe("never-was")


async def test_another_providers_offer_is_refused_and_makes_nothing(provider_under_test: Subject) -> None:
    request = await provider_under_test.request(1)
    other = next(kind for kind in ("aws", "local") if kind != provider_under_test.provider.training.kind)
    wrong = request.model_copy(update={"offer": request.offer.model_copy(update={"provider": other})})
    with pytest.raises(Refused):
        await provider_under_test.provider.training.launch(wrong)
    assert provider_under_test.living(request.name) == 0


async def test_a_living_machine_is_never_proven_gone(provider_under_test: Subject) -> None:
    _, machine = await launched(provider_under_test)
    proof = await provider_under_test.run(provider_under_test.provider.training.prove_gone(machine))
    assert isinstance(proof, Alive)


async def test_a_terminated_machine_is_proven_gone(provider_under_test: Subject) -> None:
    request, machine = await launched(provider_under_test)
    told = provider_under_test.now()
    proof = await ended(provider_under_test, machine)
    assert provider_under_test.living(request.name) == 0
    assert proof.account == machine.account
    assert told <= proof.absent_since <= proof.at
    assert proof.listing_began >= told
    assert proof.evidence


async def test_a_gone_machine_is_not_listed_and_not_described_as_alive(provider_under_test: Subject) -> None:
    request, machine = await launched(provider_under_test)
    await ended(provider_under_test, machine)
    training = provider_under_test.provider.training
    assert (await training.list_machines()).named(request.name) == ()
    with suppress(NotFound):
        assert (await training.describe(machine.id)).state is MachineState.GONE


async def test_a_proof_can_be_asked_for_again(provider_under_test: Subject) -> None:
    _, machine = await launched(provider_under_test)
    first = await ended(provider_under_test, machine)
    again = await ended(provider_under_test, machine)
    assert again.listing_began >= first.listing_began


async def test_terminate_is_idempotent_before_and_after_the_end(provider_under_test: Subject) -> None:
    _, machine = await launched(provider_under_test)
    training = provider_under_test.provider.training
    assert await training.terminate(machine.id) is EndAnswer.ACCEPTED
    await training.terminate(machine.id)
    await ended(provider_under_test, machine)
    assert await training.terminate(machine.id) is EndAnswer.ABSENT
    assert await training.terminate("never-was") is EndAnswer.ABSENT


async def test_absence_under_another_account_proves_nothing(provider_under_test: Subject) -> None:
    _, machine = await launched(provider_under_test)
    other = machine.model_copy(update={"account": "another-account"})
    assert isinstance(await provider_under_test.run(provider_under_test.provider.training.prove_gone(other)), Unknown)
    await provider_under_test.provider.training.terminate(machine.id)
    assert isinstance(await provider_under_test.run(provider_under_test.provider.training.prove_gone(other)), Unknown)


async def test_ending_one_machine_leaves_the_other(provider_under_test: Subject) -> None:
    _, first = await launched(provider_under_test, 1)
    kept, second = await launched(provider_under_test, 2)
    await ended(provider_under_test, first)
    listing = await provider_under_test.provider.training.list_machines()
    assert [m.id for m in listing.named(kept.name)] == [second.id]
    assert listing.named(first.name) == ()
    assert provider_under_test.living(kept.name) == 1


async def test_a_machine_of_somebody_else_is_listed_and_left_alone(provider_under_test: Subject) -> None:
    provider_under_test.plant(FOREIGN)
    request, machine = await launched(provider_under_test)
    await provider_under_test.advance(1)
    assert len((await provider_under_test.provider.training.list_machines()).named(FOREIGN)) == 1
    await ended(provider_under_test, machine)
    assert provider_under_test.living(FOREIGN) == 1
    assert provider_under_test.living(request.name) == 0


async def test_a_machine_that_ends_by_itself_is_told_and_proven(provider_under_test: Subject) -> None:
    request, machine = await launched(provider_under_test)
    await provider_under_test.end_by_itself(request)
    assert await provider_under_test.run(exits(provider_under_test.provider).next_exit()) == machine.id
    await ended(provider_under_test, machine)
    assert await provider_under_test.provider.training.terminate(machine.id) is EndAnswer.ABSENT


async def test_a_machine_outlives_the_daemon(provider_under_test: Subject) -> None:
    request, machine = await launched(provider_under_test)
    await provider_under_test.reopen()
    listing = await provider_under_test.provider.training.list_machines()
    assert [m.id for m in listing.named(request.name)] == [machine.id]
    await provider_under_test.end_by_itself(request)
    assert await provider_under_test.run(exits(provider_under_test.provider).next_exit()) == machine.id
    await ended(provider_under_test, machine)


async def test_a_lost_launch_answer_leaves_one_machine_that_a_listing_shows(provider_under_test: Subject) -> None:
    request = await provider_under_test.request(1)
    provider_under_test.lose_next("launch")
    with pytest.raises(Ambiguous):
        await provider_under_test.provider.training.launch(request)
    found = (await provider_under_test.provider.training.list_machines()).named(request.name)
    assert len(found) == 1
    assert provider_under_test.living(request.name) == 1
    await ended(provider_under_test, found[0])


async def test_repeating_a_create_makes_a_second_machine_only_where_it_is_said(provider_under_test: Subject) -> None:
    request, _ = await launched(provider_under_test)
    training = provider_under_test.provider.training
    again = await provider_under_test.run(training.launch(request))
    found = (await training.list_machines()).named(request.name)
    assert len(found) == (1 if training.timings.creates_are_idempotent else 2)
    assert again.id in {m.id for m in found}


async def test_a_lost_terminate_answer_is_repaired_by_repeating(provider_under_test: Subject) -> None:
    request, machine = await launched(provider_under_test)
    provider_under_test.lose_next("terminate")
    with pytest.raises(Unavailable):
        await provider_under_test.provider.training.terminate(machine.id)
    await ended(provider_under_test, machine)
    assert provider_under_test.living(request.name) == 0


async def test_a_machines_bill_covers_its_life_and_sums_to_its_rates_times_its_life(
    provider_under_test: Subject,
) -> None:
    before = provider_under_test.now()
    request, machine = await launched(provider_under_test)
    told = provider_under_test.now()
    await provider_under_test.advance(100)
    ending = provider_under_test.now()
    proof = await ended(provider_under_test, machine)
    lines = await provider_under_test.provider.training.billed(before, provider_under_test.now() + timedelta(seconds=1))
    assert {line.machine_id for line in lines} == {machine.id}
    assert before - BILL_UNIT <= min(line.began for line in lines) <= told
    assert ending <= max(line.ended for line in lines) <= proof.at + BILL_UNIT
    rate = request.offer.rate_usd_per_hour + request.offer.disk_usd_per_hour
    least, most = (
        rate * Decimal(str(span.total_seconds())) / HOUR_SECONDS
        for span in (ending - told, proof.absent_since - before)
    )
    assert least - MICRO <= sum(line.amount_usd for line in lines) <= most + MICRO


async def test_the_bill_survives_a_restart_and_keeps_to_its_window(provider_under_test: Subject) -> None:
    began = provider_under_test.now()
    _, machine = await launched(provider_under_test)
    await provider_under_test.advance(10)
    await ended(provider_under_test, machine)
    await provider_under_test.advance(1)
    await provider_under_test.reopen()
    later = provider_under_test.now()
    training = provider_under_test.provider.training
    assert await training.billed(began - timedelta(hours=2), began - timedelta(hours=1)) == []
    assert await training.billed(later + timedelta(hours=1), later + timedelta(hours=2)) == []
    assert [line.machine_id for line in await training.billed(began, later)] == [machine.id]


async def test_a_living_machines_console_can_be_read_on_from_a_position(provider_under_test: Subject) -> None:
    async def read(machine_id: str, after: int = 0) -> list[LogChunk]:
        return [chunk async for chunk in provider_under_test.provider.training.logs(machine_id, after)]

    _, machine = await launched(provider_under_test)
    whole: list[LogChunk] = []
    for _ in range(PATIENCE):
        await provider_under_test.advance(1)
        if whole := await provider_under_test.run(read(machine.id)):
            break
    assert "".join(chunk.text for chunk in whole)
    assert await provider_under_test.run(read(machine.id, whole[-1].position)) == []
    assert await read("never-was") == []
