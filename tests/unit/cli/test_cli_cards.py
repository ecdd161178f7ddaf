"""The cards people see, as golden text at 80 and 40 columns, from the documents the gateway is tested with."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lastcall.cli import cards, text
from lastcall.cli.jobs import show_jobs
from lastcall.cli.status import status_lines
from lastcall.cli.text import cut, left

DOCUMENTS = Path(__file__).parents[2] / "golden"
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = os.environ.get("TZ")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    assert os.environ.get("TZ") == before
    time.tzset()


def document(name: str) -> Any:
    return json.loads((DOCUMENTS / f"{name}.json").read_text(encoding="utf-8"))


CARDS: dict[str, Callable[[int], list[str]]] = {
    "plan": lambda columns: cards.plan_card(document("plan"), columns),
    "success": lambda columns: cards.result_card(document("train"), document("machines"), columns, "$0.002–$0.007"),
    "failure": lambda columns: cards.result_card(document("train_failed"), document("machines"), columns),
    "tried": lambda columns: cards.result_card(document("train_tried"), document("machines"), columns),
    "status": lambda columns: [line for line, _ in status_lines(document("status"), columns)],
    "progress": lambda _: [cards.progress_line(document("train_running"))],
}


@pytest.mark.parametrize("columns", [80, 40])
@pytest.mark.parametrize("name", list(CARDS))
def test_a_card_is_exactly_its_golden_text(name: str, columns: int) -> None:
    shown = "\n".join(CARDS[name](columns)) + "\n"
    assert shown == (GOLDEN / f"{name}-{columns}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("columns", [80, 40])
@pytest.mark.parametrize("name", ["plan", "success", "failure", "tried", "status"])
def test_a_card_fits_the_terminal_but_for_what_is_there_to_be_copied(name: str, columns: int) -> None:
    lines = [line for line in CARDS[name](columns) if not line.startswith(("Next: ", "E-"))]
    assert max(text.width(line) for line in lines) <= columns


def test_a_job_that_never_rented_says_so() -> None:
    found = document("train_failed")
    found["machine"].update(id=None, terminated_confirmed_at=None)
    assert cards.machine_line(found, document("machines")) == "No machine was rented · 0 machines running"


def test_an_end_without_proof_is_never_called_confirmed() -> None:
    found = document("train")
    found["machine"]["terminated_confirmed_at"] = None
    assert "not confirmed" in cards.machine_line(found, document("machines"))


def test_without_a_listing_no_count_is_claimed() -> None:
    assert "not known" in cards.machine_line(document("train"), None)


def test_names_from_outside_are_neutralised_on_every_card() -> None:
    evil = "a\x1b]0;owned\x07\nb"
    plan = document("plan")
    plan["dataset_name"] = plan["plan"]["spec"]["target"] = plan["plan"]["warnings"][0] = evil
    plan["plan"]["offers"][0]["reason"] = evil
    failed = document("train_failed")
    for key in ("name", "dataset_name", "target", "detail", "text", "hint", "message"):
        failed["job"][key] = evil
    good = document("train")
    good["job"].update(name=evil, dataset_name=evil, target=evil)
    good["metrics"]["verdict"] = evil
    good["model"]["name"] = evil
    lines = cards.plan_card(plan, 80) + cards.result_card(failed, None, 80) + cards.result_card(good, None, 80)
    lines.append(cards.progress_line({"job": failed["job"]}))
    assert not any("\x1b" in line or "\x07" in line or "\n" in line for line in lines)


def test_a_plan_says_what_runs_up_beside_the_machine_where_its_provider_tells() -> None:
    plan = document("plan")
    assert "beside" not in "\n".join(cards.plan_card(plan, 80))
    plan["plan"]["offers"][0].update(beside="50 GB of gp3; its log at most $0.034", disk_usd_per_hour="0.0128314")
    assert "  beside    $0.013/h for 50 GB of gp3; its log at most $0.034" in cards.plan_card(plan, 80)


def test_a_plan_whose_machine_cannot_end_itself_says_so() -> None:
    plan = document("plan")
    plan["plan"]["self_termination"] = "unproven"
    plan["budget_left_usd"] = None
    plan["plan"]["offers"][0].update(gpu="RTX A5000", cpus=None, memory_gb=None, reason="")
    plan["plan"]["estimate"].update(runtime_s_high=20, cost_usd_high="0.001500")
    shown = "\n".join(cards.plan_card(plan, 80))
    assert "bounded only while Lastcall runs" in shown
    assert "budget" not in shown
    assert "RTX A5000" in shown
    assert "expected  20 s · $0.002" in shown


def test_a_plan_names_the_way_out_of_a_machine_that_may_be_taken_back() -> None:
    plan = document("plan")
    first = plan["plan"]["offers"][0] | {"machine_type": "m5.large", "place": "us-east-1a", "spot": True}
    second, usual = first | {"place": "us-east-1b"}, first | {"place": "us-east-1", "spot": False}
    plan["plan"]["offers"] = [first, second, usual | {"rate_usd_per_hour": "0.096"}]
    assert "  otherwise m5.large on-demand in us-east-1 · $0.096/h · 1 more offer" in cards.plan_card(plan, 80)
    plan["plan"]["offers"] = [first, second]
    assert "  otherwise m5.large spot in us-east-1b · $0.27/h" in cards.plan_card(plan, 80)
    plan["plan"]["offers"] = [usual, usual | {"machine_type": "c5.large"}]
    assert "  otherwise c5.large in us-east-1 · $0.27/h" in cards.plan_card(plan, 80)


def test_other_metrics_than_ours_are_shown_plainly() -> None:
    assert cards.metric_lines({"accuracy": 0.5, "note": "x"}, 80) == ["accuracy 0.500"]
    assert cards.metric_lines({}, 80) == []
    assert cards.metric_lines({"headline": {"name": "r2", "value": 0.5}}, 80) == ["r2 0.500"]


def test_a_model_left_by_a_stopped_job_is_shown() -> None:
    found = document("train")
    found["job"].update(outcome="cancelled", code=None)
    lines = cards.result_card(found, document("machines"), 80)
    assert "A model was left and kept: churn-7fa" in lines
    assert lines[-1] == found["job"]["id"]


def test_progress_shows_time_memory_and_gpu_as_far_as_the_machine_says() -> None:
    found = document("train_running")
    assert cards.progress_line(found) == (
        "churn-7fa: training · 40 % · about 4 min left · 1 min 33 s · $0.012 · 537 MB of 8.6 GB memory · GPU 87 %"
        " · fitting 200 trees"
    )
    found["job"].update(left_s=None)
    found["machine"].update(memory_limit_bytes=None, gpu_use_percent=None)
    assert "· 537 MB memory · fitting" in cards.progress_line(found)
    found["machine"].update(rss_bytes=None)
    assert cards.progress_line(found) == "churn-7fa: training · 40 % · 1 min 33 s · $0.012 · fitting 200 trees"
    found["machine"].update(gpu_use_percent=0.4)
    assert "· GPU 0 % ·" in cards.progress_line(found)


def test_progress_says_how_good_the_work_is_so_far() -> None:
    found = document("train_running")
    found["job"].update(message="round 25 of 100", metric={"loss": 0.31234, "roc_auc": 0.9})
    assert cards.progress_line(found).endswith("· round 25 of 100 · loss 0.3123 · ROC AUC 0.900")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (4.9, ""),
        (5.2, "about 5 s left"),
        (119.0, "about 119 s left"),
        (120.0, "about 2 min left"),
        (240.0, "about 4 min left"),
        (7199.0, "about 120 min left"),
        (14400.0, "about 4.0 h left"),
    ],
)
def test_what_is_left_is_said_as_roughly_as_it_is_known(seconds: float | None, words: str) -> None:
    assert left(seconds) == words


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_ps_shows_what_a_running_job_uses_below_its_line_at_any_width(columns: int) -> None:
    lines: list[str] = []
    screen = SimpleNamespace(columns=columns, out=lambda line, style="": lines.append(line), say=lines.append)
    app: Any = SimpleNamespace(screen=screen)
    show_jobs(app, document("ps"), everything=False)
    assert lines[2] == "  537 MB of 8.6 GB memory · GPU 87 %"
    assert "1 min 33 s  $0.012" in lines[1]
    assert lines[3].startswith("price-oth")
    assert max(len(line) for line in lines) <= columns


def test_progress_says_that_a_create_is_unanswered_and_not_what_the_work_said_last() -> None:
    found = document("train_running")
    found["job"].update(state="launching", detail="making sure nothing was started.", message="", cost_usd="0")
    assert cards.progress_line(found) == ("churn-7fa: renting the machine · $0.00 · making sure nothing was started.")
    found["job"].update(state="confirming", message="trained")
    assert "trained" not in cards.progress_line(found)


def test_what_matters_most_of_progress_is_left_on_a_narrow_terminal() -> None:
    assert cut(cards.progress_line(document("train_running")), 40) == "churn-7fa: training · 40 % · about 4 mi…"


@pytest.mark.parametrize("state", ["queued", "starting", "confirming"])
def test_progress_says_what_a_job_waits_for(state: str) -> None:
    found = document("train_running")
    found["job"].update(state=state, attempt=2, message="soon", percent=None)
    line = cards.progress_line(found)
    assert "attempt 2" in line
    assert ("$" in line) is (state != "queued")
    assert cards.model_words("auto") == "the best model"


def test_what_is_to_be_known_of_a_score_is_pointed_at_where_the_score_is_told() -> None:
    found = document("train")
    assert not any(" in its report" in line for line in cards.result_card(found, document("machines"), 200))
    found["metrics"]["warnings"] = ["Only 3 held-out rows are “yes”: the score hangs on them."]
    lines = cards.result_card(found, document("machines"), 200)
    name = found["model"]["name"]
    assert f"1 note on data and score in its report: lastcall models get {name}" in lines
