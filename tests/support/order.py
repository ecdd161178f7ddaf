"""In which order the tests run, where several workers share them.

Each worker is given one stretch of the list, and takes half of another's rest when it is done. Tests of some rooms
compute, others wait for processes of their own half of their time. Were the list in the order of folders, one worker
would have all that wait and the processors stood idle at the end; so every stretch gets its share of each room.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter

ROOMS = ("tests/contract/", "tests/e2e/", "tests/integration/", "tests/simulation/", "tests/tidy/", "tests/unit/")
"""Rooms whose tests are alike in how much they compute and wait."""


def room_of(name: str) -> str:
    """Return the room of a test, by its name; what is in none of them stands for itself."""
    return next((room for room in ROOMS if name.startswith(room)), "")


def mixed(names: Sequence[str]) -> list[int]:
    """Return the places of tests in the order they are to run: every room spread evenly, files whole and in order.

    ``names`` are node ids (``tests/unit/test_a.py::test_b``); files stay whole since their fixtures are theirs.
    """
    rooms: dict[str, list[list[int]]] = {}
    for (room, _), places in groupby(range(len(names)), key=lambda at: (room_of(names[at]), names[at].split("::")[0])):
        rooms.setdefault(room, []).append(list(places))
    ranked = [placed for files in rooms.values() for placed in _spread(files)]
    return [at for _, places in sorted(ranked, key=itemgetter(0)) for at in places]


def _spread(files: Iterable[list[int]]) -> list[tuple[float, list[int]]]:
    """Give each file of a room the middle of the part that its tests are of the room's, between 0 and 1."""
    files = list(files)
    tests = sum(map(len, files))
    spread, before = [], 0
    for places in files:
        spread.append(((before + len(places) / 2) / tests, places))
        before += len(places)
    return spread
