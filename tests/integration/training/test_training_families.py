"""Every family learns from mixed data with gaps, beats guessing, and answers the same from its file."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from containers.training.families import AUTO_CANDIDATES, FAMILIES, IMAGE_ONLY
from containers.training.figures import score
from containers.training.fitting import ROUNDS
from containers.training.frame import load
from containers.training.profile import survey
from containers.training.report.page import BYTES_MAX as PAGE_BYTES_MAX
from containers.training.rounds import POINTS_MAX, ROWS_MAX, STAGES
from tests.integration.training.bundles import document, read, request, train
from tests.integration.training.conftest import CASES
from tests.unit.training.files import table, write

LOOKS_MAX = 60
"""Each of twenty epochs, then each a tenth further: fewer than these in a thousand."""
FRESH = """
import json, sys
from containers.prediction.__main__ import answer
print(json.dumps([answer(r) for r in json.load(open(sys.argv[1]))]))
"""


def test_every_family_and_task_has_a_case(bundles: dict[str, Path]) -> None:
    done = {(m["model_type"], m["task"]) for m in (document(b / "metadata.json") for b in (bundles[c] for c in CASES))}
    here = [f for f in FAMILIES.values() if f.library not in IMAGE_ONLY]
    assert done == {(f.name, task) for f in here for task in f.tasks}


@pytest.mark.parametrize("case", CASES)
def test_a_model_beats_guessing_on_rows_it_never_saw(bundles: dict[str, Path], case: str) -> None:
    metrics = document(bundles[case] / "metrics.json")
    top = metrics["headline"]
    assert "better than guessing" in metrics["verdict"]
    assert "no better" not in metrics["verdict"]
    assert top["low"] <= top["value"] <= top["high"]
    better = top["low"] > top["baseline"] if top["higher_is_better"] else top["high"] < top["baseline"]
    assert better
    assert set(metrics["baseline"]) == set(metrics["held_out"])


def test_auto_says_what_it_tried_and_takes_the_best_of_it(bundles: dict[str, Path]) -> None:
    metrics, metadata = document(bundles["auto"] / "metrics.json"), document(bundles["auto"] / "metadata.json")
    found = metrics["auto"]
    means = {one["name"]: one["mean"] for one in found["candidates"]}
    assert tuple(means) == AUTO_CANDIDATES["classification"]
    assert all(len(one["scores"]) == found["folds"] for one in found["candidates"])
    assert found["winner"] == metadata["model_type"] == max(means, key=lambda name: means[name])
    assert found["rows"] == found["rows_of"] == metadata["training_samples"]
    assert "How the model was chosen" in (bundles["auto"] / "report.html").read_text()
    assert "auto" not in document(bundles["logistic"] / "metrics.json")


@pytest.mark.parametrize("case", CASES)
def test_the_bundle_says_how_it_was_made(bundles: dict[str, Path], sources: dict[str, Path], case: str) -> None:
    data, target, model = CASES[case]
    metadata = document(bundles[case] / "metadata.json")
    rows = document(bundles[case] / "metrics.json")["rows"]
    found = survey(sources[data])
    assert metadata["target_column"] == target
    assert metadata["model_asked"] == model
    assert metadata["feature_columns"] == [c.name for c in found.columns if c.name != target]
    assert metadata["dataset_sha256"] == found.sha256
    assert rows["train"] + rows["test"] + rows["dropped"] == found.rows
    assert (metadata["training_samples"], metadata["test_samples"]) == (rows["train"], rows["test"])
    assert metadata["score"] == document(bundles[case] / "metrics.json")["headline"]["value"]
    assert [c["name"] for c in document(bundles[case] / "schema.json")["columns"]] == metadata["feature_columns"]
    assert {"numpy", "scikit-learn", "skops"} <= set(metadata["versions"])


@pytest.mark.parametrize("case", CASES)
def test_report_card_and_documents_say_the_same_numbers(bundles: dict[str, Path], case: str) -> None:
    metrics = document(bundles[case] / "metrics.json")
    pages = [(bundles[case] / name).read_text() for name in ("report.html", "model_card.md")]
    top = metrics["headline"]
    assert top["value"] == metrics["held_out"][top["name"]]
    assert top["baseline"] == metrics["baseline"][top["name"]]
    value, low, high, guessing = (score(top["name"], top[key]) for key in ("value", "low", "high", "baseline"))
    for page in pages:
        assert f"{value} (95 % interval {low} to {high}), guessing {guessing}" in page
        for name, reached in metrics["held_out"].items():
            cells = (score(name, reached), score(name, metrics["baseline"].get(name)))
            assert re.search(r"[>|] ?{}(</td><td class=\"n\">| \| ){}".format(*map(re.escape, cells)), page), name
        for row in metrics.get("per_class", ()):
            assert f"{row['support']:,}" in page
    assert len(pages[0].encode()) < PAGE_BYTES_MAX


@pytest.mark.parametrize("case", CASES)
def test_what_is_made_in_rounds_tells_how_its_loss_fell(bundles: dict[str, Path], case: str) -> None:
    metrics = document(bundles[case] / "metrics.json")
    family = metrics["model_type"]
    found = metrics.get("learning")
    assert (found is not None) == (family in (*ROUNDS, *STAGES))
    if not found:
        return
    assert found["rounds"] == sorted(found["rounds"])
    assert len(found["train"]) == len(found["rounds"]) <= (LOOKS_MAX if found["unit"] == "epoch" else POINTS_MAX)
    assert found["train"][-1] < found["train"][0]
    assert found["rows"]["held_out"] == min(ROWS_MAX, metrics["rows"]["test"])
    same = {"log loss": "log_loss", "RMSE": "rmse", "Brier score": "brier"}[found["loss"]]
    if same in metrics["held_out"]:
        assert found["held_out"][-1] == pytest.approx(metrics["held_out"][same], rel=1e-6), (
            "the last round is the model"
        )


def test_a_fresh_process_predicts_the_held_out_rows_exactly_as_training_did(
    bundles: dict[str, Path], sources: dict[str, Path], tmp_path: Path
) -> None:
    requests = [request(bundles[c], sources[CASES[c][0]], tmp_path / f"{c}.csv") for c in CASES]
    (tmp_path / "requests.json").write_text(json.dumps(requests))
    command = [sys.executable, "-W", "error", "-c", FRESH, str(tmp_path / "requests.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert all(a["ok"] for a in json.loads(done.stdout))
    for case in CASES:
        predicted, original = read(tmp_path / f"{case}.csv"), read(sources[CASES[case][0]])
        held_out = read(bundles[case] / "predictions_holdout.csv")
        added = [name for name in held_out[0] if name not in ("row", "actual")]
        assert len(predicted) == len(original)
        assert all(p.items() >= o.items() for p, o in zip(predicted, original, strict=True)), "cells stay as they were"
        for row in held_out:
            again = predicted[int(row["row"]) - 1]
            assert [again[name] for name in added] == [row[name] for name in added]


@pytest.mark.parametrize("model", ["ridge", "random_forest", "hist_gradient_boosting"])
def test_the_same_data_and_seed_give_the_same_metrics_and_predictions(
    sources: dict[str, Path], tmp_path: Path, model: str
) -> None:
    parameters = {"n_estimators": 30} if model == "random_forest" else {}
    more = {"model": model, "parameters": parameters, "plots": model == "ridge"}
    first = train(tmp_path / "first", sources["penguins"], "body_mass_g", **more)
    again = train(tmp_path / "again", sources["penguins"], "body_mass_g", **more)
    plots = [f"plots/{path.name}" for path in first.glob("plots/*")]
    assert len(plots) == (4 if model == "ridge" else 0)
    for name in ("metrics.json", "predictions_holdout.csv", "schema.json", *plots):
        assert (first / name).read_bytes() == (again / name).read_bytes()
    documents = [document(bundle / "metadata.json") for bundle in (first, again)]
    assert document(first / "metrics.json")["verdict"] in (first / "train.log").read_text(), (
        "what it said lies beside it"
    )
    for found in documents:
        del found["times"], found["files"]
    assert documents[0] == documents[1]
    other = train(tmp_path / "other", sources["penguins"], "body_mass_g", seed=7, **more)
    assert (first / "metrics.json").read_bytes() != (other / "metrics.json").read_bytes()


@pytest.mark.parametrize(
    "model",
    [
        "logistic",
        "random_forest",
        "hist_gradient_boosting",
        "naive_bayes",
        "knn",
        "svm",
        "decision_tree",
        "mlp_classification",
    ],
)
def test_awkward_columns_are_survived(tmp_path: Path, model: str) -> None:
    """Rare, unseen, all-different and mostly missing texts; huge numbers; quoted names; classes that are formulas."""
    rows = [
        f"{'' if i % 9 else 'rare' + str(i)},id{i},{'1e999' if i == 5 else i * 1e290},{i % 7 or ''},"
        f'"{"=1+1" if (i % 7) > 3 else "-ok"}"'
        for i in range(40)
    ]
    path = write(tmp_path, table('text,id,huge,"a ""quoted"",\nname",=target', rows))
    parameters = {"n_estimators": 20} if model == "random_forest" else {}
    bundle = train(tmp_path / "job", path, "=target", model=model, parameters=parameters)
    held_out = read(bundle / "predictions_holdout.csv")
    assert {row["prediction"] for row in held_out} <= {"'=1+1", "'-ok"}
    assert {row["actual"] for row in held_out} == {"'=1+1", "'-ok"}


def test_a_column_that_is_empty_in_the_training_rows_is_left_out_and_said(tmp_path: Path) -> None:
    path = write(tmp_path, table("a,b,y", [f"{i},,{i * 2}" for i in range(40)]))
    held_out = [int(r["row"]) for r in read(train(tmp_path / "all", path, "y", features=["a"]) / HOLDOUT)]
    rows = [f"{i},{'5' if i + 1 == held_out[0] else ''},{i * 2}" for i in range(40)]
    bundle = train(tmp_path / "job", write(tmp_path, table("a,b,y", rows)), "y")
    assert document(bundle / "metadata.json")["feature_columns"] == ["a"]
    assert any("'b'" in w and "Left out" in w for w in document(bundle / "metrics.json")["warnings"])


HOLDOUT = "predictions_holdout.csv"


def test_rows_without_a_target_are_never_learnt_from(tmp_path: Path) -> None:
    rows = [f"{i},{i * 2}" for i in range(50)] + ["1000000,"] * 50
    bundle = train(tmp_path / "job", write(tmp_path, table("a,y", rows)), "y", model="linear")
    metrics = document(bundle / "metrics.json")
    assert metrics["rows"] == {"train": 40, "test": 10, "dropped": 50}
    assert metrics["headline"]["value"] < 1e-6


def test_random_targets_are_called_no_better_than_guessing(tmp_path: Path) -> None:
    rows = [f"{i},{(i * 7919) % 101 / 3}" for i in range(300)]
    bundle = train(tmp_path / "job", write(tmp_path, table("a,y", rows)), "y", model="linear")
    assert "guessing: " in document(bundle / "metrics.json")["verdict"]


def test_a_fit_that_did_not_settle_is_said(tmp_path: Path, sources: dict[str, Path]) -> None:
    more = {"model": "logistic", "parameters": {"max_iter": 1, "class_weight": "balanced"}}
    bundle = train(tmp_path / "job", sources["penguins"], "species", **more)
    assert any("settled" in w for w in document(bundle / "metrics.json")["warnings"])


def test_wide_sparse_data_is_learnt_without_filling_the_memory(
    tmp_path: Path, sources: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("containers.training.pipeline.DENSE_CELLS_MAX", 10)
    dense = document(train(tmp_path / "a", sources["penguins"], "species", model="logistic") / "metrics.json")
    assert "better than guessing" in dense["verdict"]


def test_memory_of_a_frame_is_that_of_its_values(tmp_path: Path) -> None:
    path = write(tmp_path, table("n,t,y", [f"{i}.5,text {i % 50},{i}" for i in range(20_000)]))
    frame = load(path, survey(path), ["n", "t"], "y", "regression")
    assert frame.features.memory_usage(deep=False).sum() < 20_000 * (8 + 4) + 5_000


@pytest.mark.parametrize(("model", "task"), [("svm", "classification"), ("svm", "regression")])
def test_many_rows_are_learnt_by_an_approximated_kernel(
    tmp_path: Path, sources: dict[str, Path], monkeypatch: pytest.MonkeyPatch, model: str, task: str
) -> None:
    monkeypatch.setattr("containers.training.estimators.SVM_ROWS_EXACT", 100)
    monkeypatch.setattr("containers.training.estimators.SVM_POINTS", 60)
    target = "body_mass_g" if task == "regression" else "sex"
    metrics = document(train(tmp_path / "job", sources["penguins"], target, model=model) / "metrics.json")
    assert "better than guessing" in metrics["verdict"]


def test_a_straight_svm_is_a_linear_one(tmp_path: Path, sources: dict[str, Path]) -> None:
    bundle = train(tmp_path / "job", sources["penguins"], "sex", model="svm", parameters={"kernel": "linear"})
    assert "better than guessing" in document(bundle / "metrics.json")["verdict"]


def test_svm_says_when_the_split_leaves_a_class_too_few_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{i},{'rare' if i < 3 else ('yes', 'no')[i % 2]}" for i in range(40)]
    with pytest.raises(AssertionError, match="E-MODEL-SIZE"):
        train(tmp_path / "job", write(tmp_path, table("a,y", rows)), "y", model="svm", test_share=0.5)


def test_what_was_chosen_gives_the_same_when_it_is_ordered_by_name(
    bundles: dict[str, Path], sources: dict[str, Path], tmp_path: Path
) -> None:
    """So a job that left the choice to Lastcall is done once more."""
    data, target, model = CASES["auto"]
    assert model == "auto"
    made = document(bundles["auto"] / "metadata.json")
    asked = {"model": made["model_type"], "parameters": made["hyperparameters"], "task": made["task"]}
    again = train(tmp_path / "again", sources[data], target, **asked)
    for name in ("predictions_holdout.csv", "schema.json"):
        assert (again / name).read_bytes() == (bundles["auto"] / name).read_bytes()


@pytest.mark.parametrize("model", ["lasso", "elasticnet"])
def test_a_shrinkage_that_is_given_is_taken(tmp_path: Path, sources: dict[str, Path], model: str) -> None:
    bundle = train(tmp_path / "job", sources["penguins"], "body_mass_g", model=model, parameters={"alpha": 1e9})
    assert "no better than guessing" in document(bundle / "metrics.json")["verdict"]


@pytest.mark.parametrize("model", ["ridge", "random_forest", "hist_gradient_boosting", "knn"])
def test_texts_of_many_values_are_told_apart_by_what_they_mean_for_the_target(tmp_path: Path, model: str) -> None:
    """Each of 300 texts stands in five rows and sets the target; ordinals and fifty columns could not say so."""
    means = [(i * 7919 % 300) for i in range(300)]
    rows = [f"t{i % 300},{i * 31 % 7},{means[i % 300] + i // 300}" for i in range(1500)]
    classify = model == "knn"
    if classify:
        rows = [f"{text},{n},{'high' if float(y) > 150 else 'low'}" for text, n, y in (r.split(",") for r in rows)]
    parameters = {"n_estimators": 30} if model == "random_forest" else {}
    path = write(tmp_path, table("text,noise,y", rows))
    metrics = document(train(tmp_path / "job", path, "y", model=model, parameters=parameters) / "metrics.json")
    top = metrics["headline"]
    assert top["value"] > 0.9 if classify else top["value"] < top["baseline"] / 3


@pytest.mark.parametrize("model", ["hist_gradient_boosting", "logistic"])
def test_a_class_of_two_rows_among_many_is_trained(tmp_path: Path, model: str) -> None:
    """Boosting by itself would split 10,000 rows again and fail on the class of which one row is left."""
    rows = [f"{i % 97},{'rare' if i in (5, 5000) else ('yes', 'no')[i % 97 > 48]}" for i in range(13_000)]
    bundle = train(tmp_path / "job", write(tmp_path, table("a,y", rows)), "y", model=model, parameters={"max_iter": 3})
    metrics = document(bundle / "metrics.json")
    assert metrics["rows"]["train"] > 10_000
    assert document(bundle / "metadata.json")["classes"] == ["no", "rare", "yes"]
