"""``auto``: the best mean score wins, time has a bound, and a restart comes to the same choice."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from containers.training.checkpoints import Interrupted, Keeper, SearchRecord
from containers.training.families import AUTO, AUTO_CANDIDATES, FAMILIES, Family, candidates
from containers.training.frame import Frame
from containers.training.progress import PROGRESS_VARIABLE, Progress
from containers.training.refusal import Refused
from containers.training.scoring import Truth
from containers.training.search import Found, OutOfTime, Search, Tried, best, budget_s, reason, scorer
from containers.training.splits import Split, Way
from containers.training.titles import title_of

REGRESSION = candidates(AUTO, "regression")
ROWS = 60


class Bench:
    """Scores by a table, and a clock that a fit moves on."""

    def __init__(self, scores: Mapping[str, float], seconds: Mapping[str, float] | None = None) -> None:
        self.scores = scores
        self.seconds = seconds or {}
        self.now_s = 0.0
        self.asked: list[tuple[str, tuple[int, ...]]] = []
        self.fail: Callable[[str], None] = lambda _: None

    def clock(self) -> float:
        return self.now_s

    def score(self, family: Family, fold: Split, until_s: float) -> float:
        self.fail(family.name)
        self.asked.append((family.name, tuple(fold.test)))
        self.now_s += self.seconds.get(family.name, 1.0)
        if self.now_s > until_s:
            raise OutOfTime
        return self.scores[family.name] + 0.01 * float(fold.test[0] % 3)

    def run(self, limit_s: float = 1000.0, path: Path | None = None, key: str = "k", rows: int = ROWS) -> Found:
        frame = Frame(pd.DataFrame({"a": range(rows + 20)}), np.arange(rows + 20.0), (), np.arange(rows + 20), 0)
        search = Search("rmse", Way(0.2, 42), Progress(None), self.score, self.clock)
        return search.run(frame, np.arange(rows), REGRESSION, limit_s, SearchRecord(path, key))


SCORES = {"ridge": 3.0, "hist_gradient_boosting": 2.0, "random_forest": 1.0, "svm": 4.0}


def by_name(found: Found) -> dict[str, Any]:
    return {one["name"]: one for one in found.document["candidates"]}


def test_what_auto_tries_needs_no_library_that_only_some_machines_have() -> None:
    for task, names in AUTO_CANDIDATES.items():
        assert all(FAMILIES[name].library is None and task in FAMILIES[name].tasks for name in names)


def test_the_best_mean_score_wins_on_the_same_folds_for_each() -> None:
    bench = Bench(SCORES)
    found = bench.run()
    assert found.winner.name == "random_forest"
    folds = {name: [test for asked, test in bench.asked if asked == name] for name in SCORES}
    assert all(len(each) == 5 and each == folds["ridge"] for each in folds.values())
    assert max(row for _, test in bench.asked for row in test) < ROWS, "no row that is held out"
    one = by_name(found)["random_forest"]
    assert one["mean"] == pytest.approx(float(np.mean(one["scores"])))
    assert one["sd"] == pytest.approx(float(np.std(one["scores"], ddof=1)))
    assert one["seconds"] == 5
    assert "best mean RMSE" in found.document["why"]
    assert "before histogram gradient boosting" in found.document["why"]


def test_a_candidate_that_would_go_past_the_time_is_left_out_and_named() -> None:
    found = Bench(SCORES, {"random_forest": 30.0}).run(limit_s=100.0)
    assert by_name(found)["random_forest"]["skipped"] == "it would take about 150 s, and 90 s were left"
    assert by_name(found)["random_forest"]["mean"] is None
    assert by_name(found)["svm"]["scores"], "a quick one after it still has its turn"
    assert found.winner.name == "hist_gradient_boosting"


def test_a_fit_that_goes_past_the_time_is_ended_and_the_rest_is_left_out() -> None:
    found = Bench(SCORES, {"hist_gradient_boosting": 500.0}).run(limit_s=100.0)
    assert by_name(found)["hist_gradient_boosting"]["skipped"] == "more than the 95 s left were needed"
    assert by_name(found)["svm"]["skipped"] == "the time for the search was used up"
    assert found.winner.name == "ridge"
    assert "no other could be compared" in found.document["why"]


def test_the_plainest_kind_is_tried_however_long_it_takes() -> None:
    found = Bench(SCORES, {"ridge": 999.0}).run(limit_s=1.0)
    assert found.winner.name == "ridge"
    assert by_name(found)["ridge"]["scores"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Refused("E-MODEL-SIZE", "too few rows"), "too few rows"),
        (ValueError("one class"), "it cannot learn from a fold"),
    ],
)
def test_a_candidate_that_cannot_learn_is_left_out_with_the_reason(error: Exception, said: str) -> None:
    bench = Bench(SCORES)

    def fail(name: str) -> None:
        if name == "random_forest":
            raise error

    bench.fail = fail
    found = bench.run()
    assert said in by_name(found)["random_forest"]["skipped"]
    assert found.winner.name == "hist_gradient_boosting"


def test_a_score_that_is_no_number_wins_nothing_and_slow_families_are_for_few_rows() -> None:
    found = Bench({**SCORES, "random_forest": float("nan"), "svm": 0.1}).run(rows=3001)
    assert by_name(found)["random_forest"]["skipped"] == "its score is no finite number"
    assert "up to 3,000 training rows" in by_name(found)["svm"]["skipped"]
    assert found.winner.name == "hist_gradient_boosting"


def test_where_nothing_can_be_compared_the_plainest_kind_is_taken_and_said() -> None:
    found = Bench(dict.fromkeys(SCORES, float("nan"))).run()
    assert found.winner.name == "ridge"
    assert "nothing could be compared" in found.document["why"]


def test_a_difference_smaller_than_between_folds_is_said() -> None:
    tried = [Tried("ridge", (1.0, 1.2)), Tried("svm", (1.1, 1.15)), Tried("random_forest", (9.0, 9.1))]
    assert "either may do" in reason(tried, "rmse", "ridge")
    assert "either may do" not in reason(tried[1:], "rmse", "ridge")


def test_equal_scores_go_to_the_plainer_kind_and_higher_may_be_better() -> None:
    tried = [Tried("logistic", (0.8, 0.9)), Tried("svm", (0.8, 0.9)), Tried("random_forest", (0.7, 0.7))]
    assert best(tried, "roc_auc") == tried[0]
    assert best(tried, "rmse") == tried[2]
    assert best([Tried("svm", skipped="no time")], "rmse") is None


def test_the_time_is_a_share_of_the_longest_runtime_with_a_bound() -> None:
    assert [budget_s(s) for s in (None, 100.0, 86_400.0)] == [600.0, 20.0, 1200.0]


def test_a_restart_goes_on_where_the_last_attempt_ended_and_finds_the_same_winner(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    first = Bench(SCORES, {"random_forest": 7.0})

    def stop(name: str) -> None:
        if name == "svm":
            raise Interrupted("told to stop")

    first.fail = stop
    with pytest.raises(Interrupted):
        first.run(path=path)
    second = Bench({**SCORES, "ridge": 0.0}, {"svm": 80.0})
    found = second.run(limit_s=100.0, path=path)
    assert found.winner.name == "random_forest", "what was scored is not scored again"
    assert {name for name, _ in second.asked} == {"svm"}
    assert by_name(found)["svm"]["skipped"] == "more than the 55 s left were needed", "time used before counts"
    third = Bench({})
    assert third.run(limit_s=100.0, path=path).document == found.document
    assert third.asked == []


def test_a_record_of_another_search_or_a_damaged_one_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    Bench(SCORES).run(path=path)
    other = Bench(SCORES)
    other.run(path=path, key="other")
    assert len(other.asked) == 20
    for bad in (b"PK no zip", b""):
        path.write_bytes(bad)
        bench = Bench(SCORES)
        bench.run(path=path)
        assert len(bench.asked) == 20
    for found in ([{"name": "svm"}], [1], [{"name": "svm", "scores": [], "seconds": 1, "skipped": ""}]):
        SearchRecord(path, "k").save(found)
        bench = Bench(SCORES)
        bench.run(path=path)
        assert len(bench.asked) == 20


def test_the_choice_is_kept_beside_every_checkpoint_of_its_fit(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    beside = Bench(SCORES).run(path=path).beside
    keeper = Keeper(path, "fit", Progress(None), beside=beside)
    assert keeper.find() is None
    keeper.save(3, lambda: b"trees")
    again = Keeper(path, "fit", Progress(None)).find()
    assert again is not None
    assert again.rounds == 3
    bench = Bench({})
    assert bench.run(path=path).winner.name == "random_forest"


def test_each_candidate_is_told_with_the_best_score_so_far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PROGRESS_VARIABLE, str(tmp_path / "progress.json"))
    told = []

    def note(_: str) -> None:
        told.append(json.loads((tmp_path / "progress.json").read_text()))

    bench = Bench(SCORES)
    bench.fail = note
    frame = Frame(pd.DataFrame({"a": range(ROWS)}), np.arange(float(ROWS)), (), np.arange(ROWS), 0)
    search = Search("rmse", Way(0.2, 42), Progress.from_environment(), bench.score, bench.clock)
    search.run(frame, np.arange(ROWS), REGRESSION, 100.0, SearchRecord(None, "k"))
    steps = [one for i, one in enumerate(told) if i % 5 == 0]
    assert [one["message"] for one in steps] == [
        f"candidate {n} of 4: {title_of(f.name)}" for n, f in enumerate(REGRESSION, 1)
    ]
    assert [one["percent"] for one in steps] == [22.0, 24.0, 26.0, 28.0]
    assert steps[0]["metric"] is None
    assert steps[3]["metric"]["rmse"] == pytest.approx(1.0, abs=0.02)


def test_a_fold_is_scored_on_rows_the_fit_has_not_seen_and_rounds_end_with_the_time() -> None:
    from containers.training.learning import Ground

    x = np.random.default_rng(1).normal(size=80)
    frame = Frame(pd.DataFrame({"x": x, "town": pd.Categorical(["a", "b"] * 40)}), 3 * x, (), np.arange(80), 0)
    score = scorer(Ground(frame, "regression", 42, 1), Truth(frame.target, 0), "rmse", lambda: 5.0)
    fold = Split(np.arange(60), np.arange(60, 80))
    assert 0 < score(FAMILIES["ridge"], fold, 10.0) < 0.5
    with pytest.raises(OutOfTime):
        score(FAMILIES["hist_gradient_boosting"], fold, 4.0)
