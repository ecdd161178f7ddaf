"""Running the programs on small real data."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from containers.prediction.model import digest
from containers.training.__main__ import run
from containers.training.boosters import NATIVE_FILES

FILES = {
    "metadata.json",
    "metrics.json",
    "model.skops",
    "model_card.md",
    "plots",
    "predictions_holdout.csv",
    "report.html",
    "requirements.lock",
    "schema.json",
    "train.log",
}


def train(folder: Path, source: Path, target: str, **more: Any) -> Path:
    """Train in this process and return the folder of the bundle; without plots, which take longest, unless asked."""
    work = {
        "input": str(source),
        "target": target,
        "model": "decision_tree",
        "task": "auto",
        "features": None,
        "plots": False,
    }
    work |= more
    folder.mkdir(exist_ok=True)
    (folder / "work.json").write_text(json.dumps(work))
    code = run(folder / "work.json", folder / "out")
    error = folder / "out" / "error.json"
    assert code == 0, error.read_text()
    family = document(folder / "out" / "metadata.json")["model_type"]
    native = {NATIVE_FILES[family]} if family in NATIVE_FILES else set()
    assert {p.name for p in (folder / "out").iterdir()} == (FILES if work["plots"] else FILES - {"plots"}) | native
    return folder / "out"


def digests(bundle: Path) -> dict[str, str]:
    """Return the digests of a bundle's files, as its marker has them."""
    return {p.relative_to(bundle).as_posix(): digest(p) for p in bundle.rglob("*") if p.is_file()}


def request(bundle: Path, source: Path, output: Path, **more: Any) -> dict[str, Any]:
    """Return a prediction request."""
    return {
        "model_dir": str(bundle),
        "input": str(source),
        "output": str(output),
        "column": "prediction",
        "digests": digests(bundle),
        **more,
    }


def read(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    """Return a CSV file's rows by name."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def document(path: Path) -> dict[str, Any]:
    """Return a JSON object."""
    found: dict[str, Any] = json.loads(path.read_text())
    return found
