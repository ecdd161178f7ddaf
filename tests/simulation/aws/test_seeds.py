"""Every seed keeps what must hold on AWS, and a seed repeats exactly. ``./dev simulate --cloud aws`` runs more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.simulation.aws.cloud import AWS, run

SEEDS = 2 * len(AWS.stage.rows)
CHUNKS = 6
REPEATED = (1, 5)
CHECKOUT = Path(__file__).parents[3]


@pytest.fixture
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this test run share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "aws-rows"
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
        reached = {int(row) for part in done for row in json.loads(part.read_text() or "{}")}
        assert set(AWS.stage.rows) - reached == set()


def test_the_same_seed_takes_the_same_steps_whatever_the_hash_seed_is() -> None:
    expected = [run(seed).trace for seed in REPEATED]
    assert len(set(expected)) == len(REPEATED)
    script = f"from tests.simulation.aws.cloud import run\nprint([run(s).trace for s in {REPEATED}])"
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    said = subprocess.run(
        [sys.executable, "-c", script], cwd=CHECKOUT, env=environment, capture_output=True, check=True
    )
    assert said.stdout.decode().strip() == str(expected)
