"""Refuse a test run that left too much unproven: 90 % overall, 100 % where money or machines hang on it.

    python -m tools.coverage_gate COVERAGE.json

Reads coverage's JSON report; lines and branches count alike. Prints the files that fall short.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

OVERALL_PERCENT = 90.0
WHOLE_ROOMS = ("actors/journal/", "actors/supervisor/", "actors/ledger/")
"""Rooms without an untested line or branch: what closes a job, what is durable, what money is held."""

WORST_SHOWN = 15


def percent(summary: dict[str, Any]) -> float:
    """Return covered lines and branches as a percentage; nothing to cover is all covered."""
    total = summary["num_statements"] + summary.get("num_branches", 0)
    covered = summary["covered_lines"] + summary.get("covered_branches", 0)
    return 100.0 * covered / total if total else 100.0


def gaps(report: dict[str, Any]) -> list[str]:
    """Return one line per file of a whole room that has an untested line or branch."""
    found = []
    for name, entry in sorted(report["files"].items()):
        if name.startswith(WHOLE_ROOMS) and percent(entry["summary"]) < 100.0:
            lines = ",".join(map(str, entry.get("missing_lines", [])))
            branches = " ".join(f"{a}→{b}" for a, b in entry.get("missing_branches", []))
            found.append(f"{name}: {percent(entry['summary']):.1f} %, lines [{lines}] branches [{branches}]")
    return found


def verdict(report: dict[str, Any]) -> list[str]:
    """Return what is wrong, worst first; empty when all gates hold."""
    problems = [f"must be covered whole: {line}" for line in gaps(report)]
    overall = percent(report["totals"])
    if overall < OVERALL_PERCENT:
        problems.append(f"overall {overall:.1f} % is below {OVERALL_PERCENT:.0f} %; the least covered files:")
        ranked = sorted((percent(e["summary"]), name) for name, e in report["files"].items())
        problems += [f"  {share:5.1f} % {name}" for share, name in ranked[:WORST_SHOWN]]
    return problems


def main(arguments: Sequence[str]) -> int:
    """Print the verdict and return the exit status."""
    report = json.loads(Path(arguments[0]).read_text())
    problems = verdict(report)
    for line in problems:
        sys.stderr.write(f"coverage: {line}\n")
    sys.stderr.write(f"coverage: {percent(report['totals']):.2f} % of lines and branches\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
