"""``./dev simulate``: many seeded runs of the whole node on an emulated cloud, and what they reached.

Seeds run in ``--jobs`` processes. A violation is printed with the one command that shows it again; the exit status is
1 then. ``--trace`` with ``--seed`` prints what was journaled, and what the platform's own books hold.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.simulation.clouds.cloud import Cloud
from tests.simulation.clouds.report import Report
from tests.simulation.clouds.scenario import Run, run

CLOUDS: Final = ("runpod", "aws")
SEEDS: Final = 341
"""Eleven rounds of the rows of the fault catalogue on RunPod."""
PROGRESS_EVERY: Final = 100


class Done(NamedTuple):
    """One seed that ran: its report, or what was wrong."""

    seed: int
    report: Report | None
    wrong: str | None


def cloud_of(name: str) -> Cloud:
    """Return a cloud by its name."""
    if name == "aws":
        from tests.simulation.aws.cloud import AWS

        return AWS
    from tests.simulation.runpod.cloud import RUNPOD

    return RUNPOD


def one(name: str, seed: int) -> Done:
    """Run one seed; whatever it raises is a finding."""
    try:
        return Done(seed, run(cloud_of(name), seed), None)
    except Exception as error:
        return Done(seed, None, f"{type(error).__name__}: {error}")


def everything(name: str, seeds: Iterable[int], jobs: int) -> Iterator[Done]:
    """Yield the seeds in order as they are done."""
    if jobs == 1:
        yield from (one(name, seed) for seed in seeds)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(partial(one, name), seeds, chunksize=4)


def replay(name: str, seed: int) -> int:
    """Run one seed and print everything known of it; return the exit status."""
    runs: list[Run] = []
    status = 0
    try:
        report = run(cloud_of(name), seed, keep=runs.append)
        print(json.dumps(report.as_json(), indent=2))
    except Exception as error:
        print(f"{type(error).__name__}: {error}")
        status = 1
    for kept in runs:
        print(*(f"order {order}" for order in kept.script.orders), sep="\n")
        print(
            *(f"fault {f.row} {f.name}, {f.when} + {f.at_s:.1f} s, {f.lasts_s:.1f} s" for f in kept.script.faults),
            sep="\n",
        )
        print(*(f"crash {crash}" for crash in kept.script.crashes), sep="\n")
        print("--- what was journaled", *kept.auditor.trace, sep="\n")
        print("--- the cloud's history", *kept.house.lives(), sep="\n")
        print("--- every call", *kept.house.asked(), sep="\n")
    return status


def summary(cloud: Cloud, done: Iterable[Report], wrong: list[Done], took_s: float) -> dict[str, Any]:
    """Return the figures of many seeds."""
    reports = list(done)
    rows: Counter[int] = Counter()
    outcomes: Counter[str] = Counter()
    for report in reports:
        rows.update(report.rows)
        outcomes.update(report.outcomes)
    ages = sorted(age for report in reports for age in report.orphan_ages_s)
    count = len(reports) + len(wrong)
    return {
        "seeds": count,
        "violations": [f"seed {one.seed}: {one.wrong}" for one in wrong],
        "seeds_per_minute": round(count / took_s * 60),
        "virtual_hours": round(sum(report.virtual_s for report in reports) / 3600, 1),
        "rows": {str(row): rows[row] for row in cloud.stage.rows},
        "outcomes": dict(sorted(outcomes.items())),
        "orphans": len(ages),
        "orphan_age_p50_s": round(statistics.median(ages), 1) if ages else None,
        "orphan_age_max_s": round(ages[-1], 1) if ages else None,
    }


def show(figures: dict[str, Any]) -> None:
    """Print the figures for people."""
    print("row of the fault catalogue: seeds that reached it")
    print("  " + "  ".join(f"{row}: {count}" for row, count in figures["rows"].items()))
    print("outcomes: " + ", ".join(f"{count} {name}" for name, count in figures["outcomes"].items()))
    print(
        f"{figures['orphans']} machines nobody owned, gone after {figures['orphan_age_p50_s']} s (median), "
        f"{figures['orphan_age_max_s']} s (longest)"
    )
    print(
        f"{figures['seeds']} seeds, {len(figures['violations'])} violations, {figures['virtual_hours']} virtual hours, "
        f"{figures['seeds_per_minute']} seeds a minute"
    )


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for; return the exit status."""
    parser = argparse.ArgumentParser(prog="./dev simulate", description=__doc__)
    parser.add_argument("--cloud", choices=CLOUDS, default=CLOUDS[0], help="which (default %(default)s)")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many (default %(default)s)")
    parser.add_argument("--start", type=int, default=0, help="the first one (default %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default %(default)s)")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--trace", action="store_true", help="with --seed: print everything known of the run")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    asked = parser.parse_args(arguments)
    if asked.seed is not None and asked.trace:
        return replay(asked.cloud, asked.seed)
    seeds = range(asked.start, asked.start + asked.seeds) if asked.seed is None else [asked.seed]
    began, reports, wrong = time.monotonic(), list[Report](), list[Done]()
    for number, done in enumerate(everything(asked.cloud, seeds, asked.jobs if len(seeds) > 1 else 1), 1):
        if done.report is not None:
            reports.append(done.report)
        else:
            wrong.append(done)
            print(f"{done.wrong}\n  again: ./dev simulate --cloud {asked.cloud} --seed {done.seed} --trace", flush=True)
        if number % PROGRESS_EVERY == 0:
            print(f"{number} of {len(seeds)}", file=sys.stderr, flush=True)
    figures = summary(cloud_of(asked.cloud), reports, wrong, time.monotonic() - began)
    show(figures)
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
