"""Tables larger than memory: reckoned beforehand, then fewer rows or a refusal with numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from containers.training.families import FAMILIES
from containers.training.frame import Draw, load
from containers.training.memory import BASE_BYTES, LIMIT_VARIABLE, USABLE_SHARE, limit_bytes, room
from containers.training.profile import survey
from containers.training.refusal import Refused
from tests.unit.training.files import table, write

GB = 1024**3


def test_what_fits_is_taken_whole_and_nothing_is_said() -> None:
    found = room(1_000_000, {"number": 10, "category": 2}, FAMILIES["linear"], 4 * GB)
    assert (found.rows, found.note) == (1_000_000, "")


def test_of_what_does_not_fit_as_many_rows_as_do_are_taken_and_that_is_said_with_numbers() -> None:
    found = room(50_000_000, {"number": 20}, FAMILIES["hist_gradient_boosting"], 8 * GB)
    assert BASE_BYTES + found.rows * 840 <= USABLE_SHARE * 8 * GB < BASE_BYTES + (found.rows + 1) * 840
    assert found.note == (
        "The table takes about 40,454 MB to learn from and the machine has 8,192 MB: about 7,170,262 of 50,000,000 "
        "rows are used, drawn at random. A bigger machine takes them all."
    )


@pytest.mark.parametrize(("rows", "limit"), [(50_000_000, GB * 2 // 3), (5000, GB // 2), (100, 1)])
def test_too_few_rows_that_fit_are_refused_with_numbers(rows: int, limit: int) -> None:
    with pytest.raises(Refused, match="E-MEMORY") as caught:
        room(rows, {"number": 20}, FAMILIES["linear"], limit)
    assert f"{rows:,} rows take about" in caught.value.detail
    assert "choose a bigger machine" in caught.value.detail


def test_texts_made_columns_and_dates_take_more() -> None:
    def fits(family: str, **kinds: int) -> int:
        return room(10**9, kinds, FAMILIES[family], 64 * GB).rows

    assert fits("linear", category=5) < fits("random_forest", category=5)
    assert fits("random_forest", date=5) < fits("random_forest", number=5)


def test_trees_as_large_as_the_data_are_reckoned_and_those_of_bounded_depth_are_not() -> None:
    def needed(rows: int = 100_000, task: str = "regression", **parameters: int) -> int:
        return room(rows, {"number": 8}, FAMILIES["random_forest"], 10**15, parameters, task).needed_bytes

    assert needed(n_estimators=200) > needed(n_estimators=20) + 180 * 100_000 * 250
    assert needed(n_estimators=200, min_samples_leaf=10) < needed(n_estimators=21)
    assert needed(n_estimators=200, task="classification") < needed(n_estimators=200) // 2
    shallow = needed(n_estimators=200, max_depth=5)
    assert shallow < needed(n_estimators=2)
    assert needed(200_000, n_estimators=200, max_depth=5) - shallow == 100_000 * 9 * 40
    assert needed(n_estimators=3, max_depth=60) == needed(n_estimators=3)


def test_many_classes_take_memory_in_trees_and_in_what_every_fit_adds_up() -> None:
    def needed(family: str, classes: int, **parameters: int) -> int:
        found = room(20_000, {"number": 6}, FAMILIES[family], 10**15, parameters, "classification", classes)
        return found.needed_bytes

    measured_mb = {("random_forest", 100, 10): 516, ("random_forest", 100, 20): 806, ("random_forest", 300, 10): 1388}
    for (family, classes, trees), peak_mb in measured_mb.items():
        assert 1.0 < needed(family, classes, n_estimators=trees) / peak_mb / 2**20 < 2.5
    assert needed("random_forest", 2, n_estimators=20) - needed("random_forest", 0, n_estimators=20) == 20_000 * 50
    shallow = needed("random_forest", 100, n_estimators=20, max_depth=3)
    assert shallow < needed("random_forest", 100, n_estimators=2)
    assert needed("logistic", 100) == needed("logistic", 0) + 20_000 * 2500
    assert needed("catboost", 100) > needed("lightgbm", 100) + 20_000 * 10_000


def test_all_rows_are_demanded_of_a_kind_of_model_that_is_one_of_several() -> None:
    room(1000, {"number": 20}, FAMILIES["linear"], 4 * GB).demand_all()
    with pytest.raises(Refused, match="E-MEMORY") as caught:
        room(50_000_000, {"number": 20}, FAMILIES["linear"], 8 * GB).demand_all()
    assert caught.value.detail == (
        "it takes about 40,454 MB to learn from all 50,000,000 rows, and the machine has 8,192 MB"
    )


def test_products_of_numbers_take_as_much_as_there_are_of_them() -> None:
    def needed(family: str, numbers: int) -> int:
        return room(10**6, {"number": numbers}, FAMILIES[family], 10**15).needed_bytes

    assert needed("polynomial", 200) > 30 * needed("linear", 200)
    assert needed("polynomial", 2) < needed("linear", 4)


def test_the_wrapper_tells_the_limit_and_else_the_control_group_does(tmp_path: Path) -> None:
    assert limit_bytes({LIMIT_VARIABLE: "123"}, tmp_path) == 123
    installed = limit_bytes({LIMIT_VARIABLE: "0"}, tmp_path)
    assert installed > GB // 4
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("max\n")
    assert limit_bytes({}, tmp_path) == installed
    (group / "memory.max").write_text("1000000\n")
    assert limit_bytes({}, tmp_path) == 1_000_000


def test_rows_drawn_are_seeded_spread_over_the_file_and_keep_their_numbers(tmp_path: Path) -> None:
    path = write(tmp_path, table("n,y", [f"{i},{i}.5" for i in range(10_000)]))
    found = survey(path)
    frames = [load(path, found, ["n"], "y", "regression", draw=Draw(0.1, seed)) for seed in (1, 1, 2)]
    rows = [frame.row_numbers.tolist() for frame in frames]
    assert 900 < len(rows[0]) < 1100
    assert rows[0] == rows[1] != rows[2]
    assert frames[0].features["n"].tolist() == [number - 1 for number in rows[0]]
    assert len({number // 1000 for number in rows[0]}) >= 10
