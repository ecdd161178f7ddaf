"""What people see of a node: jobs, machines, money, status, events, logs; each only of their own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

import pytest

from actors.journal.interface import ANY, NEW
from actors.runtime.system import ActorInfo
from actors.views.building import cost_so_far
from actors.views.node import actor_rows
from actors.views.ownership import Owners
from messages import events as ev
from messages.admin import PlanTraining, RemoveDataset, TrainOrder
from messages.errors import Refusal
from messages.folder import PROGRESS, Heartbeat, Progress
from messages.jobs import JobState, Outcome
from messages.machines import MachineState
from providers.fake.scripts import Script, Write, fixed
from providers.interface import Unavailable
from tests.support.node import ANA, ASK_S, BEN, NodeKit, good, virtually

T = TypeVar("T")


async def taken(stream: AsyncIterator[T]) -> list[T]:
    return [one async for one in stream]


def views(house: NodeKit) -> Any:
    return house.node.services.views


def test_a_job_is_shown_from_its_queue_to_the_proof() -> None:
    async def story(house: NodeKit) -> None:
        job_id = await house.train(name="My Churn!")
        await house.until(job_id, JobState.RUNNING)
        running = await views(house).job(ANA, job_id)
        assert running.job.name.startswith("my-churn-")
        assert running.machine.state is MachineState.RUNNING
        assert running.machine.terminated_confirmed_at is None
        await house.clock.sleep(10)
        assert (await views(house).job(ANA, job_id)).job.cost_usd > 0
        await house.closed(job_id)
        done = await views(house).job(ANA, "@last")
        assert done.job.outcome is Outcome.SUCCEEDED
        assert done.job.hold_usd == 0
        assert done.model.id is not None
        assert done.metrics is not None
        assert done.machine.state is MachineState.GONE
        assert done.machine.terminated_confirmed_at is not None
        assert done.machine.proof

    virtually(story)


def test_a_job_is_found_by_id_prefix_name_and_last_and_never_across_users() -> None:
    async def story(house: NodeKit) -> None:
        first, second = await house.train(name="one"), await house.train(name="two")
        find = views(house).job
        assert (await find(ANA, first[:9])).job.id == first
        assert (await find(ANA, f"one-{first[4:7]}")).job.id == first
        assert (await find(ANA, "@last")).job.id == second
        for who, ref in ((ANA, "nothing"), (ANA, "job_"), (BEN, first), (BEN, "@last"), (BEN, first[:9])):
            with pytest.raises(Refusal, match="E-NOTFOUND"):
                await find(who, ref)
        rows = await house.journal.query("SELECT name FROM jobs")
        assert len(rows) == 2
        for job_id in (first, second):
            await house.halt(job_id)
            await house.closed(job_id)

    virtually(story)


def test_two_jobs_of_one_name_are_ambiguous() -> None:
    async def story(house: NodeKit) -> None:
        queued = [r.event async for r in house.journal.scan("job/")]
        assert queued == []
        job_id = await house.train()
        row = (await house.journal.read(f"job/{job_id}"))[0].event
        assert isinstance(row, ev.JobQueued)
        twin = row.model_copy(update={"job_id": type(job_id)("job_zzzzzzzzzz")})
        await house.journal.append("job/job_zzzzzzzzzz", NEW, [twin], actor="test")
        with pytest.raises(Refusal, match="E-AMBIGUOUS"):
            await views(house).job(ANA, row.name)
        await house.closed(job_id)

    virtually(story)


def test_ps_shows_pages_newest_first_and_why_a_job_waits() -> None:
    async def story(house: NodeKit) -> None:
        ids = [await house.train() for _ in range(3)]
        await house.until(ids[0], JobState.RUNNING)
        page = await views(house).ps(ANA, 2, None, False)
        assert [row.id for row in page.jobs] == [ids[2], ids[1]]
        assert "machine slots" in page.jobs[0].why
        assert page.next is not None
        rest = await views(house).ps(ANA, 2, page.next, False)
        assert [row.id for row in rest.jobs] == [ids[0]]
        assert rest.next is None
        assert rest.jobs[0].runtime_s is not None
        assert (await views(house).ps(BEN, 10, None, True)).jobs == ()
        for job_id in ids:
            await house.closed(job_id)
        assert (await views(house).ps(ANA, 10, None, False)).jobs == ()
        over = await views(house).ps(ANA, 10, None, True)
        assert [row.outcome for row in over.jobs] == [Outcome.SUCCEEDED] * 3

    virtually(story, settings={"limits": {"max_machines": 1}})


def test_a_second_machine_of_one_user_waits_for_the_first() -> None:
    async def story(house: NodeKit) -> None:
        first, second = await house.train(), await house.train()
        await house.until(first, JobState.RUNNING)
        page = await views(house).ps(ANA, 9, None, False)
        assert "1 machines already" in page.jobs[0].why
        other = await house.train(BEN)
        await house.until(other, JobState.RUNNING)
        await house.closed(second)
        await house.closed(other)

    virtually(story, settings={"limits": {"max_machines": 3, "max_machines_per_user": 1}})


def test_an_unanswered_create_and_a_machine_that_will_not_go_say_why() -> None:
    async def story(house: NodeKit) -> None:
        house.cloud.faults.fail_next("launch", after_effect=False)
        job_id = await house.train()
        await house.clock.sleep(5)
        waiting = await views(house).job(ANA, job_id)
        assert "did not answer" in waiting.job.detail
        assert waiting.machine.state is MachineState.UNKNOWN
        house.cloud.script_next(Script(starts_after_s=1, writes=good().writes, terminates_ignored=4))
        await house.until(job_id, JobState.CONFIRMING)
        assert "waiting for the proof" in (await views(house).job(ANA, job_id)).job.detail
        assert (await views(house).job(ANA, job_id)).machine.state is MachineState.ENDING
        assert (await views(house).ps(ANA, 5, None, False)).jobs[0].why
        await house.closed(job_id)

    virtually(story)


def test_changes_end_with_the_closed_job_and_show_progress() -> None:
    async def story(house: NodeKit) -> None:
        half = Progress(stage="fit", percent=50, message="halfway").model_dump_json().encode()
        writes = (*good(20).writes, Write(10, PROGRESS, fixed(half)))
        house.cloud.script_next(Script(starts_after_s=1, ends_after_s=21.2, writes=writes))
        job_id = await house.train()
        seen = await taken(views(house).changes(ANA, job_id))
        assert seen[-1].job.state is JobState.CLOSED
        assert any(d.job.percent == 50 and d.job.stage == "fit" for d in seen)
        states = [d.job.state for d in seen]
        assert states == sorted(states, key=list(JobState).index)
        page = await views(house).ps(ANA, 5, None, True)
        assert page.jobs[0].percent is None

    virtually(story)


def test_a_heartbeat_shows_what_the_machine_uses() -> None:
    async def story(house: NodeKit) -> None:
        now = house.clock.now()
        said = Heartbeat(attempt=1, at=now, rss_bytes=123, memory_limit_bytes=456, gpu_use_percent=7)
        beat = said.model_dump_json().encode()
        writes = (*good().writes, Write(5, "heartbeat.json", fixed(beat)))
        house.cloud.script_next(Script(starts_after_s=1, ends_after_s=31.2, writes=writes))
        job_id = await house.train()
        await house.clock.sleep(10)
        document = await views(house).job(ANA, job_id)
        shown = document.machine
        assert (shown.rss_bytes, shown.memory_limit_bytes, shown.gpu_use_percent) == (123, 456, 7)
        started = (await house.job(job_id)).attempts[0].started
        assert started is not None
        assert document.job.runtime_s == round((house.clock.now() - started.started_at).total_seconds(), 1)
        (row,) = (await views(house).ps(ANA, 5, None, False)).jobs
        assert (row.rss_bytes, row.memory_limit_bytes, row.gpu_use_percent) == (123, 456, 7)
        assert row.runtime_s == document.job.runtime_s
        closed = await house.closed(job_id)
        over = await views(house).job(ANA, job_id)
        assert closed.closed is not None
        assert over.job.runtime_s == round((closed.closed.at - started.started_at).total_seconds(), 1)
        assert (over.machine.rss_bytes, over.machine.gpu_use_percent) == (None, None)
        (row,) = (await views(house).ps(ANA, 5, None, True)).jobs
        assert (row.rss_bytes, row.memory_limit_bytes, row.gpu_use_percent) == (None, None, None)
        assert row.runtime_s == over.job.runtime_s

    virtually(story)


def test_a_follower_hears_of_every_heartbeat_that_says_something_new() -> None:
    async def story(house: NodeKit) -> None:
        def beat(rss: int) -> bytes:
            return Heartbeat(attempt=1, at=house.clock.now(), rss_bytes=rss).model_dump_json().encode()

        writes = (*good(20).writes, *(Write(5 + n, "heartbeat.json", fixed(beat(1 + n // 2))) for n in range(6)))
        house.cloud.script_next(Script(starts_after_s=1, ends_after_s=21.2, writes=writes))
        seen = await taken(views(house).changes(ANA, await house.train()))
        told = [d.machine.rss_bytes for d in seen if d.machine.rss_bytes is not None]
        assert sorted(set(told)) == [1, 2, 3]
        assert told == sorted(told)

    virtually(story)


def line(text: str) -> bytes:
    return json.dumps({"at": "2026-01-01T00:00:05Z", "stream": "stdout", "text": text}).encode() + b"\n"


def test_the_log_is_whole_after_the_machine_is_gone_and_resumes_where_it_was() -> None:
    async def story(house: NodeKit) -> None:
        writes = (
            *good(20).writes,
            Write(5, "log/000001.ndjson", fixed(line("one") + line("two"))),
            Write(15, "log/000002.ndjson", fixed(line("three"))),
        )
        house.cloud.script_next(Script(starts_after_s=1, ends_after_s=21.2, writes=writes))
        job_id = await house.train()
        assert await taken(views(house).log(ANA, job_id, 0, 0, False)) == []
        followed = await taken(views(house).log(ANA, job_id, 0, 0, True))
        assert [one.text for one in followed] == ["one", "two", "three"]
        await house.closed(job_id)
        rest = await taken(views(house).log(ANA, job_id, 1, 1, False))
        assert [(one.file, one.line, one.text) for one in rest] == [(1, 2, "two"), (2, 1, "three")]

    virtually(story)


def test_a_console_is_of_the_machine_the_job_has_now_and_a_place_of_another_one_begins_anew() -> None:
    async def story(house: NodeKit) -> None:
        job_id = await house.train()
        job = await house.until(job_id, JobState.RUNNING)
        assert job.current is not None
        assert job.current.request is not None
        [piece] = await taken(views(house).console(ANA, job_id, 0, 0, False))
        assert piece.text.startswith(job.current.request.name)
        assert await taken(views(house).console(ANA, job_id, *map(int, piece.position.split(":")), False)) == []
        assert await taken(views(house).console(ANA, job_id, 7, 999, False)) == [piece]
        with pytest.raises(Refusal, match="E-NOTFOUND"):
            await taken(views(house).console(BEN, job_id, 0, 0, False))
        await house.closed(job_id)

    virtually(story)


def test_a_job_that_never_had_a_machine_has_an_empty_log() -> None:
    async def story(house: NodeKit) -> None:
        first, second = await house.train(), await house.train()
        await house.halt(second)
        await house.closed(second)
        assert await taken(views(house).log(ANA, second, 0, 0, True)) == []
        shown = await views(house).job(ANA, second)
        assert shown.machine.name is None
        await house.closed(first)

    virtually(story, settings={"limits": {"max_machines": 1}})


def test_machines_are_told_apart_into_ours_orphans_and_foreign() -> None:
    async def story(house: NodeKit) -> None:
        house.cloud.plant("somebody-elses")
        job_id = await house.train()
        await house.until(job_id, JobState.RUNNING)
        before = house.clock.now()
        listed = await views(house).machines(ANA)
        assert listed.listed_at >= before
        assert listed.complete
        assert {m.ours for m in listed.machines} == {"ours", "foreign"}
        assert listed.running == 1
        ours = next(m for m in listed.machines if m.ours == "ours")
        assert ours.job_id == job_id
        await house.closed(job_id)
        assert (await views(house).machines(ANA)).running == 0

    virtually(story)


@pytest.mark.parametrize("by", ["day", "user", "model", "provider", "job"])
def test_costs_are_grouped_and_add_up(by: str) -> None:
    async def story(house: NodeKit) -> None:
        spent = Decimal(0)
        for _ in range(2):
            job = await house.closed(await house.train())
            assert job.closed is not None
            spent += job.closed.cost_usd
        await house.clock.sleep(1)
        report = await views(house).costs(ANA, by)
        assert report.total_usd == spent
        assert sum(row.jobs for row in report.rows) == 2
        assert report.running_usd == report.reserved_usd == 0
        assert (await views(house).costs(BEN, by)).total_usd == 0
        with pytest.raises(Refusal, match="E-BADREQUEST"):
            await views(house).costs(ANA, "moon")

    virtually(story)


def test_status_is_one_screen_of_health_jobs_machines_and_money() -> None:
    async def story(house: NodeKit) -> None:
        job_id = await house.train()
        await house.until(job_id, JobState.RUNNING)
        await house.clock.sleep(5)
        status = await views(house).status(ANA)
        assert status.jobs == {"running": 1}
        assert status.machines_running == 1
        assert status.rate_usd_per_hour == Decimal("0.36")
        assert status.reserved_usd > 0
        assert status.last_complete_listing is not None
        assert status.safe_mode is None
        assert {"ledger", "storage", "fleet", "dispatcher"} <= {a.name for a in status.actors}
        await house.closed(job_id)
        await house.clock.sleep(1)
        assert (await views(house).status(ANA)).spent_today_usd > 0
        house.cloud.faults.fail_next("list_machines", error=Unavailable("gateway down"), times=50)
        await house.clock.sleep(5)
        assert any("gateway down" in alarm.detail for alarm in (await views(house).status(ANA)).alarms)
        assert await views(house).config(ANA) == {}

    virtually(story)


def test_a_plan_shows_the_file_the_price_and_what_the_budget_has_left() -> None:
    async def story(house: NodeKit) -> None:
        for _ in range(4):
            await house.closed(await house.train())
        dataset = await house.upload()
        order = TrainOrder.model_validate({"dataset": dataset, "target": "churn", "model": "logistic"})
        plan = await house.node.dispatcher.ask(PlanTraining(requester=ANA, order=order), ASK_S)
        shown = await views(house).plan(ANA, order, plan)
        assert shown.rows == 20
        assert shown.columns == 3
        assert shown.budget_left_usd is not None
        assert shown.budget_left_usd < 5
        # Learned from the four runs before, which took half a minute each.
        assert 15 < plan.estimate.runtime_s_low < 32 < plan.estimate.runtime_s_high < 60

    virtually(story, settings={"budgets": {"per_day_usd": "5"}})


def test_no_offer_of_the_kind_asked_for_is_said_before_anything_is_queued() -> None:
    async def story(house: NodeKit) -> None:
        with pytest.raises(Refusal, match="E-NOCAP"):
            await house.train(machine="a machine nobody has")
        house.cloud.faults.fail_next("offers", error=Unavailable("down"))
        with pytest.raises(Refusal, match="E-NOCAP"):
            await house.train()

    virtually(story)


def test_events_show_what_is_ones_own_and_end_at_the_newest() -> None:
    async def story(house: NodeKit) -> None:
        await house.closed(await house.train(ANA))
        await house.closed(await house.train(BEN))
        await house.clock.sleep(1)
        lines = await taken(views(house).events(ANA, 0, False))
        mine = [one for one in lines if one.stream.startswith("job/")]
        assert len({one.stream for one in mine}) == 1
        assert mine[-1].kind == "job.closed"
        money = [one.kind for one in lines if one.stream == "ledger"]
        assert money == ["ledger.reserved", "ledger.accrual_started", "ledger.released", "ledger.settled"]
        assert not any(BEN.user_id in json.dumps(one.body) for one in lines)
        assert await taken(views(house).events(ANA, lines[-1].position + 10_000, False)) == []
        following = views(house).events(ANA, lines[-1].position, True)
        await house.train(ANA)
        assert (await anext(following)).position > lines[-1].position
        await following.aclose()
        await house.closed((await views(house).job(ANA, "@last")).job.id)

    virtually(story)


# ---------------------------------------------------------------------------------------------- isolation (I13)

LOST = Script(starts_after_s=1, ends_after_s=20, writes=good().writes[:1])
"""A machine that is taken away in mid-work."""


def audit(who: str, **more: str) -> ev.Audited:
    at = "2026-01-01T00:00:00Z"
    body = {"who": who, "what": "dataset.find", "resource": "", "success": False, "provider": "fake", "at": at}
    return ev.Audited.model_validate({**body, **more})


async def told(house: NodeKit, *events: ev.Event, stream: str = "node") -> None:
    await house.journal.append(stream, ANY, events, actor="test")


def alarm(house: NodeKit, detail: str, name: str = "job_parked") -> ev.AlarmRaised:
    return ev.AlarmRaised(alarm=name, detail=detail, at=house.clock.now())


def test_status_shows_machines_and_money_of_nobody_else() -> None:
    """Fault 88."""

    async def story(house: NodeKit) -> None:
        await house.closed(await house.train(BEN))
        job_id = await house.train(BEN)
        await house.until(job_id, JobState.RUNNING)
        await house.clock.sleep(5)
        other, own = await views(house).status(ANA), await views(house).status(BEN)
        assert (own.machines_running, own.rate_usd_per_hour) == (1, Decimal("0.36"))
        assert min(own.spent_today_usd, own.spent_month_usd, own.reserved_usd) > 0
        assert (other.machines_running, other.rate_usd_per_hour) == (0, 0)
        assert other.spent_today_usd == other.spent_month_usd == other.reserved_usd == 0
        assert other.jobs == {}
        await house.closed(job_id)

    virtually(story)


def test_supervisors_of_all_jobs_are_one_row_that_names_none() -> None:
    async def story(house: NodeKit) -> None:
        jobs = [await house.train(who) for who in (ANA, BEN, BEN)]
        await house.until(jobs[0], JobState.RUNNING)
        status = await views(house).status(ANA)
        names = ["ledger", "storage", "fleet", "dispatcher", "reconciler", "supervisors"]
        assert [a.name for a in status.actors] == names
        assert not any(job_id in status.model_dump_json() for job_id in jobs[1:])
        for job_id in jobs:
            await house.closed(job_id)

    virtually(story)


def test_the_row_of_the_supervisors_sums_them_and_shows_the_oldest() -> None:
    def info(name: str, age_s: float, parked: bool = False) -> ActorInfo:
        return ActorInfo(name, 1, age_s, 3, 0.0, 2, parked, False, 0, 0, 0, "")

    rows = actor_rows([info("ledger", 0.5), info("job_aaaaaaaaaa", 4.0), info("job_bbbbbbbbbb", 2.0, parked=True)])
    assert [tuple(row.model_dump().values()) for row in rows] == [
        ("ledger", 1, 0.5, 2, 3, False),
        ("supervisors", 2, 4.0, 4, 6, True),
    ]


def test_alarms_that_name_a_job_or_machine_of_somebody_else_are_not_shown() -> None:
    async def story(house: NodeKit) -> None:
        mine, theirs = await house.train(ANA), await house.train(BEN)
        for job_id in (mine, theirs):
            await house.until(job_id, JobState.RUNNING)
        machine = (await views(house).job(BEN, theirs)).machine.name
        await told(house, alarm(house, f"{mine}: broke"), alarm(house, "the clock jumped", "clock"))
        await house.clock.sleep(0.1)
        others = (alarm(house, f"{theirs}: broke {number}") for number in range(30))
        await told(house, *others, alarm(house, f"machine {machine} is twice there", "second_writer"))
        shown = {a.detail for a in (await views(house).status(ANA)).alarms}
        assert shown == {f"{mine}: broke", "the clock jumped"}
        assert len((await views(house).status(BEN)).alarms) == 20
        kinds = [one.kind for one in await taken(views(house).events(ANA, 0, False)) if one.stream == "node"]
        assert kinds.count("node.alarm_raised") == 2
        for job_id in (mine, theirs):
            await house.closed(job_id)

    virtually(story)


def test_why_nothing_is_launched_is_said_without_naming_a_machine_of_somebody_else() -> None:
    async def story(house: NodeKit) -> None:
        job_id = await house.train(BEN)
        await house.until(job_id, JobState.RUNNING)
        name = (await views(house).job(BEN, job_id)).machine.name
        house.degraded = f"machine {name} is not ours"
        assert (await views(house).status(ANA)).safe_mode == "machine (another user's) is not ours"
        assert (await views(house).status(BEN)).safe_mode == house.degraded
        house.degraded = None
        await house.closed(job_id)

    virtually(story)


def test_a_machine_of_another_user_is_counted_and_not_named() -> None:
    async def story(house: NodeKit) -> None:
        house.cloud.plant("somebody-elses")
        mine, theirs = await house.train(ANA), await house.train(BEN)
        for job_id in (mine, theirs):
            await house.until(job_id, JobState.RUNNING)
        listed = await views(house).machines(ANA)
        assert listed.running == 2
        rows = {(row.name, row.job_id, row.ours) for row in listed.machines}
        own = (await views(house).job(ANA, mine)).machine.name
        assert rows == {
            ("somebody-elses", None, "foreign"),
            (own, mine, "ours"),
            ("(another user's)", None, "ours"),
        }
        assert [row.id for row in listed.machines if row.name == "(another user's)"] == [""]
        assert theirs.removeprefix("job_") not in listed.model_dump_json()
        for job_id in (mine, theirs):
            await house.closed(job_id)

    virtually(story)


def test_everyone_sees_a_machine_whose_job_is_over() -> None:
    async def story(house: NodeKit) -> None:
        job_id = await house.train(BEN)
        await house.until(job_id, JobState.RUNNING)
        name = (await views(house).job(BEN, job_id)).machine.name
        await house.closed(job_id)
        house.cloud.plant(name, Script(terminates_ignored=1_000))
        orphans = [row for row in (await views(house).machines(ANA)).machines if row.ours == "orphan"]
        assert [(row.name, row.job_id) for row in orphans] == [(name, job_id)]

    virtually(story)


def test_events_of_the_fleet_name_no_machine_of_somebody_else() -> None:
    async def story(house: NodeKit) -> None:
        ids = {}
        for who in (ANA, BEN):
            job = await house.closed(await house.train(who))
            name = (await views(house).job(who, job.id)).machine.name
            ids[who.user_id] = house.cloud.plant(name)
        await house.clock.sleep(30)
        assert await house.kinds("fleet") == ["fleet.orphan_reaped", "fleet.orphan_gone"] * 2
        for who in (ANA, BEN):
            lines = await taken(views(house).events(who, 0, False))
            machines = [one.body["machine"] for one in lines if one.stream == "fleet"]
            assert [machine["id"] for machine in machines] == [ids[who.user_id]] * 2

    virtually(story)


def test_whose_an_operation_is_depends_on_who_did_it_and_not_on_what_its_text_says() -> None:
    async def story(house: NodeKit) -> None:
        lure = f"{BEN.user_id}.csv"
        job_id = await house.train(ANA, dataset=await house.upload(ANA, name=lure))
        await told(house, audit(f"uid:1 {ANA.user_id}", resource=BEN.user_id), stream="audit")
        await told(house, audit("sys", detail=BEN.user_id), stream="audit")
        stop = {"command_id": "api:0:z", "name": "stop", "digest": "", "answer": {"note": BEN.user_id}}
        accepted = ev.CommandAccepted.model_validate({**stop, "body": {"user_id": ANA.user_id}})
        await told(house, accepted, stream="command/api:0:z")
        await house.closed(job_id)
        await house.clock.sleep(1)
        assert [one.kind for one in await taken(views(house).events(BEN, 0, False))] == []
        mine = await taken(views(house).events(ANA, 0, False))
        assert {"audit", "command.accepted", "dataset.added", "model.stored"} <= {one.kind for one in mine}
        assert any(one.stream == "command/api:0:z" for one in mine)
        assert any(one.body.get("resource") == BEN.user_id for one in mine)
        assert not any(one.body.get("who") == "sys" for one in mine)

    virtually(story)


def test_removals_are_shown_to_who_removed() -> None:
    async def story(house: NodeKit) -> None:
        dataset_id = await house.upload(ANA)
        removal = RemoveDataset(command_id=house.command(), requester=ANA, ref=dataset_id)
        await house.node.storage.ask(removal, ASK_S)
        for who, seen in ((ANA, True), (BEN, False)):
            lines = await taken(views(house).events(who, 0, False))
            assert any(one.kind == "dataset.removed" for one in lines) is seen

    virtually(story)


def test_a_followed_journal_remembers_a_bounded_number_of_owners() -> None:
    async def story(house: NodeKit) -> None:
        job_id = await house.train()
        row = (await house.journal.read(f"job/{job_id}"))[0].event
        assert isinstance(row, ev.JobQueued)
        twins = [type(job_id)(f"job_zzzzzzzzz{letter}") for letter in "abcd"]
        owners = Owners(house.journal, known_max=2)
        for twin in twins:
            await told(house, row.model_copy(update={"job_id": twin, "user_id": BEN.user_id}), stream=f"job/{twin}")
            recorded = (await house.journal.read(f"job/{twin}"))[0]
            assert await owners.concerns(BEN.user_id, recorded)
            assert not await owners.concerns(ANA.user_id, recorded)
        assert len(owners) == 2
        assert await owners.of([*twins, job_id]) == dict.fromkeys(twins, BEN.user_id) | {job_id: ANA.user_id}
        assert len(owners) == 2
        await house.closed(job_id)

    virtually(story)


# ---------------------------------------------------------------------------------------------- attempts


def test_a_followed_log_goes_on_with_the_next_attempts_first_line() -> None:
    async def story(house: NodeKit) -> None:
        writes = (
            *LOST.writes,
            Write(5, "log/000001.ndjson", fixed(line("one") + line("two"))),
            Write(19.9, "log/000002.ndjson", fixed(line("three"))),
        )
        house.cloud.script_next(Script(starts_after_s=1, ends_after_s=20, writes=writes))
        again = (*good(20).writes, Write(5, "log/000001.ndjson", fixed(line("again"))))
        house.cloud.script_next(Script(starts_after_s=1, ends_after_s=21.2, writes=again))
        job_id = await house.train()
        followed = await taken(views(house).log(ANA, job_id, 0, 0, True))
        shown = [(one.file, one.line, one.text) for one in followed]
        assert shown == [(1, 1, "one"), (1, 2, "two"), (2, 1, "three"), (1, 1, "again")]
        assert len((await house.closed(job_id)).attempts) == 2
        for place in ((2, 1), (1, 2)):
            from_before = await taken(views(house).log(ANA, job_id, *place, False))
            assert [one.text for one in from_before] == ["again"]
        assert await taken(views(house).log(ANA, job_id, 1, 1, False)) == []

    virtually(story)


def test_what_an_ended_attempt_cost_counts_while_its_job_goes_on() -> None:
    async def story(house: NodeKit) -> None:
        house.cloud.script_next(LOST)
        job_id = await house.train()
        while not (await house.job(job_id)).spent_usd:
            await house.clock.sleep(0.25)
        house.cloud.faults.fail_next("launch", after_effect=False)
        await house.clock.sleep(2)
        job = await house.job(job_id)
        assert len(job.attempts) == 2
        report, status = await views(house).costs(ANA, "day"), await views(house).status(ANA)
        assert report.total_usd == 0
        assert report.running_usd >= job.spent_usd > 0
        assert status.spent_today_usd == status.spent_month_usd == job.spent_usd
        assert (await views(house).costs(BEN, "day")).running_usd == 0
        closed = (await house.closed(job_id)).closed
        await house.clock.sleep(1)
        report = await views(house).costs(ANA, "day")
        assert closed is not None
        assert (report.total_usd, report.running_usd) == (closed.cost_usd, 0)
        assert (await views(house).ps(ANA, 5, None, True)).jobs[0].cost_usd == closed.cost_usd

    virtually(story)


def test_a_machine_proven_gone_no_longer_counts_as_running() -> None:
    async def story(house: NodeKit) -> None:
        house.cloud.script_next(LOST)
        job_id = await house.train()
        counted: set[tuple[int, bool, int]] = set()
        while (job := await house.job(job_id)).closed is None:
            if job.last is not None and job.last.machine is not None:
                running = (await views(house).status(ANA)).machines_running
                counted.add((job.last.number, job.last.gone is not None, running))
            await house.clock.sleep(0.2)
        # Between the proof and the end of the first attempt its folder is read twice.
        assert {(1, False, 1), (1, True, 0), (2, False, 1)} <= counted
        assert counted <= {(1, False, 1), (1, True, 0), (2, False, 1), (2, True, 0)}
        assert (await views(house).status(ANA)).rate_usd_per_hour == 0

    virtually(story)


def test_the_cost_so_far_ends_as_what_the_books_say() -> None:
    async def story(house: NodeKit) -> None:
        house.cloud.faults.fail_next("launch", after_effect=True)
        job = await house.closed(await house.train())
        attempt = job.attempts[0]
        assert job.closed is not None
        assert attempt.ambiguous is not None
        assert attempt.intent is not None
        request = attempt.intent.request
        priced = request.model_copy(update={"offer": request.offer.model_copy(update={"fixed_usd": Decimal("0.5")})})
        intent = attempt.intent.model_copy(update={"request": priced})
        still = replace(job, closed=None, attempts=(replace(attempt, intent=intent, ended=None),))
        assert cost_so_far(still, house.clock.now()) == job.closed.cost_usd + Decimal("0.5")

    virtually(story)
