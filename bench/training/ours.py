"""The product's own training and prediction on one file: ``python -m bench.training.ours FILE TARGET MODEL OUT``.

Prints the line that the script prints; peak memory is that of training and prediction in one process.
"""

from __future__ import annotations

import gc
import json
import resource
import sys
from pathlib import Path
from typing import Any

from bench.training.script import Steps
from containers.prediction import core
from containers.prediction.model import digest
from containers.training import fitting, learning, training
from containers.training.progress import Progress


def main(file: str, target: str, model: str, out: str) -> None:
    """Train and predict; print what it took."""
    gc.freeze()  # as the program does
    steps = Steps()
    _note_the_fit(steps)
    work = {"input": file, "target": target, "model": model, "plots": False}
    metrics = training.train(training.read_order(work), Path(out), Progress(None))
    steps.done("evaluate_save")
    digests = {p.name: digest(p) for p in Path(out).iterdir() if p.is_file()}
    rows = core.predict(Path(out), Path(file), Path(out) / "predicted.csv", "prediction", digests)
    steps.done("predict")
    print(
        json.dumps(
            {
                "steps": steps.found,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "rows": rows,
                "metrics": metrics["held_out"],
                "guessing": metrics["baseline"],
            }
        )
    )


def _note_the_fit(steps: Steps) -> None:
    """Note where preparing ends and where the fit does."""
    prepare, fit = fitting.prepare, learning.fit  # type: ignore[attr-defined]
    inside: tuple[Any, Any] = fitting, learning

    def noted_prepare(*given: Any) -> Any:
        found = prepare(*given)
        steps.done("load_prepare")
        return found

    def noted_fit(*given: Any) -> None:
        fit(*given)
        steps.done("fit")

    inside[0].prepare, inside[1].fit = noted_prepare, noted_fit


if __name__ == "__main__":
    main(*sys.argv[1:])
