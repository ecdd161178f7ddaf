"""Training and prediction beside a careful script's: ``python -m bench.training.bench [--mb 10,100] [--rounds 3]``.

Both arms read the same file and hold out as many rows; each run is a process of its own, the order of the arms turns
round with every round, and a ratio is taken inside its round. Beside wall time stands CPU time, which other work on the
machine does not touch.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.training import data

MODELS = {
    "linear": ("spend", "linear"),
    "histogram": ("churn", "hist_gradient_boosting"),
    "linear_sparse": ("spend", "linear"),
}
"""Name → (target, the product's name of the model). With ``linear_sparse`` the script's table is sparse: for files
whose dense one does not fit into memory."""
USUAL = ("linear", "histogram")
BARS = {"load_prepare": 0.5, "fit": 1.05, "peak_mb": 0.5, "rows_per_s": 2.0}
"""Ours ÷ script: at most, the last one at least (design budget)."""


def once(arm: str, file: Path, model: str) -> dict[str, Any]:
    """Run one arm in a process of its own and return what it measured."""
    target, ours = MODELS[model]
    named = ours if arm == "ours" else model
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", f"bench.training.{arm}", str(file), target, named, out]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=dict(os.environ))
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def figures(found: dict[str, Any], clock: str) -> dict[str, float]:
    """Return the figures that have a bar, and the total."""
    steps = {name: each[clock] for name, each in found["steps"].items()}
    return {
        "load_prepare": steps["load_prepare"],
        "fit": steps["fit"],
        "total": sum(steps.values()),
        "peak_mb": found["peak_mb"],
        "rows_per_s": found["rows"] / steps["predict"],
    }


def measure(file: Path, model: str, rounds: int) -> dict[str, Any]:
    """Return medians of both arms and of the ratios of each round, by wall and by CPU time."""
    runs: list[dict[str, dict[str, Any]]] = []
    for i in range(rounds):
        arms = ("script", "ours") if i % 2 == 0 else ("ours", "script")
        runs.append({arm: once(arm, file, model) for arm in arms})
    found: dict[str, Any] = {
        "model": model,
        "file_mb": round(file.stat().st_size / 1e6),
        "rows": runs[0]["ours"]["rows"],
    }
    for clock in ("wall", "cpu"):
        each = [{arm: figures(run[arm], clock) for arm in run} for run in runs]
        found[clock] = {
            name: {
                "script": statistics.median(run["script"][name] for run in each),
                "ours": statistics.median(run["ours"][name] for run in each),
                "ratio": statistics.median(run["ours"][name] / run["script"][name] for run in each),
            }
            for name in each[0]["ours"]
        }
    return found


def report(found: dict[str, Any]) -> None:
    """Print one measurement."""
    print(f"{found['model']}, {found['file_mb']} MB, {found['rows']:,} rows")
    for clock in ("wall", "cpu"):
        for name, each in found[clock].items():
            bar = f"  bar {BARS[name]:g}" if name in BARS else ""
            both = f"script {each['script']:10.3f}  ours {each['ours']:10.3f}"
            print(f"  {clock:4} {name:12} {both}  × {each['ratio']:.2f}{bar}")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mb", default="10,100")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", default=",".join(USUAL))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for size in map(int, given.mb.split(",")):
            file = data.write(Path(folder) / f"{size}.csv", size)
            for model in given.models.split(","):
                found = measure(file, model, given.rounds)
                report(found)
                results.append(found)
            file.unlink()
    if given.json:
        given.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
