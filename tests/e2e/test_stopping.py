"""``stop`` in every phase, and several jobs at once: the right end, proven."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.support.house import House, a_house
from tests.support.names import FOREIGN


def test_stop_while_running_ends_the_machine_and_proves_it(house: House) -> None:
    job_id = house.train("deaf")
    house.running(job_id)
    began = time.monotonic()
    house.stop_job(job_id)
    document = house.closed(job_id)
    assert document["job"]["outcome"] == "cancelled"
    assert house.processes() == []
    assert time.monotonic() - began < 60


def test_stop_while_starting_or_launching_ends_whatever_was_made(house: House) -> None:
    """Fault 20."""
    for _ in range(3):
        job_id = house.train("hang")
        house.stop_job(job_id)
        assert house.closed(job_id)["job"]["outcome"] == "cancelled"
    assert house.processes() == []


def test_stop_while_ending_leaves_the_outcome_as_it_was(house: House) -> None:
    job_id = house.train("good")
    house.until(lambda: house.state_of(job_id) in ("ending", "confirming", "closed"), "the end")
    house.stop_job(job_id)
    assert house.closed(job_id)["job"]["outcome"] == "succeeded"


def test_queued_jobs_are_visible_cancellable_and_started_in_turn(tmp_path: Path) -> None:
    with a_house(tmp_path, LASTCALL_LIMITS_MAX_MACHINES="1") as house:
        dataset = house.upload()
        first, second, third = (house.train(how, dataset=dataset) for how in ("hang", "good", "good"))
        house.running(first)
        rows = {row["id"]: row for row in house.get("/v1/jobs")["jobs"]}
        assert rows[second]["state"] == "queued"
        assert "machine slots" in rows[second]["why"]
        house.stop_job(third)
        assert house.closed(third)["job"]["outcome"] == "cancelled"
        house.stop_job(first)
        assert house.closed(first)["job"]["outcome"] == "cancelled"
        assert house.closed(second)["job"]["outcome"] == "succeeded"


def test_stop_all_ends_everything_of_mine_and_nothing_foreign(house: House) -> None:
    """Fault 16."""
    foreign = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"],
        env={**os.environ, "LASTCALL_MACHINE": FOREIGN},
        start_new_session=True,
    )
    try:
        dataset = house.upload()
        jobs = [house.train("hang", dataset=dataset) for _ in range(3)]
        for job_id in jobs:
            house.running(job_id)
        assert len(house.post("/v1/stop")["stopped"]) == 3
        for job_id in jobs:
            assert house.closed(job_id)["job"]["outcome"] == "cancelled"
        assert house.processes() == []
        assert foreign.poll() is None
    finally:
        foreign.kill()
        foreign.wait()
