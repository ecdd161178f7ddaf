"""The one way a machine ends: asked once, asked again when it shows alive, and never again while nothing shows it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

import pytest

from actors.runtime.virtual import EPOCH, VirtualClock
from actors.supervisor.ends import ASK_AGAIN_S, Ended, until_gone
from messages.machines import Alive, Gone, Machine, MachineState, Proof, ProviderKind, Unknown
from providers.interface import CloudTrainingProvider, EndAnswer, LogChunk, Unavailable
from tests.support.jobs import gone
from tests.support.virtual import virtual


class Cloud(CloudTrainingProvider):
    """Answers as laid out; the last answer stays."""

    kind: ClassVar[ProviderKind] = "fake"

    def __init__(self, clock: VirtualClock, proofs: list[str], terminates: list[Exception | EndAnswer]) -> None:
        self.clock = clock
        self.proofs = proofs
        self.terminates = terminates
        self.asked: list[float] = []

    async def terminate(self, machine_id: str) -> EndAnswer:
        self.asked.append(self.clock.monotonic())
        answer = self.terminates.pop(0) if len(self.terminates) > 1 else self.terminates[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def prove_gone(self, machine: Machine) -> Proof:
        await self.clock.sleep(1)
        word = self.proofs.pop(0) if len(self.proofs) > 1 else self.proofs[0]
        if word == "gone":
            return gone(self.clock.now())
        return Alive(detail="listed") if word == "alive" else Unknown(detail="cut")

    async def fingerprint(self) -> str:
        raise NotImplementedError

    def select_compute_type(self, size_mb: float, model_type: str) -> str:
        raise NotImplementedError

    async def offers(self, need: Any) -> list[Any]:
        raise NotImplementedError

    async def launch(self, request: Any) -> Machine:
        raise NotImplementedError

    async def list_machines(self) -> Any:
        raise NotImplementedError

    async def describe(self, machine_id: str) -> Machine:
        raise NotImplementedError

    def logs(self, machine_id: str, after: int = 0) -> AsyncIterator[LogChunk]:
        raise NotImplementedError

    async def billed(self, since: datetime, until: datetime) -> list[Any]:
        raise NotImplementedError


class Yard:
    """One machine to end."""

    def __init__(self, proofs: str, *terminates: Exception | EndAnswer) -> None:
        self.clock = VirtualClock()
        self.cloud = Cloud(self.clock, proofs.split(), list(terminates) or [EndAnswer.ACCEPTED])
        self.heard: list[datetime] = []

    async def end(self, **more: Any) -> Ended:
        machine = Machine(
            id="m1",
            name="n",
            account="a",
            state=MachineState.RUNNING,
            rate_usd_per_hour=Decimal(1),
            first_seen=self.clock.now(),
        )
        return await until_gone(
            self.cloud, self.clock, machine, lambda *_, **__: None, accepted=self.heard.append, **more
        )


@virtual
async def test_what_was_accepted_is_not_asked_again_while_nothing_shows_the_machine() -> None:
    """Every call counts against the quota that proofs and listings need too."""
    yard = Yard("unknown unknown unknown unknown unknown gone")
    ended = await yard.end()
    assert len(yard.cloud.asked) == 1
    assert ended.accepted_at == yard.heard[0]


@virtual
async def test_a_machine_that_shows_alive_after_its_end_was_accepted_is_asked_again() -> None:
    """Fault 5: acknowledged and ignored."""
    yard = Yard("alive alive alive alive alive alive gone")
    ended = await yard.end()
    assert len(yard.cloud.asked) > 1
    assert yard.cloud.asked[1] - yard.cloud.asked[0] >= ASK_AGAIN_S
    assert ended.accepted_at == yard.heard[-1] != ended.first_accepted_at == yard.heard[0]


@virtual
async def test_a_call_that_fails_is_made_again_after_what_the_provider_asked_for() -> None:
    yard = Yard("unknown unknown gone", Unavailable("busy", 12.0), EndAnswer.ACCEPTED)
    await yard.end()
    assert yard.cloud.asked[1] - yard.cloud.asked[0] >= 12


@virtual
async def test_a_machine_that_ended_by_itself_is_proven_though_no_call_gets_through() -> None:
    yard = Yard("unknown gone", Unavailable("down"))
    ended = await yard.end()
    assert ended.accepted_at is None
    assert isinstance(ended.proof, Gone)


@virtual
async def test_not_found_answers_a_call_and_is_no_acceptance() -> None:
    """It was gone already, and nobody knows since when; every further call counts against the quota all the same."""
    yard = Yard("unknown unknown gone", EndAnswer.ABSENT)
    ended = await yard.end()
    assert (ended.accepted_at, ended.first_accepted_at, yard.heard) == (None, None, [])
    assert len(yard.cloud.asked) == 1


@virtual
async def test_a_machine_that_shows_alive_after_not_found_is_asked_again() -> None:
    """Fault 4: a "not found" of a young machine."""
    yard = Yard("alive alive alive alive gone", EndAnswer.ABSENT, EndAnswer.ACCEPTED)
    ended = await yard.end()
    assert len(yard.cloud.asked) == 2
    assert ended.accepted_at == ended.first_accepted_at == yard.heard[0]


@virtual
async def test_when_a_machine_showed_alive_last_is_told_with_its_end() -> None:
    yard = Yard("alive alive unknown unknown gone", Unavailable("down", 0.0))
    ended = await yard.end()
    assert ended.alive_at is not None
    assert 2 < (ended.alive_at - EPOCH).total_seconds() < 3
    assert (await Yard("unknown gone", EndAnswer.ABSENT).end()).alive_at is None


@virtual
async def test_an_acceptance_from_before_a_restart_counts() -> None:
    yard = Yard("unknown gone")
    before = yard.clock.now()
    assert (await yard.end(accepted_at=before)).accepted_at == before
    assert yard.cloud.asked == []


@virtual
async def test_asking_and_proving_never_ends_before_the_proof() -> None:
    yard = Yard(" ".join(["alive"] * 200) + " gone")
    began = yard.clock.monotonic()
    await yard.end()
    assert yard.clock.monotonic() - began > 1000
    with pytest.raises(IndexError):
        yard.cloud.proofs[1]
