"""CPU seconds of a training of 200 rows, whole and by phase: ``python -m bench.starting.bench [--rounds 5]``.

Each run is a process of its own, as a machine runs it. CPU time, the lowest of the rounds: other work on the computer
makes it longer, never shorter.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROWS = 200
MODELS = {"linear": "spent", "random_forest": "bought"}
"""Model → target."""


def write(folder: Path, model: str) -> Path:
    """Write the data and the order of one training; return the order."""
    lines = ["age,town,visits,spent,bought"]
    for i in range(ROWS):
        age, visits = 18 + i * 7 % 60, i * 13 % 17
        lines.append(f"{age},town {i % 5},{visits},{age * 3 + visits * 11 + i % 7}.5,{'yes' if age > 40 else 'no'}")
    (folder / "data.csv").write_text("\n".join(lines) + "\n")
    order = {"input": str(folder / "data.csv"), "target": MODELS[model], "model": model, "features": None}
    (folder / "work.json").write_text(json.dumps({**order, "parameters": {}}))
    return folder / "work.json"


def whole(model: str) -> float:
    """Return what the process of one training used, from its start to its end."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "containers.training", str(write(Path(folder), model)), f"{folder}/out"]
        before = os.times()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def phases(model: str) -> dict[str, float]:
    """Return what one training used by phase, each in the process that did it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bench.starting.bench", "--inside", str(write(Path(folder), model))]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def inside(work: Path) -> dict[str, float]:
    """Train in this process and return what its phases used."""
    spent: dict[str, float] = {}
    began = time.process_time()
    from containers.training import bundle, training
    from containers.training.progress import Progress

    spent["loading libraries"] = time.process_time() - began

    def measured(module: Any, name: str, phase: str) -> None:
        real: Callable[..., Any] = getattr(module, name)

        def call(*args: Any, **more: Any) -> Any:
            began = time.process_time()
            try:
                return real(*args, **more)
            finally:
                spent[phase] = time.process_time() - began

        setattr(module, name, call)

    measured(training, "_fit", "fit")
    measured(training, "judge", "judging")
    measured(bundle, "album", "plots")
    measured(bundle, "_write_model", "model written and read back")
    began = time.process_time()
    training.train(training.read_order(json.loads(work.read_text())), work.parent / "out", Progress.from_environment())
    known = sum(spent.values()) - spent["loading libraries"]
    spent["all else"] = time.process_time() - began - known
    return spent


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--inside", type=Path)
    asked = parser.parse_args()
    if asked.inside:
        print(json.dumps(inside(asked.inside)))
        return
    for model in MODELS:
        total = min(whole(model) for _ in range(asked.rounds))
        runs = [phases(model) for _ in range(asked.rounds)]
        print(f"{model}: {total:.2f} s of CPU")
        for phase in runs[0]:
            print(f"  {phase:28} {min(run[phase] for run in runs):.2f}")


if __name__ == "__main__":
    main()
