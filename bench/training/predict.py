"""Prediction alone beside the script's, by how the file is written: ``python -m bench.training.predict [--mb 10,100]``.

Every file is predicted by both arms in turns, each in a process of its own with libraries imported. The script's model
is in memory before its clock starts, ours is loaded within. The peak is the process's own, with what its libraries
take.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.pipeline import Pipeline

from bench.training import data, script
from bench.training.bench import MODELS, USUAL

ROUNDS = 3
SCRIPT_ROWS = 20_000


def quoted(text: bytes) -> bytes:
    """Return the table with quotes around its texts."""
    return text.replace(b",device ", b',"device ').replace(b",yes,", b'","yes",').replace(b",no,", b'","no",')


def quoted_commas(text: bytes) -> bytes:
    """Return the table with quotes around its texts, one of which needs them in every row."""
    return quoted(text).replace(b',"device ', b',"device, ')


def commas(text: bytes) -> bytes:
    """Return the table as a German spreadsheet writes it."""
    return text.replace(b",", b";").replace(b".", b",")


WAYS: dict[str, tuple[Callable[[bytes], bytes], dict[str, str]]] = {
    "plain": (lambda text: text, {}),
    "line ends of Windows": (lambda text: text.replace(b"\n", b"\r\n"), {}),
    "decimal commas": (commas, {"sep": ";", "decimal": ","}),
    "quoted": (quoted, {}),
    "quoted, commas within": (quoted_commas, {}),
    "cp1252": (lambda text: text.decode().encode("cp1252"), {"encoding": "cp1252"}),
    "csv.gz": (lambda text: gzip.compress(text, 1), {"compression": "gzip"}),
}
"""How a file is written → what makes it of a plain one, and how the script reads and writes it."""


def train(folder: Path, model: str) -> None:
    """Write the file that both learn from, and make our model."""
    file = data.write(folder / "train.csv", 10)
    target, named = MODELS[model]
    (folder / "ours").mkdir()
    command = [sys.executable, "-m", "bench.training.ours", str(file), target, named, str(folder / "ours")]
    subprocess.run(command, check=True, capture_output=True)


def script_model(folder: Path, model: str) -> Any:
    """Return the script's model, learnt from the first rows: how many they are changes nothing in predicting."""
    target = MODELS[model][0]
    table = pd.read_csv(folder / "train.csv", nrows=SCRIPT_ROWS)
    features, answers = table.drop(columns=[target]), table[target]
    numbers = [str(c) for c in features.select_dtypes("number").columns]
    texts = [str(c) for c in features.columns if c not in numbers]
    learner = script.estimator(model, "regression" if target == "spend" else "classification")
    if model != "linear":
        learner.set_params(categorical_features=list(range(len(numbers), len(numbers) + len(texts))))
    whole = Pipeline([("prepare", script.preparation(model, numbers, texts)), ("model", learner)])
    return whole.fit(features, answers)


def by_script(folder: Path, file: Path, way: str, name: str) -> int:
    """Predict as the script does; returns the rows."""
    model, target = script_model(folder, name), MODELS[name][0]
    written = WAYS[way][1]
    steps = script.Steps()
    table = pd.read_csv(file, **written)  # type: ignore[call-overload]
    asked = table.drop(columns=[target])
    table["prediction"] = model.predict(asked)
    if target == "churn":
        table[[f"probability_{c}" for c in model.classes_]] = model.predict_proba(asked)
    table.to_csv(folder / "script.csv", index=False, **{k: v for k, v in written.items() if k != "compression"})
    return _told(steps, len(table))


def by_ours(folder: Path, file: Path) -> int:
    """Predict as the product does; returns the rows."""
    import pyarrow.csv  # noqa: F401
    import skops.io  # noqa: F401

    from containers.prediction import core
    from containers.prediction.model import digest

    digests = {p.name: digest(p) for p in (folder / "ours").iterdir() if p.is_file()}
    steps = script.Steps()
    return _told(steps, core.predict(folder / "ours", file, folder / "ours.csv", "prediction", digests))


def _told(steps: script.Steps, rows: int) -> int:
    """Tell what it took; the peak by ``/proc``: ``getrusage`` counts what the parent had before ``exec``, too."""
    steps.done("predict")
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
    print(json.dumps({**steps.found["predict"], "peak_mb": peak, "rows": rows}))
    return rows


def compare(folder: Path, size: int, way: str, model: str, rounds: int) -> dict[str, Any]:
    """Return medians of both arms and of the ratios of rows per second."""
    plain = data.write(folder / "plain.csv", size)
    file = folder / "asked.csv"
    file.write_bytes(WAYS[way][0](plain.read_bytes()))
    runs: list[dict[str, dict[str, float]]] = []
    for i in range(rounds):
        run = {}
        for arm in ("script", "ours") if i % 2 == 0 else ("ours", "script"):
            command = [sys.executable, "-m", "bench.training.predict", "--arm", arm, "--way", way, "--model", model]
            done = subprocess.run(
                [*command, str(folder), str(file)], check=True, capture_output=True, text=True, env=dict(os.environ)
            )
            run[arm] = json.loads(done.stdout.splitlines()[-1])
        runs.append(run)
    return {
        "model": model,
        "way": way,
        "mb": size,
        "rows": runs[0]["ours"]["rows"],
        **{
            f"{arm}_{key}": round(statistics.median(run[arm][key] for run in runs), 3)
            for arm in ("script", "ours")
            for key in ("wall", "cpu", "peak_mb")
        },
        **{
            f"ratio_{key}": round(statistics.median(run["script"][key] / run["ours"][key] for run in runs), 2)
            for key in ("wall", "cpu")
        },
    }


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mb", default="10")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--models", default=",".join(USUAL))
    parser.add_argument("--way", action="append", choices=list(WAYS), help="all when left out")
    parser.add_argument("--arm")
    parser.add_argument("--model", default="linear")
    parser.add_argument("paths", nargs="*", type=Path)
    given = parser.parse_args()
    if given.arm:
        folder, file = given.paths
        by_ours(folder, file) if given.arm == "ours" else by_script(folder, file, given.way[0], given.model)
        return
    for model in given.models.split(","):
        with tempfile.TemporaryDirectory() as name:
            train(Path(name), model)
            for size in map(int, given.mb.split(",")):
                for way in given.way or WAYS:
                    print(json.dumps(compare(Path(name), size, way, model, given.rounds)), flush=True)


if __name__ == "__main__":
    main()
