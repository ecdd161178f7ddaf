"""Loading and preparing beside the script's: ``python -m bench.training.prepare [--mb 1000] [--models histogram]``.

The same programs as in ``bench``, ended where the fit would begin, so that files are measured whose fits take too long.
Each arm runs once per round, in a process of its own; the peak is the process's own.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.training import data, ours, script
from bench.training.bench import MODELS


class Prepared(Exception):
    """The training rows are prepared."""


def run(arm: str, file: str, target: str, named: str) -> dict[str, float]:
    """Run one arm in this process until its rows are prepared; returns seconds and peak memory."""

    def end(*_: object) -> None:
        raise Prepared

    program: Any = ours if arm == "ours" else script
    if arm == "ours":
        prepare = program.fitting.prepare

        def prepare_and_end(*given: Any) -> None:
            prepare(*given)
            end()

        program.fitting.prepare = prepare_and_end
        program._note_the_fit = lambda _: None
    else:
        program.estimator = end
    wall, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as out, contextlib.suppress(Prepared):
        program.main(file, target, named, out)
    return {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mb", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--models", default="histogram")
    parser.add_argument("--arms", default="ours,script")
    parser.add_argument("--one", nargs=4, metavar=("ARM", "FILE", "TARGET", "MODEL"))
    given = parser.parse_args()
    if given.one:
        print(json.dumps(run(*given.one)))
        return
    with tempfile.TemporaryDirectory() as folder:
        file = data.write(Path(folder) / "data.csv", given.mb)
        for model in given.models.split(","):
            target, named = MODELS[model]
            for _ in range(given.rounds):
                for arm in given.arms.split(","):
                    known = named if arm == "ours" else model
                    command = [sys.executable, "-m", "bench.training.prepare", "--one", arm, str(file), target, known]
                    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                    print(f"{model} {given.mb} MB {arm:6}", done.stdout.splitlines()[-1], flush=True)


if __name__ == "__main__":
    main()
