"""A real SIGKILL of the daemon before and after every journal append of one job, then a restart.

The points are counted from a recorded run. After each: the job closed exactly once, with the right outcome, its
machine gone, one settlement, and its work not done twice (rule 10 of the design, faults 43 and 57). A run may need one
append less than the recorded one: the last point alone may be missed, and then the end is held to the same.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable
from pathlib import Path

import pytest

from lastcall.cli.failures import NoDaemon
from tests.support.house import House, Refused, a_house

POINTS_MIN = 38
"""Before and after nineteen appends; an end that a machine which ended itself needs no more may be the twentieth."""
PARTS = 8
"""The points are dealt out to so many tests, so that both cores have work."""
NOT_ANSWERED = (NoDaemon, OSError, EOFError, http.client.HTTPException, Refused)
UPLOAD_KEY, TRAIN_KEY = "the-one-upload", "the-one-order"


def order(house: House) -> str:
    """Send the file and the order as a client does that got no answer: again, with the same keys."""
    dataset = house.upload(key=UPLOAD_KEY)
    return house.train("good", key=TRAIN_KEY, dataset=dataset)


@pytest.fixture(scope="session")
def appends(tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many appends one job takes, from the first byte of its file to its settlement."""
    root = tmp_path_factory.mktemp("recorded")
    counted = root / "count"
    with a_house(root, COUNT_FILE=str(counted)) as house:
        job_id = order(house)
        house.closed(job_id)
        house.until(lambda: "ledger.settled" in house.kinds("ledger"), "the settlement")
        found = int(counted.read_text())
        house.stop()
    print(f"{found} appends in one recorded job, so {2 * found} points to be killed at")
    return found


def settled(house: House, job_id: str) -> bool:
    """Tell whether a job is over and its money settled, as far as a daemon that may be dying says."""
    try:
        return house.state_of(job_id) == "closed" and "ledger.settled" in house.kinds("ledger")
    except NOT_ANSWERED:
        return False


def end_of(house: House, over: Callable[[], bool]) -> int:
    """Wait until the daemon died, or all is over and it may go; return its exit status."""
    house.until(lambda: house.poll() is not None or over(), "the daemon's death")
    return house.stop()


def one_kill(root: Path, at: int, when: str, *, may_be_missed: bool) -> None:
    house = House(root)
    try:
        house.start(wait_ready=False, CRASH_AT=str(at), CRASH_WHEN=when)
        job_id = ""
        try:
            house.until(house.answers, "the daemon to answer")
            job_id = order(house)
        except (AssertionError, *NOT_ANSWERED):
            house.died()
        assert end_of(house, lambda: may_be_missed and settled(house, job_id)) in ((-9, 0) if may_be_missed else (-9,))
        house.start()
        again = order(house)
        assert job_id in ("", again)
        check(house, again)
        assert house.stop() == 0
        assert house.processes() == []
    finally:
        if house.process is not None and house.process.poll() is None:
            house.kill()


def check(house: House, job_id: str) -> None:
    document = house.closed(job_id)
    assert document["job"]["outcome"] == "succeeded", document["job"]
    assert document["model"]["id"]
    assert document["machine"]["terminated_confirmed_at"]
    assert house.processes() == []
    house.until(lambda: "ledger.settled" in house.kinds("ledger"), "the settlement")
    lines = house.lines("/v1/events")
    job = [line["kind"] for line in lines if line["stream"] == f"job/{job_id}"]
    ledger = [line["kind"] for line in lines if line["stream"] == "ledger"]
    assert job.count("job.closed") == 1
    assert job[-1] == "job.closed"
    assert job.count("job.work_started") == 1
    assert ledger.count("ledger.settled") == 1
    assert ledger.count("ledger.reserved") == ledger.count("ledger.released")
    assert len(house.get("/v1/jobs?all=1")["jobs"]) == 1
    assert len(house.get("/v1/datasets")["datasets"]) == 1
    assert len(house.get("/v1/models")["models"]) == 1


@pytest.mark.parametrize("part", range(PARTS))
def test_a_sigkill_at_any_append_changes_nothing_of_the_end(tmp_path: Path, appends: int, part: int) -> None:
    points = [(at, when) for at in range(1, appends + 1) for when in ("before", "after")]
    assert len(points) >= POINTS_MIN
    for at, when in points[part::PARTS]:
        root = tmp_path / f"{at}-{when}"
        root.mkdir()
        one_kill(root, at, when, may_be_missed=at == appends)
