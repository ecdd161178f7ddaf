"""The journal is gone or old, the machines are not: ``machines reconcile`` takes them over or ends them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from actors.fleet import reconcile as reconciler
from actors.journal.interface import NEW
from messages import events as ev
from messages.errors import Refusal
from messages.folder import Spec
from messages.ids import JobId, UserId
from messages.jobs import JobState, Outcome
from messages.machines import MachineName
from messages.upkeep import Reconcile, ReconcileDocument, ReconcileOrder, ReconcileRow
from providers.fake.scripts import Script
from providers.interface import Unavailable
from tests.support.node import ANA, BEN, KEY, NodeKit, good, virtually

WORK_S = 900.0


async def reconcile(house: NodeKit, who: Any = ANA, **order: Any) -> ReconcileDocument:
    asked = Reconcile(requester=who, order=ReconcileOrder.model_validate(order))
    found: ReconcileDocument = await house.node.reconciler.ask(asked, WORK_S)
    return found


async def without_its_journal(house: NodeKit, run_s: float = 200, **order: Any) -> JobId:
    """Let a job run, throw the journal away, and start a new node over the same cloud."""
    job_id = await house.running(good(run_s), **order)
    await house.lose_journal()
    await house.start()
    await house.clock.sleep(5)
    return job_id


def planted(house: NodeKit, generation: str = "gene", hours: float = 1, job: str = "zzzzzzzzzz") -> str:
    """Add a machine of this installation that nobody's journal knows; return its name."""
    hard = house.clock.now() + timedelta(hours=hours)
    name = MachineName("instal", generation, job, 1, hard).text(KEY)
    house.cloud.plant(name)
    return name


def row_of(found: ReconcileDocument, name: str) -> ReconcileRow:
    (row,) = [row for row in found.machines if row.name == name]
    return row


# ---------------------------------------------------------------------------------------------- taking over


def test_a_job_whose_journal_is_gone_is_taken_over_and_ends_with_model_proof_and_cost() -> None:
    """Faults 48 and 53; rules 3, 4 and 11."""

    async def story(house: NodeKit) -> None:
        job_id = await without_its_journal(house)
        (machine,) = house.cloud.billing()
        assert str(house.node.safe_mode).endswith("was not rented by this journal")
        await house.clock.sleep(30)
        assert house.billing() == 1

        dry = await reconcile(house)
        assert dry.dry_run
        assert dry.unknown == 1
        (row,) = dry.machines
        assert (row.name, row.whose, row.does, row.done) == (machine.name, "second_writer", "adopt", False)
        assert row.job_id == job_id
        assert row.age_s > 30
        assert row.cost_usd > 0
        assert row.hard_deadline is not None
        assert await house.kinds(f"job/{job_id}") == []

        found = await reconcile(house, adopt=True)
        assert [(r.does, r.done) for r in found.machines] == [("adopt", True)]
        assert found.unknown == 0
        assert found.safe_mode is None
        assert house.node.safe_mode is None

        job = await house.ended(job_id, Outcome.SUCCEEDED)
        assert job.closed is not None
        assert job.closed.model_id is not None
        assert job.user_id == ANA.user_id
        assert job.plan.spec.target == "churn"
        assert job.attempts[0].gone is not None
        assert house.billing() == 0
        assert house.cloud.launches == 1
        (book,) = house.cloud.books()
        assert book.ended is not None
        cost = job.closed.cost_usd
        assert abs(cost - book.amount(book.ended)) <= Decimal("0.01")
        ledger = await house.kinds("ledger")
        assert ledger == ["ledger.reserved", "ledger.accrual_started", "ledger.released", "ledger.settled"]
        audits = [r.event for r in await house.journal.read("audit") if isinstance(r.event, ev.Audited)]
        assert [(a.what, a.who) for a in audits if a.what == "machine.adopt"] == [
            ("machine.adopt", f"{ANA.via} {ANA.user_id}")
        ]

    virtually(story)


def test_safe_mode_ends_with_the_takeover_and_new_jobs_start_again() -> None:
    async def story(house: NodeKit) -> None:
        await without_its_journal(house)
        with pytest.raises(Refusal, match="E-SAFEMODE"):
            await house.train()
        await reconcile(house, adopt=True)
        await house.ended(await house.train(), Outcome.SUCCEEDED)

    virtually(story)


def test_the_same_takeover_again_changes_nothing() -> None:
    async def story(house: NodeKit) -> None:
        job_id = await without_its_journal(house)
        await reconcile(house, adopt=True)
        before = await house.kinds(f"job/{job_id}")
        again = await reconcile(house, adopt=True)
        assert [(r.whose, r.does) for r in again.machines] == [("ours", "nothing")]
        assert (await house.kinds(f"job/{job_id}"))[: len(before)] == before
        assert (await house.kinds("ledger")).count("ledger.reserved") == 1

    virtually(story)


def test_a_taken_over_job_can_be_stopped_as_any_other() -> None:
    async def story(house: NodeKit) -> None:
        job_id = await without_its_journal(house, run_s=3000)
        await reconcile(house, adopt=True)
        await house.halt(job_id)
        await house.ended(job_id, Outcome.CANCELLED, within_s=300)
        assert house.billing() == 0

    virtually(story)


def test_a_taken_over_job_survives_a_restart() -> None:
    async def story(house: NodeKit) -> None:
        job_id = await without_its_journal(house)
        await reconcile(house, adopt=True)
        await house.restart()
        await house.ended(job_id, Outcome.SUCCEEDED)
        assert house.cloud.launches == 1

    virtually(story)


def test_a_taken_over_job_that_fails_tries_no_other_machine() -> None:
    """What a folder says may not spend money: the order itself is not known any more."""

    async def story(house: NodeKit) -> None:
        job_id = await without_its_journal(house, run_s=3000)
        await reconcile(house, adopt=True)
        (machine,) = house.cloud.billing()
        house.cloud.end(machine.machine_id)
        await house.ended(job_id, Outcome.INTERRUPTED)
        assert house.cloud.launches == 1

    virtually(story)


def test_a_second_attempt_is_taken_over_as_the_second_one() -> None:
    """What its first machine cost only the provider's bill knows any more."""

    async def story(house: NodeKit) -> None:
        house.cloud.script_next(Script(starts_after_s=1, ends_after_s=10))
        house.cloud.script_next(good(300))
        job_id = await house.train()
        await house.clock.sleep(150)
        assert len((await house.job(job_id)).attempts) == 2
        await house.until(job_id, JobState.RUNNING)
        await house.lose_journal()
        await house.start()
        await house.clock.sleep(5)
        assert [row.done for row in (await reconcile(house, adopt=True)).machines] == [True]
        job = await house.ended(job_id, Outcome.SUCCEEDED)
        assert [(a.number, a.machine is not None) for a in job.attempts] == [(1, False), (2, True)]
        assert house.cloud.launches == 2
        assert house.billing() == 0

    virtually(story)


def test_a_machine_of_an_older_generation_is_taken_over_too() -> None:
    """A daemon that starts without its journal makes a new generation: no safe mode, and the machines are strangers."""

    async def story(house: NodeKit) -> None:
        job_id = await house.running(good(200))
        await house.lose_journal()
        house.generation = "newe"
        await house.start()
        await house.clock.sleep(5)
        assert house.node.safe_mode is None
        found = await reconcile(house, adopt=True)
        assert [(r.whose, r.done) for r in found.machines] == [("other_generation", True)]
        await house.ended(job_id, Outcome.SUCCEEDED)

    virtually(story)


def test_a_machine_whose_job_an_old_backup_still_has_queued_goes_on_in_that_job() -> None:
    """Fault 48: an old backup restored."""

    async def story(house: NodeKit) -> None:
        job_id = await house.running(good(200))
        (first, *_) = await house.events(job_id)
        await house.lose_journal()
        house.safe_mode = "the journal is a backup that was put back"
        await house.start()
        await house.journal.append(f"job/{job_id}", NEW, [first.event], actor="Dispatcher")
        await house.restart()
        await house.clock.sleep(5)
        found = await reconcile(house, adopt=True)
        assert [(r.whose, r.done) for r in found.machines] == [("second_writer", True)]
        job = await house.ended(job_id, Outcome.SUCCEEDED)
        assert job.plan == first.event.plan  # type: ignore[attr-defined]
        assert house.cloud.launches == 1

    virtually(story)


def test_a_safe_mode_of_the_start_ends_with_a_new_generation_and_a_restart() -> None:
    async def story(house: NodeKit) -> None:
        renewed: list[str] = []
        house.safe_mode = "the journal is a backup that was put back"
        house.renewed = renewed
        stranger = planted(house, generation="olde")
        await house.restart()
        await house.clock.sleep(5)
        first = await reconcile(house, reap=True)
        assert (first.unknown, renewed) == (1, [])
        assert first.safe_mode == house.safe_mode
        found = await reconcile(house, reap=True, names=[stranger])
        assert found.unknown == 0
        assert renewed == ["renewed"]
        assert found.safe_mode is not None
        assert "restart the daemon" in found.safe_mode
        with pytest.raises(Refusal, match="E-SAFEMODE"):
            await house.train()

    virtually(story)


def test_a_budget_that_is_used_up_keeps_a_machine_from_being_taken_over_and_says_so() -> None:
    async def story(house: NodeKit) -> None:
        job_id = await without_its_journal(house)
        found = await reconcile(house, adopt=True)
        (row,) = found.machines
        assert not row.done
        assert "Not taken over" in row.detail
        assert found.unknown == 1
        assert await house.kinds(f"job/{job_id}") == []
        assert await house.kinds("ledger") == []

    async def tight(house: NodeKit) -> None:
        await story(house)

    virtually(tight, settings={"training": {"max_cost_usd": "0.1"}, "budgets": {"total_usd": "0.11"}})


# ---------------------------------------------------------------------------------------------- what is left alone


def test_a_machine_without_its_job_folder_is_not_taken_over_and_can_be_ended_by_name() -> None:
    async def story(house: NodeKit) -> None:
        name = planted(house)
        found = await reconcile(house, adopt=True)
        assert not row_of(found, name).done
        assert "folder" in row_of(found, name).detail
        ended = await reconcile(house, reap=True, names=[name])
        assert row_of(ended, name).done
        assert ended.unknown == 0
        assert house.billing() == 0
        (reaped,) = [r.event for r in await house.journal.read("fleet") if isinstance(r.event, ev.OrphanReaped)]
        assert "asked for by" in reaped.reason

    virtually(story)


@pytest.mark.parametrize(
    "change",
    [
        {"job_id": "job_bbbbbbbbbb"},
        {"attempt": 2},
        {"inputs": {}},
        {"inputs": {"data.csv": "datasets/user_usr_bbbbbbbbbb/ds_aaaaaaaaaa/data.csv"}},
        {"inputs": {"data.csv": "models/user_usr_aaaaaaaaaa/ds_aaaaaaaaaa/data.csv"}},
        {"inputs": {"data.csv": "datasets/user_usr_aaaaaaaaaa/incoming/ds_aaaaaaaaaa.csv"}},
        {"work_spec": {}},
    ],
)
def test_a_spec_of_another_job_or_without_its_data_is_not_believed(change: dict[str, Any]) -> None:
    async def story(house: NodeKit) -> None:
        job_id = await without_its_journal(house)
        (key,) = [key for key in house.cloud.objects if key.endswith("spec.json")]
        stored = house.cloud.objects[key]
        spec = Spec.model_validate_json(stored.data).model_copy(update=change)
        stored.data = spec.model_dump_json(by_alias=True).encode()
        found = await reconcile(house, adopt=True)
        assert [row.done for row in found.machines] == [False]
        assert await house.kinds(f"job/{job_id}") == []
        assert await house.kinds("ledger") == []
        assert house.billing() == 1

    virtually(story)


def test_a_store_that_does_not_answer_takes_nothing_over_and_the_next_order_does() -> None:
    async def story(house: NodeKit) -> None:
        job_id = await without_its_journal(house)
        house.cloud.faults.fail_next("get", error=Unavailable("the store is down"))
        (row,) = (await reconcile(house, adopt=True)).machines
        assert (row.done, "the store is down" in row.detail) == (False, True)
        assert house.node.safe_mode is not None
        assert (await reconcile(house, adopt=True)).machines[0].done
        await house.closed(job_id)

    virtually(story)


def test_reap_without_names_ends_orphans_only() -> None:
    async def story(house: NodeKit) -> None:
        unknown, stranger = planted(house), planted(house, "olde", job="yyyyyyyyyy")
        house.cloud.plant("somebody-elses")
        house.cloud.plant("lc1-instalgene-aaaaaaaaaa-a001-x0000000001-aaaa")
        found = await reconcile(house, reap=True)
        assert {row.name: row.does for row in found.machines} == {
            unknown: "nothing",
            stranger: "nothing",
            "somebody-elses": "nothing",
            "lc1-instalgene-aaaaaaaaaa-a001-x0000000001-aaaa": "nothing",
        }
        assert house.billing() == 4
        forged = row_of(found, "lc1-instalgene-aaaaaaaaaa-a001-x0000000001-aaaa")
        assert (forged.whose, "fails its check" in forged.reason) == ("foreign", True)

    virtually(story)


def test_reap_all_ours_ends_every_unknown_machine_and_nobody_elses() -> None:
    async def story(house: NodeKit) -> None:
        job_id = await house.running(good(3000))
        planted(house)
        planted(house, "olde", job="yyyyyyyyyy")
        house.cloud.plant("somebody-elses")
        found = await reconcile(house, reap=True, all_ours=True)
        assert sorted((row.whose, row.done) for row in found.machines) == [
            ("foreign", False),
            ("other_generation", True),
            ("ours", False),
            ("second_writer", True),
        ]
        assert house.billing() == 2
        assert (await house.job(job_id)).phase is JobState.RUNNING

    virtually(story)


def test_what_does_not_fit_into_one_order_is_said_and_ended_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciler, "ENDS_MAX", 2)

    async def story(house: NodeKit) -> None:
        names = [planted(house, generation="olde", job=f"zzzzzzzzz{letter}") for letter in "abc"]
        await house.clock.sleep(5)
        found = await reconcile(house, reap=True, all_ours=True)
        assert [row_of(found, name).done for name in names] == [True, True, False]
        assert "ask again" in row_of(found, names[2]).detail
        assert house.billing() == 1
        await reconcile(house, reap=True, all_ours=True)
        assert house.billing() == 0

    virtually(story)


@pytest.mark.no_cover  # hours go by, with steps that others take too
def test_a_machine_ended_by_name_costs_the_job_it_was_rented_for_what_it_cost() -> None:
    """Rule 8: the provider's bill is not the first to say so."""

    async def story(house: NodeKit) -> None:
        job_id = await house.running(good(60))
        await house.ended(job_id, Outcome.SUCCEEDED)
        name = planted(house, job=job_id.tail)
        await house.clock.sleep(1800)
        await reconcile(house, reap=True, names=[name])
        await house.clock.sleep(60)
        (life,) = [line for line in house.cloud.books() if line.name == name]
        assert life.ended is not None
        (booked,) = [r.event for r in await house.journal.read("ledger") if isinstance(r.event, ev.Corrected)]
        assert booked.job_id == job_id
        assert abs(booked.delta_usd - life.amount(life.ended)) <= Decimal("0.01")

    virtually(story)


def test_an_order_that_names_what_may_not_be_ended_does_nothing_at_all() -> None:
    async def story(house: NodeKit) -> None:
        job_id = await house.running(good(3000))
        unknown = planted(house)
        house.cloud.plant("somebody-elses")
        running = (await house.job(job_id)).attempts[0].request
        assert running is not None
        for name, code in (
            ("somebody-elses", "E-FORBIDDEN"),
            ("never-was", "E-NOTFOUND"),
            (running.name, "E-INUSE"),
        ):
            with pytest.raises(Refusal, match=code):
                await reconcile(house, reap=True, names=[unknown, name])
        assert house.billing() == 3
        audits = [r.event for r in await house.journal.read("audit") if isinstance(r.event, ev.Audited)]
        refused = [(a.code, a.success) for a in audits if a.what == "machines.reconcile"]
        assert refused == [("E-FORBIDDEN", False), ("E-NOTFOUND", False), ("E-INUSE", False)]

    virtually(story)


def test_nothing_is_done_from_a_listing_that_is_not_complete() -> None:
    async def story(house: NodeKit) -> None:
        name = planted(house)
        for spoiled in ("incomplete", "foreign"):
            house.cloud.fault_next_listing(*[spoiled] * 3)  # type: ignore[arg-type]
            with pytest.raises(Refusal, match="E-LISTING"):
                await reconcile(house, reap=True, names=[name])
            house.heal()
        assert house.billing() == 1

    virtually(story)


def test_a_machine_that_does_not_end_is_reported_as_being_ended_and_ends_later() -> None:
    async def story(house: NodeKit) -> None:
        hard = house.clock.now() + timedelta(hours=1)
        name = MachineName("instal", "gene", "zzzzzzzzzz", 1, hard).text(KEY)
        house.cloud.plant(name, Script(terminates_ignored=12))
        found = await reconcile(house, reap=True, names=[name])
        assert (row_of(found, name).does, row_of(found, name).done) == ("reap", False)
        await house.clock.sleep(600)
        assert house.billing() == 0

    virtually(story)


def test_another_users_running_machine_is_not_named() -> None:
    async def story(house: NodeKit) -> None:
        job_id = await house.running(good(3000), BEN)
        found = await reconcile(house)
        (row,) = found.machines
        assert (row.id, row.job_id) == ("", None)
        assert job_id.tail not in found.model_dump_json()

    virtually(story)


def test_a_machine_of_a_user_who_does_not_ask_is_found_by_listing_the_folders() -> None:
    async def story(house: NodeKit) -> None:
        job_id = await without_its_journal(house)
        found = await reconcile(house, BEN, adopt=True)
        assert [row.done for row in found.machines] == [True]
        assert (await house.closed(job_id)).user_id == UserId(ANA.user_id)

    virtually(story)
