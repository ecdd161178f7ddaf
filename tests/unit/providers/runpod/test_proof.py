"""What it takes to say that a pod is gone (design.md 6). Faults 3, 4, 7, 8."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from messages.machines import Alive, Gone, Machine, MachineState, Proof, Unknown
from providers.runpod.training import RunPodTraining
from providers.transport import HttpReply, HttpRequest, NoReply
from tests.support.providers.clocks import ManualClock
from tests.support.runpod_wire import VOLUME, VOLUME_REPLY, Wire, account, page, pod, problem, reply

POD_ROUTE = "GET /pods/pod1"
VOLUME_ROUTE = f"GET /network-volumes/{VOLUME}"
OTHERS = reply({"pods": [pod(2, "somebody-else")]})


class World:
    def __init__(self) -> None:
        self.wire = Wire()
        self.wire.on("GET /pods", OTHERS)
        self.training = RunPodTraining(account(self.wire))
        clock = self.training.client.clock
        if not isinstance(clock, ManualClock):
            raise TypeError("another clock")
        self.clock = clock
        self.clock.elapsed = 1000.0

    def machine(self, age_s: float = 500, *, account: str = f"runpod:{VOLUME}") -> Machine:
        first_seen: datetime = self.clock.now() - timedelta(seconds=age_s)
        return Machine(id="pod1", name="lc1-x", account=account, state=MachineState.RUNNING, first_seen=first_seen)

    async def prove(self, machine: Machine | None = None) -> Proof:
        proof: Proof = await self.clock.drive(self.training.prove_gone(machine or self.machine()))
        return proof


async def test_twice_not_found_and_a_complete_list_between_prove_it() -> None:
    world = World()
    began = world.clock.now()
    proof = await world.prove()
    assert isinstance(proof, Gone)
    assert proof.absent_since == began
    assert (proof.listing_began - began).total_seconds() >= 15
    assert proof.at >= proof.listing_began
    assert len(proof.evidence) == 4
    routes = world.wire.routes()
    assert [r for r in routes if "network" not in r] == [POD_ROUTE, "GET /pods", POD_ROUTE]


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (reply(pod()), Alive),
        (reply(pod(status="EXITED")), Alive),
        (reply(pod(status="NEW_WORD")), Alive),
        (problem(500), Unknown),
        (problem(401), Unknown),
        (problem(403), Unknown),
        (page(404), Unknown),
        (page(200), Unknown),
        (NoReply("x"), Unknown),
    ],
)
@pytest.mark.parametrize("look", [1, 2])
async def test_anything_but_a_clean_not_found_at_either_look_is_no_proof(
    answer: HttpReply | Exception, verdict: type, look: int
) -> None:
    world = World()
    answers = [problem(404), problem(404)]
    world.wire.on(POD_ROUTE, *answers[: look - 1], answer)
    assert isinstance(await world.prove(), verdict)


async def test_a_pod_that_reads_terminated_is_as_good_as_not_found() -> None:
    world = World()
    world.wire.on(POD_ROUTE, reply(pod(status="TERMINATED")))
    assert isinstance(await world.prove(), Gone)


@pytest.mark.parametrize("listed", [pod(1, "renamed"), pod(3, "lc1-x")])
async def test_its_id_or_its_name_in_the_list_means_alive(listed: dict[str, object]) -> None:
    world = World()
    world.wire.on("GET /pods", reply({"pods": [listed]}))
    assert isinstance(await world.prove(), Alive)


@pytest.mark.parametrize(
    "listing",
    [
        problem(500),
        NoReply("x"),
        reply({"pods": [pod(2)], "pagination": {"hasNextPage": True}}),
        reply({"pods": [pod(2), "no pod"]}),
    ],
)
async def test_a_list_that_is_cut_or_missing_is_no_proof(listing: HttpReply | Exception) -> None:
    world = World()
    world.wire.on("GET /pods", listing)
    assert isinstance(await world.prove(), Unknown)


@pytest.mark.parametrize("answer", [problem(404), problem(401), problem(403), problem(500), page(200)])
async def test_an_account_that_is_not_confirmed_proves_nothing(answer: HttpReply) -> None:
    world = World()
    world.wire.on(VOLUME_ROUTE, answer)
    assert isinstance(await world.prove(), Unknown)


async def test_absence_under_another_account_is_not_even_looked_for() -> None:
    world = World()
    assert isinstance(await world.prove(world.machine(account="runpod:other")), Unknown)
    assert world.wire.asked == []


async def test_an_empty_list_needs_the_account_read_after_both_looks() -> None:
    world = World()
    world.wire.on("GET /pods", reply({"pods": []}))
    assert isinstance(await world.prove(), Gone)
    assert world.wire.routes()[-1] == VOLUME_ROUTE
    world = World()
    world.wire.on("GET /pods", reply({"pods": []}))
    world.wire.on(VOLUME_ROUTE, reply(VOLUME_REPLY), problem(404))
    assert isinstance(await world.prove(), Unknown)


async def test_a_young_pod_that_shows_late_is_alive() -> None:
    world = World()
    world.wire.on(POD_ROUTE, problem(404), problem(404), reply(pod()))
    assert isinstance(await world.prove(world.machine(age_s=0)), Alive)
    assert world.clock.elapsed - 1000 <= 60  # seen again soon enough to be ended in time


async def test_absence_of_a_young_pod_counts_from_its_least_age_on() -> None:
    world = World()
    machine = world.machine(age_s=0)
    proof = await world.prove(machine)
    assert isinstance(proof, Gone)
    assert (proof.absent_since - machine.first_seen).total_seconds() >= 120


async def test_proofs_share_the_listing_that_is_due_anyway() -> None:
    world = World()

    def other(number: int) -> Machine:
        return world.machine().model_copy(update={"id": f"gone{number}", "name": f"lc1-{number}"})

    async def all_of_them() -> list[Proof]:
        return await asyncio.gather(*(world.training.prove_gone(other(n)) for n in range(20)))

    proofs = await world.clock.drive(all_of_them())
    assert all(isinstance(proof, Gone) for proof in proofs)
    routes = world.wire.routes()
    assert routes.count("GET /pods") == 1
    assert routes.count(VOLUME_ROUTE) <= 2
    assert len(routes) <= 20 * 2 + 3


async def test_a_listing_begun_too_early_is_not_used() -> None:
    world = World()
    seen: list[float] = []

    def listed(_: HttpRequest) -> HttpReply:
        seen.append(world.clock.elapsed)
        return OTHERS

    world.wire.on("GET /pods", listed)
    await world.training.list_machines()
    assert isinstance(await world.prove(), Gone)
    assert len(seen) == 2
    assert seen[1] >= 1015


async def test_a_proof_waits_for_the_next_window_rather_than_lose_the_calls_it_has_made() -> None:
    world = World()
    low = {"ratelimit": '"minute";r=1;t=59', "ratelimit_policy": '"minute";q=60;w=60'}
    world.wire.on(POD_ROUTE, problem(404, **low))
    assert isinstance(await world.prove(), Gone)
    assert world.wire.routes().count(POD_ROUTE) == 2


async def test_a_list_that_has_no_turn_now_is_asked_for_again_within_the_proof() -> None:
    world = World()
    world.wire.on("GET /pods", problem(429, retry_after="30"), OTHERS)
    assert isinstance(await world.prove(), Gone)
    assert world.wire.routes().count(POD_ROUTE) == 2
