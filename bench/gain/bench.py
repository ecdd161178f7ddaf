"""What each family gains over guessing, beside a careful script: ``python -m bench.gain.bench [--sets wine]``.

Both arms learn from the same rows of the same file and are judged on the same others, which the product's split holds
out, by the product's headline metric. A gain is the distance to a dummy's score; a ratio is the mean gain over the
seeds, ours ÷ the script's. Both arms use one thread.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bench.gain import data, script
from containers.prediction.core import one_thread
from containers.training import training
from containers.training.families import FAMILIES, models_for
from containers.training.libraries import is_missing
from containers.training.progress import Progress

BAR = 0.9
"""Ours ÷ script, at least."""
SEEDS = (42, 7, 2024, 1, 99)


class Run(NamedTuple):
    """One family on one table with one seed."""

    metric: str
    ours: float
    script: float
    guessing: float

    @property
    def gains(self) -> tuple[float, float]:
        """Ours and the script's."""
        sign = -1 if self.metric == "rmse" else 1
        return sign * (self.ours - self.guessing), sign * (self.script - self.guessing)


def families(task: str) -> list[str]:
    """Return the families that can be measured here."""
    return [name for name in models_for(task) if not is_missing(FAMILIES[name].library)]


def once(table: data.Table, family: str, seed: int) -> Run:
    """Train both arms and score them on the rows the product held out."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        work = {"input": str(table.file), "target": table.target, "task": table.task, "model": family, "seed": seed}
        order = training.read_order({**work, "plots": False})
        found = training.train(order, out, Progress(None, silent=True))
        with (out / "predictions_holdout.csv").open(encoding="utf-8", newline="") as file:
            numbers = [int(row["row"]) for row in csv.DictReader(file)]
    whole = pd.read_csv(table.file)
    held_out = np.zeros(len(whole), dtype=bool)
    held_out[np.array(numbers) - 1] = True
    headline = found["headline"]
    with one_thread():
        theirs, guessing = script.gain(
            whole, table.target, table.task, family, held_out, headline["name"], found.get("positive"), seed
        )
    return Run(headline["name"], headline["value"], theirs, guessing)


def measure(name: str, table: data.Table, family: str, seeds: Sequence[int]) -> dict[str, Any]:
    """Return means over the seeds, and the ratio of the gains."""
    runs = [once(table, family, seed) for seed in seeds]
    ours, theirs = (statistics.fmean(run.gains[arm] for run in runs) for arm in (0, 1))
    return {
        "set": name,
        "family": family,
        "metric": runs[0].metric,
        "guessing": statistics.fmean(run.guessing for run in runs),
        "script": statistics.fmean(run.script for run in runs),
        "ours": statistics.fmean(run.ours for run in runs),
        "gain_script": theirs,
        "gain_ours": ours,
        "ratio": ours / theirs,
        "runs": [run._asdict() for run in runs],
    }


def told(found: dict[str, Any]) -> str:
    """Return one measurement as a line."""
    missed = "" if found["ratio"] >= BAR else f"  under {BAR:g}"
    scores = "  ".join(f"{arm} {found[arm]:9.4g}" for arm in ("guessing", "script", "ours"))
    return f"{found['set']:18} {found['family']:24} {found['metric']:8} {scores}  gain × {found['ratio']:.3f}{missed}"


def table_of(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the ratios as rows of a table, a family each."""
    sets = list(dict.fromkeys(found["set"] for found in results))
    ratios = {(found["family"], found["set"]): f"{found['ratio']:.2f}" for found in results}
    yield "| family | " + " | ".join(sets) + " |"
    yield "|---" * (len(sets) + 1) + "|"
    for family in dict.fromkeys(found["family"] for found in results):
        yield f"| {family} | " + " | ".join(ratios.get((family, name), "") for name in sets) + " |"


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", default="/".join(data.SETS), help="names, with a / between them")
    parser.add_argument("--families", default="")
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    parser.add_argument("--json", type=Path, help="written after each set; what it holds of other sets stays")
    given = parser.parse_args()
    wanted = set(filter(None, given.families.split(",")))
    results = json.loads(given.json.read_text(encoding="utf-8")) if given.json and given.json.exists() else []
    with tempfile.TemporaryDirectory() as folder:
        for name in given.sets.split("/"):
            table = data.write(name, Path(folder))
            for family in families(table.task):
                if wanted and family not in wanted:
                    continue
                found = measure(name, table, family, SEEDS[: given.seeds])
                print(told(found), flush=True)
                results = [old for old in results if (old["set"], old["family"]) != (name, family)] + [found]
            if given.json:
                given.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print("\n".join(table_of(results)))


if __name__ == "__main__":
    main()
