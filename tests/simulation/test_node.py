"""The whole node in virtual time, on the fake cloud: from an order to "terminated, confirmed", whatever goes wrong."""

from __future__ import annotations

from decimal import Decimal

from messages.jobs import JobState, Outcome
from tests.support.journals import Mortal
from tests.support.node import NodeKit, virtually


def test_an_order_becomes_a_model_and_no_machine_is_left() -> None:
    async def story(house: NodeKit) -> None:
        job = await house.ended(await house.train(), Outcome.SUCCEEDED)
        assert job.closed is not None
        assert job.closed.model_id is not None
        assert job.attempts[0].gone is not None
        assert house.billing() == 0
        assert house.cloud.launches == 1
        assert Decimal(0) < job.closed.cost_usd < Decimal("0.01")
        ledger = await house.kinds("ledger")
        assert ledger == ["ledger.reserved", "ledger.accrual_started", "ledger.released", "ledger.settled"]

    virtually(story)


def test_a_stop_in_mid_training_ends_the_machine_and_proves_it() -> None:
    async def story(house: NodeKit) -> None:
        job_id = await house.train()
        await house.until(job_id, JobState.RUNNING)
        await house.halt(job_id)
        await house.ended(job_id, Outcome.CANCELLED, within_s=60)
        assert house.billing() == 0

    virtually(story)


def test_a_stop_does_not_wait_for_a_disk_that_never_answers() -> None:
    async def story(house: NodeKit) -> None:
        await house.restart(wrap=lambda inner: Mortal(inner, 1, after=False))
        house.wall.set_wall(7200)
        await house.clock.sleep(5)  # the alarm about the clock waits for the disk
        began = house.clock.monotonic()
        await house.stop()
        assert house.clock.monotonic() - began < 30
        await house.start()

    virtually(story)
