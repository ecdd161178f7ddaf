"""Families that compute on a graphics card, on one: ``python -m bench.gpu.bench``. Needs NVIDIA's driver.

Each fits the same rows on the card and on the processor (a process of its own that sees no card). Told are the times,
scores on rows not learnt from, whether a second fit on the card answers alike, whether one that was interrupted and
went on does, and whether a whole training is saved and read back bit for bit, which it refuses to be otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, make_classification, make_regression

from containers.prediction.core import answer
from containers.training import cards, libraries, training
from containers.training.checkpoints import Interrupted, Keeper
from containers.training.families import FAMILIES, complete_parameters
from containers.training.fitting import fit
from containers.training.frame import Frame
from containers.training.learning import Ground, unfitted
from containers.training.pipeline import settle
from containers.training.progress import Metric, Progress
from containers.training.scoring import Truth, headline_score

COLUMNS = 30
TEST_SHARE = 0.2
TASKS = {"classification": "roc_auc", "regression": "rmse"}
ROUNDS = {"xgboost": "n_estimators", "neural_network": "epochs"}
CALLED: dict[str, dict[str, Any]] = {"neural_network": {"epochs": 6}}
"""Parameters that are not the defaults: sixty epochs take minutes on a processor."""


class Halting(Keeper):
    """Asks the fit to stop after a round."""

    def __init__(self, path: Path | None, stop_at: float = float("inf")) -> None:
        super().__init__(path, "bench", Progress(None, silent=True))
        self._stop_at = stop_at

    def tell(self, done: int, metric: Metric = None) -> None:
        self.stopping = self.stopping or done >= self._stop_at


def table(task: str, rows: int) -> Frame:
    """Return random rows with something to learn."""
    if task == "classification":
        values, target = make_classification(rows, COLUMNS, n_informative=15, flip_y=0.1, random_state=1)
    else:
        values, target = make_regression(rows, COLUMNS, n_informative=15, noise=50.0, random_state=1)
    features = pd.DataFrame(values, columns=[f"c{i}" for i in range(COLUMNS)])
    return Frame(features, target, ("no", "yes") if task == "classification" else (), np.arange(rows) + 1, 0)


def fitted(name: str, task: str, frame: Frame, keeper: Keeper) -> tuple[float, Any]:
    """Return the seconds of a fit, and the answers to the rows not learnt from."""
    family = FAMILIES[name]
    rows = np.arange(round(len(frame.target) * (1 - TEST_SHARE)))
    parameters = complete_parameters(family, CALLED.get(name, {}))
    pipeline = unfitted(Ground(frame, task, 42, -1), rows, family, parameters)
    began = time.perf_counter()
    fit(pipeline, family, frame.features.iloc[rows], frame.target[rows], keeper)
    spent = time.perf_counter() - began
    told = {"task": task, "classes": frame.classes}
    return spent, answer(settle(pipeline), told, frame.features.iloc[len(rows) :])


def score(task: str, frame: Frame, answers: Any) -> float:
    truth = Truth(frame.target[-len(answers) :], len(frame.classes))
    return headline_score(TASKS[task], truth, answers)


def one(name: str, task: str, rows: int) -> dict[str, Any]:
    """Measure one family in this process, on a card where it sees one."""
    frame = table(task, rows)
    fitted(name, task, table(task, 2000), Halting(None))  # what loads once is no part of a fit
    keeper = Halting(None)
    spent, answers = fitted(name, task, frame, keeper)
    found = {"seconds": spent, "score": score(task, frame, answers), "on": keeper.computed_on}
    if keeper.computed_on != cards.CARD:
        return found
    again = fitted(name, task, frame, Halting(None))[1]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint"
        total = complete_parameters(FAMILIES[name], CALLED.get(name, {}))[ROUNDS[name]]
        try:
            fitted(name, task, frame, Halting(path, int(total or 0) // 2))
        except Interrupted:
            resumed = fitted(name, task, frame, Halting(path))[1]
    return {
        **found,
        "again_differs_by": float(np.max(np.abs(again - answers))),
        "resumed_differs_by": float(np.max(np.abs(resumed - answers))),
        "resumed_score": score(task, frame, resumed),
        "whole": whole(name),
    }


def whole(name: str) -> dict[str, Any]:
    """Train once from a file to a bundle; return what the bundle says of it."""
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "data.csv", Path(folder) / "out"
        data = load_breast_cancer(as_frame=True)
        data.frame.to_csv(source, index=False)
        work = {"input": str(source), "target": "target", "task": "classification", "model": name}
        metrics = training.train(training.read_order(work), out, Progress(None, silent=True))
        metadata = json.loads((out / "metadata.json").read_text(encoding="utf-8"))
    return {"computed_on": metadata["machine"]["computed_on"], "headline": metrics["headline"]["value"]}


def here() -> dict[str, Any]:
    """Return what the card and the libraries are called."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    said = subprocess.run(query, capture_output=True, text=True, check=False).stdout.strip()
    known = {
        library: libraries.version(library) for library in ("torch", "xgboost") if not libraries.is_missing(library)
    }
    return {"card": said, "cores": len(os.sched_getaffinity(0)), **known}


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--families", default="xgboost,neural_network")
    parser.add_argument("--network", default="{}", help="parameters of the network, as JSON")
    parser.add_argument("--one", nargs=2, metavar=("FAMILY", "TASK"), help="in this process, as JSON")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    CALLED["neural_network"].update(json.loads(given.network))
    if given.one:
        print(json.dumps(one(given.one[0], given.one[1], given.rows)))
        return
    if not cards.count():
        print("no graphics card here: nothing to measure")
        return
    found: dict[str, Any] = {"here": here(), "rows": given.rows, "network": CALLED["neural_network"], "runs": []}
    same = ["--rows", str(given.rows), "--network", given.network]
    for name in [n for n in given.families.split(",") if not libraries.is_missing(FAMILIES[n].library)]:
        for task in TASKS:
            command = [sys.executable, "-m", "bench.gpu.bench", *same, "--one", name, task]
            arms = {}
            for arm, more in (("card", {}), ("processor", {"CUDA_VISIBLE_DEVICES": ""})):
                done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **more}, check=False)
                arms[arm] = (
                    json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {"failed": done.stderr}
                )
            found["runs"].append({"family": name, "task": task, **arms})
            print(json.dumps(found["runs"][-1], indent=1), flush=True)
    print(json.dumps(found["here"]))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
