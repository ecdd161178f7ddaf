"""What the work on the machine is told."""

from __future__ import annotations

from actors.supervisor.state import Job
from actors.supervisor.work import RESUME_MAX, Program, spec_for
from messages.jobs import LastRun
from tests.support.jobs import JOB, USER, Story, offer, plan

PROGRAM = Program(argv=("python", "-m", "containers.training"))


def test_the_work_is_told_how_rows_are_held_out_and_what_the_last_run_was() -> None:
    last = LastRun(model="churn-7f3", name="roc_auc", value=0.84, low=0.82, high=0.86)
    asked = {"test_share": 0.3, "seed": 7, "group": "customer", "last_run": last}
    ordered = plan()
    ordered = ordered.model_copy(update={"spec": ordered.spec.model_copy(update=asked)})
    told = spec_for(Story(ordered).job, 1, PROGRAM, ordered.offers[0]).work_spec
    assert {key: told[key] for key in (*asked, "time")} == {**asked, "last_run": last.model_dump(), "time": None}
    assert spec_for(Story().job, 1, PROGRAM, plan().offers[0]).work_spec["last_run"] is None


def test_the_work_is_told_of_its_file_when_it_was_ordered_and_on_which_offer_it_runs() -> None:
    """Also before the machine is asked for: that is when the folder is written."""
    job, offers = Story().job, plan().offers
    told = spec_for(job, 1, PROGRAM, offers[0]).work_spec
    assert told["dataset_name"] == job.dataset_name
    assert told["ordered_at"] == "2026-11-23T12:00:00Z"
    assert told["machine"] == {
        "provider": "fake",
        "max_cost_usd": "10",
        "machine_type": "a",
        "place": "here",
        "spot": False,
        "rate_usd_per_hour": "0.27",
    }
    assert spec_for(job, 2, PROGRAM, offers[1]).work_spec["machine"]["machine_type"] == "b"


def resume(job: Job, attempt: int) -> tuple[str, ...]:
    """Return the attempts whose checkpoints this one is told of, by their folders."""
    found = spec_for(job, attempt, PROGRAM, job.plan.offers[0]).resume
    return tuple(key.removeprefix(f"jobs/user_{USER}/{JOB}/").removesuffix("/checkpoint.json") for key in found)


def test_an_attempt_is_told_of_every_earlier_one_that_may_have_run_newest_first() -> None:
    story = Story(plan(tuple(map(offer, "abcd")), max_billed_attempts=9))
    assert resume(story.job, 1) == ()
    story.running().after(600).vanished().ended()
    assert resume(story.job, 2) == ("1",)
    story.refused()
    story.running().after(600)
    assert resume(story.job, 3) == ("1",), "the second had no machine, and its own folder is not an earlier one"
    story.vanished().ended()
    assert resume(story.job, 4) == ("3", "1")


def test_only_so_many_are_told_of() -> None:
    names = [f"offer{number}" for number in range(RESUME_MAX + 3)]
    story = Story(plan(tuple(map(offer, names)), max_billed_attempts=20))
    for _ in range(RESUME_MAX + 2):
        story.running().after(600).vanished().ended()
    number = len(story.job.attempts)
    assert len(resume(story.job, number)) == RESUME_MAX
    assert resume(story.job, number)[0] == str(number - 1)


def test_the_work_is_told_its_longest_runtime_of_which_a_search_takes_a_part() -> None:
    ordered = plan()
    assert (
        spec_for(Story(ordered).job, 1, PROGRAM, ordered.offers[0]).work_spec["max_runtime_s"]
        == ordered.limits.max_runtime_s
    )
