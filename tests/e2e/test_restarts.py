"""The daemon killed, absent, doubled: jobs go on, are collected once, and no machine is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.support.house import House


def test_a_training_that_ended_while_the_daemon_was_dead_is_collected_and_not_run_again(house: House) -> None:
    job_id = house.train("slow")
    house.running(job_id)
    house.kill()
    house.until(lambda: not house.processes(), "the machine to end by itself")
    house.start()
    document = house.closed(job_id)
    assert document["job"]["outcome"] == "succeeded"
    assert document["job"]["attempts"] == 1
    assert house.kinds(f"job/{job_id}").count("job.machine_created") == 1


def test_a_long_training_survives_the_daemon_and_is_taken_over(house: House) -> None:
    """Fault 44: an order to stop ends the daemon, never the machine."""
    job_id = house.train("slow")
    house.running(job_id)
    assert house.stop() == 0
    assert "1 machine keeps running" in house.log.read_text()
    assert house.processes()
    house.start()
    assert house.closed(job_id)["job"]["outcome"] == "succeeded"
    assert house.processes() == []


def test_a_machine_killed_while_the_daemon_was_dead_is_told_as_interrupted(house: House) -> None:
    job_id = house.train("hang")
    house.running(job_id)
    house.kill()
    for pid in house.processes():
        os.kill(pid, signal.SIGKILL)
    house.start()
    document = house.closed(job_id)
    assert (document["job"]["outcome"], document["job"]["code"]) == ("interrupted", "E-INTERRUPTED")
    assert document["machine"]["terminated_confirmed_at"]


def test_a_wrapper_killed_alone_leaves_no_work_behind(house: House) -> None:
    """Fault 31."""
    job_id = house.train("hang")
    house.running(job_id)
    machine = house.job(job_id)["machine"]["name"]
    wrapper = next(p for p in house.processes() if b".pyz" in Path(f"/proc/{p}/cmdline").read_bytes())
    os.kill(wrapper, signal.SIGKILL)
    house.stop_job(job_id)
    assert house.closed(job_id)["job"]["outcome"] in ("cancelled", "interrupted")
    assert house.processes() == []
    assert machine


def test_a_second_daemon_on_the_same_state_leaves_the_first_alone(house: House) -> None:
    """Fault 53, rule 9."""
    job_id = house.train("slow")
    second = subprocess.run(
        [sys.executable, "-m", "lastcall", "daemon"],
        cwd=house.root,
        env=house.environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert second.returncode == 6
    assert "E-LOCKED" in second.stderr
    assert len(second.stderr.strip().splitlines()) == 1
    assert house.closed(job_id)["job"]["outcome"] == "succeeded"


def test_a_suspended_daemon_launches_nothing_old_and_goes_on(house: House) -> None:
    """Fault 52: SIGSTOP."""
    job_id = house.train("slow")
    assert house.process is not None
    house.process.send_signal(signal.SIGSTOP)
    time.sleep(1)
    house.process.send_signal(signal.SIGCONT)
    assert house.closed(job_id)["job"]["outcome"] == "succeeded"
