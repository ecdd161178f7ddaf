"""The contract of training providers (tests/contract), kept by RunPod's on the emulated platform."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from messages.money import HOUR_SECONDS
from providers.interface import LogChunk
from tests.contract.test_training import (  # noqa: F401
    ended,
    launched,
    test_a_gone_machine_is_not_listed_and_not_described_as_alive,
    test_a_launched_machine_is_listed_once_under_its_name,
    test_a_launched_machine_runs_at_the_offered_rate,
    test_a_living_machine_is_never_proven_gone,
    test_a_lost_launch_answer_leaves_one_machine_that_a_listing_shows,
    test_a_lost_terminate_answer_is_repaired_by_repeating,
    test_a_machine_of_somebody_else_is_listed_and_left_alone,
    test_a_machine_outlives_the_daemon,
    test_a_machine_that_ends_by_itself_is_told_and_proven,
    test_a_proof_can_be_asked_for_again,
    test_a_terminated_machine_is_proven_gone,
    test_absence_under_another_account_proves_nothing,
    test_an_empty_account_lists_nothing_and_says_it_is_complete,
    test_another_providers_offer_is_refused_and_makes_nothing,
    test_describing_what_never_was_finds_nothing,
    test_ending_one_machine_leaves_the_other,
    test_repeating_a_create_makes_a_second_machine_only_where_it_is_said,
    test_terminate_is_idempotent_before_and_after_the_end,
    test_the_bill_survives_a_restart_and_keeps_to_its_window,
    test_the_chosen_type_is_on_offer,
    test_the_fingerprint_stays_the_same,
    test_the_users_own_choice_of_type_wins,
)
from tests.support.providers.runpod_subject import RunPodSubject


@pytest.fixture
async def provider_under_test() -> AsyncIterator[RunPodSubject]:
    subject = RunPodSubject()
    try:
        yield subject
    finally:
        await subject.close()


async def test_the_bill_is_what_the_auditor_wrote_for_the_pods_whole_life(provider_under_test: RunPodSubject) -> None:
    """RunPod's bill has hours for lines, so a line says when its hours were, not how long the pod lived."""
    began = provider_under_test.now() - timedelta(seconds=1)
    request, machine = await launched(provider_under_test)
    told = provider_under_test.now()
    await provider_under_test.advance(100)
    await ended(provider_under_test, machine)
    until = provider_under_test.now() + timedelta(seconds=1)
    [line] = await provider_under_test.provider.training.billed(began, until)
    assert line.machine_id == machine.id
    assert line.began <= told
    assert line.ended > told
    rate = request.offer.rate_usd_per_hour + request.offer.disk_usd_per_hour
    assert abs(line.amount_usd - rate * 100 / HOUR_SECONDS) <= rate * 2 / HOUR_SECONDS  # up to the accepted call


async def test_the_console_of_a_living_pod_can_be_read_on_from_a_position(provider_under_test: RunPodSubject) -> None:
    """RunPod drops a pod's lines with the pod; a snapshot ends with silence, and so needs the clock."""

    async def read(machine_id: str, after: int = 0) -> list[LogChunk]:
        return [chunk async for chunk in provider_under_test.provider.training.logs(machine_id, after)]

    _, machine = await launched(provider_under_test)
    await provider_under_test.advance(1)
    whole = await provider_under_test.run(read(machine.id))
    assert "".join(chunk.text for chunk in whole)
    assert await provider_under_test.run(read(machine.id, whole[-1].position)) == []
    assert await read("never-was") == []
    await ended(provider_under_test, machine)
    assert await read(machine.id) == []
