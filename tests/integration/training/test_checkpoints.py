"""A fit that is interrupted anywhere goes on from its checkpoint and ends as if nothing had been."""

from __future__ import annotations

import itertools
import json
import math
import os
import random
import signal
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from containers.prediction.core import answer, one_thread
from containers.training.__main__ import EXIT_INTERRUPTED, run
from containers.training.checkpoints import CHECKPOINT_VARIABLE, LOSS, Interrupted, Keeper
from containers.training.families import FAMILIES, IMAGE_ONLY, complete_parameters
from containers.training.fitting import ROUNDS, fit
from containers.training.frame import Frame, load
from containers.training.learning import Ground, unfitted
from containers.training.lookout import BAG_ERROR
from containers.training.onlook import Onlook
from containers.training.pipeline import settle
from containers.training.profile import survey
from containers.training.progress import Metric, Progress
from containers.training.rounds import CURVE
from tests.integration.training.bundles import document, train

TOTAL = 24
COUNT = {"n_estimators": TOTAL}
SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "hist_gradient_boosting": ("regression", {"max_iter": TOTAL}),
    "random_forest": ("classification", COUNT),
    "mlp_classification": ("classification", {"max_iter": TOTAL, "hidden_layer_sizes": "8"}),
    "mlp_regression": ("regression", {"max_iter": TOTAL, "hidden_layer_sizes": "8"}),
    "xgboost": ("classification", COUNT),
    "lightgbm": ("regression", COUNT),
    "catboost": ("regression", {"iterations": TOTAL}),
}
POINTS = 10


class Told(Keeper):
    """Notes every round, and asks the fit to stop when one is reached."""

    def __init__(self, path: Path | None, stop_at: int = 10**9, key: str = "k") -> None:
        super().__init__(path, key, Progress(None))
        self.rounds: list[int] = []
        self.losses: list[float] = []
        self._stop_at = stop_at

    def tell(self, done: int, metric: Metric = None) -> None:
        self.rounds.append(done)
        found = metric() if callable(metric) else metric
        self.losses += [found.get(LOSS, found.get(BAG_ERROR, math.nan))] if found else []
        self.stopping = self.stopping or done >= self._stop_at
        super().tell(done, metric)


@pytest.fixture(scope="module")
def frames(sources: dict[str, Path]) -> Callable[[str], Frame]:
    found = survey(sources["penguins"])
    names = [c.name for c in found.columns]
    made = {
        task: load(sources["penguins"], found, [n for n in names if n != target], target, task)
        for task, target in (("classification", "species"), ("regression", "body_mass_g"))
    }
    return made.__getitem__


def pipeline_of(name: str, frame: Frame, keeper: Keeper, onlook: Onlook | None = None) -> Any:
    task, parameters = SETTINGS[name]
    family, rows = FAMILIES[name], np.arange(len(frame.target))
    pipeline = unfitted(Ground(frame, task, 42, 1), rows, family, complete_parameters(family, parameters))
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fit(pipeline, family, frame.features, frame.target, keeper, onlook=onlook)
    return settle(pipeline)


def fitted(name: str, frame: Frame, keeper: Keeper) -> Any:
    pipeline = pipeline_of(name, frame, keeper)
    return answer(pipeline, {"task": SETTINGS[name][0], "classes": frame.classes}, frame.features)


def test_every_family_with_rounds_is_interrupted_here() -> None:
    here = {f.name for f in FAMILIES.values() if f.library not in IMAGE_ONLY}
    assert set(SETTINGS) == here & (set(ROUNDS) | {f.name for f in FAMILIES.values() if f.library})


@pytest.mark.parametrize("name", SETTINGS)
def test_interrupted_anywhere_a_fit_goes_on_and_answers_as_if_it_had_not_been(
    name: str, frames: Callable[[str], Frame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("containers.training.fitting.FOREST_CHUNK", 2)
    monkeypatch.setattr("containers.training.fitting.FOREST_CHUNK_S", 0.0)
    monkeypatch.setattr("containers.training.lookout.SHARE_MAX", math.inf)
    frame = frames(SETTINGS[name][0])
    watched = Told(None)
    undisturbed = fitted(name, frame, watched)
    assert len(watched.losses) == len(watched.rounds) >= TOTAL / 8, "each round tells how good it is so far"
    assert watched.losses[-1] < watched.losses[0]
    for point in random.Random(name).sample(range(1, TOTAL), POINTS):
        path = tmp_path / f"{point}.checkpoint"
        first = Told(path, stop_at=point)
        with pytest.raises(Interrupted):
            fitted(name, frame, first)
        second = Told(path)
        again = fitted(name, frame, second)
        assert second.rounds[0] >= point, "it starts where the checkpoint is"
        assert second.rounds[-1] == TOTAL
        assert len(first.rounds) + len(second.rounds) <= TOTAL + 2, "no round is done twice, but for its first word"
        exact = name not in ("xgboost", "lightgbm")  # these add their trees up anew, in 32 bits
        assert np.allclose(again, undisturbed, rtol=0 if exact else 1e-4, atol=0 if exact else 1e-4), point


@pytest.mark.parametrize("name", ["mlp_classification", "mlp_regression"])
def test_rows_that_look_on_while_a_network_learns_change_nothing_and_are_asked_on_after_an_interruption(
    name: str, frames: Callable[[str], Frame], tmp_path: Path
) -> None:
    frame = frames(SETTINGS[name][0])
    onlook = Onlook(frame, np.arange(0, 200), np.arange(200, len(frame.target)))
    whole = pipeline_of(name, frame, Told(None), onlook)
    told = {"task": SETTINGS[name][0], "classes": frame.classes}
    assert np.array_equal(answer(whole, told, frame.features), fitted(name, frame, Told(None)))
    curve = curve_of(whole)
    assert curve[:, 0].tolist() == [*range(1, 21), 22, TOTAL], "each epoch, then each a tenth further, and the last"
    path = tmp_path / "checkpoint"
    with pytest.raises(Interrupted):
        pipeline_of(name, frame, Told(path, stop_at=13), onlook)
    assert np.array_equal(curve_of(pipeline_of(name, frame, Told(path), onlook)), curve)


def curve_of(pipeline: Any) -> Any:
    model = pipeline.named_steps["model"]
    return getattr(getattr(model, "regressor_", model), CURVE)


def test_a_checkpoint_of_another_fit_or_a_damaged_one_is_not_used(
    frames: Callable[[str], Frame], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "checkpoint"
    name, frame = "hist_gradient_boosting", frames("regression")
    with pytest.raises(Interrupted):
        fitted(name, frame, Told(path, stop_at=12))
    other = Told(path, key="another")
    fitted(name, frame, other)
    assert other.rounds[0] <= 1
    assert "made for another fit" in capsys.readouterr().out
    path.write_bytes(path.read_bytes()[:-100])
    fitted(name, frame, Told(path))
    assert "is not used" in capsys.readouterr().out


def test_a_checkpoint_that_holds_a_type_no_model_has_is_not_loaded(
    frames: Callable[[str], Frame], tmp_path: Path
) -> None:
    import skops.io
    from sklearn.gaussian_process.kernels import RBF

    path = tmp_path / "checkpoint"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("state.json", json.dumps({"schema": "checkpoint/v1", "key": "k", "rounds": 3}))
        archive.writestr("payload", skops.io.dumps({"f": RBF()}))
    told = Told(path)
    fitted("random_forest", frames("classification"), told)
    assert told.rounds[-1] == TOTAL


def test_checkpoints_come_at_growing_intervals_and_cost_a_bounded_share_of_the_time(tmp_path: Path) -> None:
    now = [0.0]
    path = tmp_path / "checkpoint"
    keeper = Keeper(path, "k", Progress(None), lambda: now[0])
    keeper.begin(0, 1000)
    at: list[float] = []
    for done in range(1, 1000):
        now[0] += 1.0
        before = keeper.written
        keeper.round(done, lambda: b"x")
        if keeper.written > before:
            at.append(now[0])
    assert at[:5] == [2.0, 6.0, 14.0, 30.0, 62.0]
    assert max(b - a for a, b in itertools.pairwise(at)) <= 60.0

    def slow() -> bytes:
        now[0] += 10.0
        return b"x"

    dear = Keeper(path, "k", Progress(None), lambda: now[0])
    dear.begin(0, 1000)
    for done in range(1000, 1400):
        now[0] += 1.0
        dear.round(done, slow)
    assert dear.written == 2, "400 s of work with 10 s each"


def test_a_fit_too_large_to_keep_goes_on_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("containers.training.checkpoints.BYTES_MAX", 1000)
    keeper = Keeper(tmp_path / "checkpoint", "k", Progress(None))
    keeper.begin(0, 10)
    keeper.save(5, lambda: b"x" * 2000)
    keeper.round(6, lambda: b"x")
    assert list(tmp_path.iterdir()) == []


def test_sigterm_keeps_the_fit_and_ends_the_program_and_the_next_run_has_the_same_model(
    sources: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    more = {"model": "hist_gradient_boosting", "parameters": {"max_iter": 40}}
    whole = train(tmp_path / "whole", sources["penguins"], "species", **more)
    monkeypatch.setenv(CHECKPOINT_VARIABLE, str(tmp_path / "checkpoint"))
    real = Keeper.tell

    def struck(self: Keeper, done: int, metric: Metric = None) -> None:
        if done == 17 and not (tmp_path / "checkpoint").exists():
            os.kill(os.getpid(), signal.SIGTERM)
        real(self, done, metric)

    monkeypatch.setattr(Keeper, "tell", struck)
    folder = tmp_path / "first"
    folder.mkdir()
    order = {"input": str(sources["penguins"]), "target": "species", **more}
    (folder / "work.json").write_text(json.dumps(order))
    assert run(folder / "work.json", folder / "out") == EXIT_INTERRUPTED
    assert list((folder / "out").iterdir()) == []
    capsys.readouterr()
    again = train(tmp_path / "again", sources["penguins"], "species", **more)
    assert "starting at round 17 of 40" in capsys.readouterr().out
    assert document(again / "metrics.json") == document(whole / "metrics.json")
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
