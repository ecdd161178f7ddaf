"""What the work on the machine is told."""

from __future__ import annotations

from actors.supervisor.work import Program, spec_for
from messages.jobs import LastRun
from tests.support.jobs import Story, plan

PROGRAM = Program(argv=("python", "-m", "containers.training"))


def test_the_work_is_told_how_rows_are_held_out_and_what_the_last_run_was() -> None:
    last = LastRun(model="churn-7f3", name="roc_auc", value=0.84, low=0.82, high=0.86)
    asked = {"test_share": 0.3, "seed": 7, "group": "customer", "last_run": last}
    ordered = plan()
    ordered = ordered.model_copy(update={"spec": ordered.spec.model_copy(update=asked)})
    told = spec_for(Story(ordered).job, 1, PROGRAM).work_spec
    assert {key: told[key] for key in (*asked, "time")} == {**asked, "last_run": last.model_dump(), "time": None}
    assert spec_for(Story().job, 1, PROGRAM).work_spec["last_run"] is None


def test_the_work_is_told_when_it_was_ordered_and_on_which_offer_it_runs() -> None:
    story = Story().reserved()
    told = spec_for(story.job, 1, PROGRAM).work_spec
    assert told["ordered_at"] == "2026-11-23T12:00:00Z"
    assert told["machine"] == {
        "provider": "fake",
        "max_cost_usd": "10",
        "machine_type": "a",
        "place": "here",
        "spot": False,
        "rate_usd_per_hour": "0.27",
    }
    second = story.refused().reserved()
    assert spec_for(second.job, 2, PROGRAM).work_spec["machine"]["machine_type"] == "b"


def test_of_an_attempt_that_has_no_intent_yet_no_offer_is_told() -> None:
    assert spec_for(Story().job, 1, PROGRAM).work_spec["machine"] == {"provider": "fake", "max_cost_usd": "10"}
