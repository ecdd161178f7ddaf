"""``compare`` and ``reproduce``: over the socket, and as commands."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from messages import admin
from messages.comparing import CompareDocument, DescribedModel, DescribeModel, Making
from messages.jobs import Outcome
from tests.integration.socket import examples
from tests.integration.socket.conftest import Site
from tests.integration.socket.live import CSV, Capture, LiveGateway, run


async def test_two_are_compared_by_models_names_or_the_jobs_that_made_them(site: Site) -> None:
    by_name = await (await site.get("/v1/compare?first=churn-7fa&second=churn-8bc")).json()
    by_job = await (await site.get(f"/v1/compare?first={examples.JOB}&second={examples.OTHER_MODEL}")).json()
    assert by_job == by_name
    assert [model["name"] for model in by_name["models"]] == ["churn-7fa", "churn-8bc"]
    assert (by_name["comparable"], by_name["models"][0]["cost_usd"]) == (True, "0.043500")
    assert by_name["models"][1]["cost_usd"] is None, "the journal does not know its job"


async def test_what_has_no_model_cannot_be_compared(site: Site) -> None:
    assert (await site.get("/v1/compare?first=churn-7fa&second=nothing")).status == 404
    assert (await site.get("/v1/compare?first=churn-7fa")).status == 400
    site.node.job_now = examples.failed()
    answer = await site.get(f"/v1/compare?first={examples.JOB}&second=churn-8bc")
    assert (await answer.json(content_type=None))[
        "detail"
    ] == "churn-7fa (job_churn7fabc) left no model to compare with"
    assert (await site.get("/v1/jobs/churn-7fa/order")).status == 404


async def test_the_order_of_a_job_once_more_is_refused_where_its_data_is_gone(site: Site) -> None:
    gone = await site.get("/v1/jobs/churn-7fa/order")
    assert gone.status == 409
    assert (await gone.json(content_type=None))["code"] == "E-DATA-GONE"
    await site.post("/v1/datasets?name=a.csv", data=CSV)
    found = await (await site.get("/v1/jobs/churn-7fa/order")).json()
    assert (found["schema"], found["model_id"], found["order"]["seed"]) == ("order/v1", examples.MODEL, 7)
    assert site.node.dispatcher.asked == [], "nothing is ordered by looking"
    listed = [q for q in site.node.storage.asked if isinstance(q, admin.ListDatasets)]
    site.node.datasets[examples.DATASET] = examples.dataset()
    found = await (await site.get("/v1/jobs/churn-7fa/order")).json()
    assert found["order"]["dataset"] == examples.DATASET
    assert [q for q in site.node.storage.asked if isinstance(q, admin.ListDatasets)] == listed


def test_a_comparison_shows_both_and_says_which_is_better(live: LiveGateway, capsys: Capture) -> None:
    code, out, _ = run(capsys, "compare", "churn-7fa", "churn-8bc")
    assert code == 0
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == "churn-7fa churn-8bc"
    for line in (
        "ROC AUC 0.846 0.851",
        "between 0.828–0.863 0.833–0.868",
        "held out 20% at random, seed 42 20% at random, seed 42",
        "cost $0.044 -",
        "took 9 min 38 s -",
    ):
        assert line in lines
    assert lines[-1] == "No clear difference: ROC AUC 0.846 and 0.851, and the intervals overlap."


def test_what_the_rows_say_is_told_to_people_and_to_scripts(live: LiveGateway, capsys: Capture) -> None:
    """Two that their intervals do not tell apart: on every row the second is off by half as much."""
    for number, off in enumerate((1.0, 0.5)):
        known = live.node.described[number]
        lines = [f"{row},{row},{row + off * (1 + row % 3)}" for row in range(60)]
        data = "\n".join(["row,actual,prediction", *lines]).encode()
        live.node.store.objects[f"rows of {known.info.id}"] = data
        rmse = math.sqrt(sum((off * (1 + row % 3)) ** 2 for row in range(60)) / 60)
        top = {"name": "rmse", "label": "RMSE", "value": rmse, "low": 0, "high": 9, "higher_is_better": False}
        metrics = known.info.metrics | {"headline": top, "held_out": {"rmse": rmse}, "rows": {"train": 240, "test": 60}}
        info = known.info.model_copy(update={"metrics": metrics, "task": "regression"})
        live.node.described[number] = known.model_copy(update={"info": info})
    live.node.storage.answers[admin.ReadModelFile] = lambda q: admin.DownloadGrant(
        key=f"rows of {q.ref}", size_bytes=len(live.node.store.objects[f"rows of {q.ref}"]), name=q.file
    )
    code, out, _ = run(capsys, "compare", "churn-7fa", "churn-8bc")
    assert code == 0
    found = json.loads(run(capsys, "compare", "churn-7fa", "churn-8bc", "--json")[1])
    CompareDocument.model_validate(found)
    rows = found["row_by_row"]
    assert (rows["rows"], rows["clear"], rows["value"]) == (60, True, pytest.approx(1.080, abs=0.001))
    assert 0 < rows["low"] < rows["value"] < rows["high"]
    assert rows["verdict"] in " ".join(out.split())
    assert rows["verdict"].startswith("Row by row on the same 60 held-out rows, RMSE differs by 1.08")
    assert rows["verdict"].endswith("churn-8bc is better.")


def test_an_imported_model_is_shown_beside_another_and_never_called_better_or_worse(
    live: LiveGateway, capsys: Capture
) -> None:
    """No job made it and nothing says on which rows it was judged."""
    older = examples.imported(examples.import_look("churn-old"))
    making = Making(model_type="random_forest", versions={"scikit-learn": "1.9.1"})
    live.node.described[1] = DescribedModel(info=older, making=making)
    code, out, _ = run(capsys, "compare", "churn-7fa", "churn-old")
    assert code == 0
    assert "one of them does not say on which rows it was judged" in " ".join(out.split())
    document = json.loads(run(capsys, "compare", "churn-7fa", "churn-old", "--json")[1])
    assert (document["comparable"], document["models"][1]["job_id"]) == (False, None)


def ready(live: LiveGateway, capsys: Capture, answers: str = "33") -> None:
    """Store the data, and let the model that a training leaves answer as the one before, or not."""
    run(capsys, "data", "add", "customers.csv")
    again = examples.described()
    files = [
        f if f.name != "predictions_holdout.csv" else f.model_copy(update={"sha256": answers * 32})
        for f in again.info.artifacts
    ]
    info = again.info.model_copy(update={"id": examples.OTHER_MODEL, "name": "churn-8bc", "artifacts": tuple(files)})
    live.node.described[1] = again.model_copy(update={"info": info})
    done = examples.succeeded()
    live.node.documents = [
        examples.running(),
        done.model_copy(update={"model": done.model.model_copy(update={"id": examples.OTHER_MODEL})}),
    ]


def test_a_job_is_reproduced_through_plan_and_confirmation_and_then_compared(
    live: LiveGateway, table: Path, capsys: Capture
) -> None:
    ready(live, capsys)
    code, out, err = run(
        capsys, "reproduce", "churn-7fa", "-y", "--max-cost", "$2", "--max-runtime", "1h", "--machine", "big"
    )
    assert code == 0
    told = " ".join(err.split())
    assert "Plan: random forest on customers.csv" in told
    assert "made with other versions, so another result may come out: python 3.12.1, now" in told.partition("Plan")[2]
    assert "Machine terminated 14:09:41, confirmed" in out
    assert out.splitlines()[-1].startswith("Reproduced: the same to the last digit")
    planned, ordered = live.node.dispatcher.asked
    assert isinstance(planned, admin.PlanTraining)
    assert isinstance(ordered, admin.SubmitTraining)
    assert planned.order == ordered.order
    order = ordered.order
    assert (order.seed, str(order.max_cost_usd), order.max_runtime_s, order.machine) == (7, "2", 3600, "big")


def test_the_same_result_of_other_versions_says_which(live: LiveGateway, table: Path, capsys: Capture) -> None:
    ready(live, capsys)
    other = live.node.described[1]
    making = other.making.model_copy(update={"versions": other.making.versions | {"scikit-learn": "1.9.2"}})
    live.node.described[1] = other.model_copy(update={"making": making})
    code, out, _ = run(capsys, "reproduce", "churn-7fa", "-y")
    assert code == 0
    assert out.splitlines()[-2:] == ["What else differs:", "  scikit-learn: 1.9.1 → 1.9.2"]
    assert "Reproduced: the same to the last digit" in out


def test_another_result_is_exit_1_and_says_what_else_differs(live: LiveGateway, table: Path, capsys: Capture) -> None:
    ready(live, capsys, answers="44")
    other = live.node.described[1]
    metrics = other.info.metrics | {"held_out": {"roc_auc": 0.846, "accuracy": 0.7}}
    versions = other.making.versions | {"scikit-learn": "1.9.2"}
    live.node.described[1] = other.model_copy(
        update={
            "info": other.info.model_copy(update={"metrics": metrics}),
            "making": other.making.model_copy(update={"versions": versions}),
        }
    )
    code, out, _ = run(capsys, "reproduce", "churn-7fa", "-y")
    assert code == 1
    assert out.splitlines()[-3:] == [
        "Not reproduced: metrics differ by up to 0.13 of their value.",
        "What else differs:",
        "  scikit-learn: 1.9.1 → 1.9.2",
    ]
    assert run(capsys, "reproduce", "churn-7fa", "-y", "--json")[0] == 1


def test_a_metric_that_differs_in_its_last_digits_is_reproduced(
    live: LiveGateway, table: Path, capsys: Capture
) -> None:
    ready(live, capsys, answers="44")
    other = live.node.described[1]
    metrics = other.info.metrics | {"held_out": {"roc_auc": 0.846, "accuracy": 0.803 + 1e-9}}
    live.node.described[1] = other.model_copy(update={"info": other.info.model_copy(update={"metrics": metrics})})
    code, out, _ = run(capsys, "reproduce", "churn-7fa", "-y")
    assert (code, "Reproduced: no metric differs by more than 1e-09 of its value." in out) == (0, True)
    assert "Nothing else that is known differs." in out


def test_with_json_the_comparison_is_the_one_document(live: LiveGateway, table: Path, capsys: Capture) -> None:
    ready(live, capsys)
    code, out, _ = run(capsys, "reproduce", "churn-7fa", "-y", "--json")
    assert code == 0
    document = json.loads(out)
    assert (document["schema"], document["identical"], document["apart"]) == ("compare/v1", True, 0.0)


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_a_job_that_ends_badly_the_second_time_is_told_as_any_other(
    live: LiveGateway, table: Path, capsys: Capture, flags: tuple[str, ...]
) -> None:
    ready(live, capsys)
    live.node.documents = [examples.failed(outcome=Outcome.INTERRUPTED)]
    code, out, _ = run(capsys, "reproduce", "churn-7fa", "-y", *flags)
    assert code == 12
    assert ("train/v1" in out) == bool(flags)


def test_reproducing_is_confirmed_may_be_left_alone_and_is_refused_without_data(
    live: LiveGateway, table: Path, capsys: Capture
) -> None:
    for yes in ([], ["-y"]):
        code, _, err = run(capsys, "reproduce", "churn-7fa", *yes)
        assert (code, "E-DATA-GONE" in err) == (6, True)
    assert live.node.dispatcher.asked == []
    ready(live, capsys)
    code, _, err = run(capsys, "reproduce", "churn-7fa")
    assert (code, "lastcall reproduce churn-7fa --yes" in err) == (2, True)
    code, _, err = run(capsys, "reproduce", "churn-7fa", "-y", "--max-cost", "ten")
    assert (code, "ten is no amount of dollars" in err) == (2, True)
    code, _, err = run(capsys, "reproduce", "churn-7fa", "-y", "--no-follow")
    assert (code, "Then compare: lastcall compare churn-7fa churn-7fa" in err) == (0, True)


def test_on_a_terminal_a_no_spends_nothing(
    live: LiveGateway, table: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import io
    import sys

    ready(live, capsys)
    typing: Any = io.StringIO("n\n")
    typing.isatty = lambda: True
    monkeypatch.setattr(sys, "stdin", typing)
    assert run(capsys, "reproduce", "churn-7fa")[0] == 0
    assert not [q for q in live.node.dispatcher.asked if isinstance(q, admin.SubmitTraining)]
    assert {q.ref for q in live.node.storage.asked if isinstance(q, DescribeModel)} == {examples.MODEL}
