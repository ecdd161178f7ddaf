"""Every seed keeps what must hold, every row of the catalogue is reached often enough, and a seed repeats exactly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.simulation.runpod.cloud import RUNPOD, run

SEEDS = 341
"""Eleven rounds of the rows."""
CHUNKS = 62
REACHED_MIN = 10
REGRESSIONS = (201, 618, 846, 988, 1141, 1458, 1652, 1676, 2098, 3044, 4426, 4832)
"""Seeds that found something once. What an earlier draw found has a test of its own at its lowest level."""
REPEATED = (3, 20, 47)
CHECKOUT = Path(__file__).parents[3]


@pytest.fixture
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this test run share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "rows"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_whatever_goes_wrong_the_rules_hold_and_every_row_is_reached(chunk: int, together: Path) -> None:
    rows: Counter[int] = Counter()
    for seed in range(chunk, SEEDS, CHUNKS):
        rows.update(run(seed).rows)
    draft = together / f"{chunk}.new"
    draft.write_text(json.dumps(rows))
    draft.replace(together / f"{chunk}.json")  # whole or not at all: another worker may be the one that counts
    done = sorted(together.glob("*.json"))
    if len(done) == CHUNKS:  # the last one counts for all
        total: Counter[str] = Counter()
        for part in done:
            total.update(json.loads(part.read_text()))
        assert {row: total[str(row)] for row in RUNPOD.stage.rows if total[str(row)] < REACHED_MIN} == {}


@pytest.mark.parametrize("seed", REGRESSIONS)
def test_a_seed_that_found_something_once_finds_nothing_now(seed: int) -> None:
    run(seed)


def test_the_same_seed_takes_the_same_steps_whatever_the_hash_seed_is() -> None:
    expected = [run(seed).trace for seed in REPEATED]
    assert [run(seed).trace for seed in REPEATED] == expected
    assert len(set(expected)) == len(REPEATED)
    script = f"from tests.simulation.runpod.cloud import run\nprint([run(s).trace for s in {REPEATED}])"
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    said = subprocess.run(
        [sys.executable, "-c", script], cwd=CHECKOUT, env=environment, capture_output=True, check=True
    )
    assert said.stdout.decode().strip() == str(expected)
