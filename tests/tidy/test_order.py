"""Workers of a test run get their share of every kind of test."""

from __future__ import annotations

import random

import pytest

from tests.support.order import mixed, room_of


def _names(files: dict[str, int]) -> list[str]:
    return [f"{file}::test_{number}" for file, tests in files.items() for number in range(tests)]


NAMES = _names(
    {f"tests/e2e/test_{number}.py": 1 + number % 3 for number in range(12)}
    | {f"tests/simulation/test_{number}.py": 5 for number in range(12)}
    | {f"tests/unit/test_{number}.py": 20 for number in range(30)}
)


def test_every_test_runs_once() -> None:
    assert sorted(mixed(NAMES)) == list(range(len(NAMES)))
    assert mixed([]) == []


def test_each_worker_gets_its_share_of_every_room() -> None:
    order = mixed(NAMES)
    third = len(order) // 3
    for room in ("tests/e2e/", "tests/simulation/", "tests/unit/"):
        of_room = sum(room_of(name) == room for name in NAMES)
        for worker in range(3):
            given = sum(room_of(NAMES[at]) == room for at in order[worker * third : (worker + 1) * third])
            assert given == pytest.approx(of_room / 3, rel=0.35)


def test_a_file_stays_whole_and_in_its_order() -> None:
    order = mixed(NAMES)
    files = [NAMES[at].split("::")[0] for at in order]
    assert len([at for at in range(len(files)) if at == 0 or files[at] != files[at - 1]]) == len(set(files))
    for file in set(files):
        places = [at for at in order if NAMES[at].startswith(f"{file}::")]
        assert places == sorted(places)


def test_what_a_room_has_of_files_stays_in_order() -> None:
    seen = [NAMES[at].split("::")[0] for at in mixed(NAMES)]
    units = [file for file in dict.fromkeys(seen) if file.startswith("tests/unit/")]
    assert units == [file for file in dict.fromkeys(name.split("::")[0] for name in NAMES) if "unit" in file]


def test_the_order_is_the_same_in_every_worker() -> None:
    shuffled = list(NAMES)
    random.Random(3).shuffle(shuffled)
    assert mixed(NAMES) == mixed(list(NAMES))
    assert sorted(mixed(shuffled)) == list(range(len(NAMES)))
