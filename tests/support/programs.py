"""Training programs for tests, standard library only: ``python programs.py work.json out``.

What it does is the first word of the job's name (``lastcall train … --name hang``). ``good`` leaves a whole bundle at
once; the others are the ways in which a training can go wrong.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

FOREVER_S = 600.0


def good(order: dict[str, object], out: Path, value: float = 0.9) -> None:
    metadata = {
        "target_column": order["target"],
        "task": order["task"],
        "model_type": "stub",
        "feature_columns": ["a"],
        "job_id": order["job_id"],
    }
    model = hashlib.sha256(Path(str(order["input"])).read_bytes()).hexdigest()
    (out / "model.skops").write_text(model)
    (out / "metadata.json").write_text(json.dumps(metadata))
    headline = {"name": "roc_auc", "label": "ROC AUC", "value": value, "low": 0.8, "high": 1.0}
    headline |= {"baseline": 0.5, "train": 0.9, "higher_is_better": True}
    metrics = {"headline": headline, "verdict": "fine", "rows": {"train": 1, "test": 1}}
    (out / "metrics.json").write_text(json.dumps(metrics))
    (out / "schema.json").write_text('{"columns": []}')


def slow(order: dict[str, object], out: Path) -> None:
    """Two seconds of work."""
    time.sleep(2)
    good(order, out)


def later(order: dict[str, object], out: Path) -> None:
    """Long enough for a daemon to die and come back meanwhile."""
    time.sleep(8)
    good(order, out)


def hang(order: dict[str, object], out: Path) -> None:
    time.sleep(FOREVER_S)


def deaf(order: dict[str, object], out: Path) -> None:
    """Ignores SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(FOREVER_S)


def forks(order: dict[str, object], out: Path) -> None:
    """Leaves grandchildren in sessions of their own, without the marker in their environment, and ends well."""
    name = f"lastcall-test-grandchild in {Path.cwd()}"
    sleeper = [sys.executable, "-c", f"import time; time.sleep({FOREVER_S})", name]
    for environment in ({}, dict(os.environ)):
        middle = (
            "import subprocess, sys, json; subprocess.Popen(json.loads(sys.argv[1]), env=json.loads(sys.argv[2]),"
            " start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)"
        )
        subprocess.run([sys.executable, "-c", middle, json.dumps(sleeper), json.dumps(environment)], check=True)
    good(order, out)


def eats(order: dict[str, object], out: Path) -> None:
    """Says that it ran out of memory, as Python does."""
    raise MemoryError("no more")


def floods(order: dict[str, object], out: Path) -> None:
    for number in range(20_000):
        print(f"line {number} " + "x" * 200)
    good(order, out)


def empty(order: dict[str, object], out: Path) -> None:
    """Ends well and leaves nothing."""


def nan(order: dict[str, object], out: Path) -> None:
    good(order, out, value=float("nan"))


def fails(order: dict[str, object], out: Path) -> None:
    raise ValueError("the data has no soul")


def main() -> None:
    order = json.loads(Path(sys.argv[1]).read_text())
    out = Path(sys.argv[2])
    print("begin", flush=True)
    how = str(order["name"]).partition("-")[0]
    globals().get(how, good)(order, out)
    print("end", flush=True)


if __name__ == "__main__":
    main()
