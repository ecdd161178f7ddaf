"""On real data a family gains as much over guessing as a careful script does with the same kind of model.

The whole table, every family on six sets with five seeds, is ``bench/gain``; here are some of the families whose
defaults or preparation are not the library's, on the set where they were weakest.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.gain import bench, data


@pytest.mark.parametrize(
    ("family", "table", "seeds"),
    [("lightgbm", "diabetes", (42, 7)), ("decision_tree", "penguins, species", (42,)), ("ridge", "diabetes", (42,))],
)
def test_a_family_keeps_nine_tenths_of_a_careful_scripts_gain(
    family: str, table: str, seeds: tuple[int, ...], tmp_path: Path
) -> None:
    found = bench.measure(table, data.write(table, tmp_path), family, seeds)
    assert found["gain_script"] > 0
    assert found["ratio"] >= bench.BAR, bench.told(found)
