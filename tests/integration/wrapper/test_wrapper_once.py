"""An attempt runs once: whatever restarts, races or comes back late."""

from __future__ import annotations

import json

from tests.integration.wrapper.machine import WrapperRun
from tests.support.patience import PATIENCE_S, wait_until

COUNTS = "open('COUNT', 'a').write('ran\\n'); import time; print('running'); time.sleep(600)"


def counting(machine: WrapperRun) -> str:
    return COUNTS.replace("COUNT", str(machine.storage / "count"))


def runs(machine: WrapperRun) -> int:
    path = machine.storage / "count"
    return path.read_text().count("ran") if path.exists() else 0


def test_a_restarted_wrapper_never_runs_the_work_twice(machine: WrapperRun) -> None:
    """Fault 21."""
    machine.spec(counting(machine))
    first = machine.start()
    wait_until(lambda: runs(machine) == 1)
    first.kill()
    first.wait()
    machine.end(machine.start())
    assert runs(machine) == 1
    marker = machine.marker
    assert (marker["outcome"], marker["code"]) == ("interrupted", "E-RESTARTED")
    started = machine.read("started.json")
    assert started is not None
    assert marker["started_at"] == started["started_at"]
    assert marker["nonce"] != started["nonce"]


def test_a_restart_with_memory_all_but_full_reads_as_out_of_memory(machine: WrapperRun) -> None:
    machine.spec(counting(machine))
    first = machine.start()
    machine.running()
    first.kill()
    first.wait()
    heartbeat = machine.read("heartbeat.json")
    assert heartbeat is not None
    heartbeat.update(rss_bytes=96, memory_limit_bytes=100)
    (machine.folder / "heartbeat.json").write_text(json.dumps(heartbeat))
    machine.end(machine.start())
    assert (machine.marker["outcome"], machine.marker["code"]) == ("failed", "E-OOM")
    assert runs(machine) == 1


def test_a_start_after_the_marker_runs_nothing_and_keeps_the_marker(machine: WrapperRun) -> None:
    machine.spec(f"open({str(machine.storage / 'count')!r}, 'a').write('ran\\n')")
    machine.run()
    marker = (machine.folder / "result.json").read_bytes()
    machine.end(machine.start())
    assert runs(machine) == 1
    assert (machine.folder / "result.json").read_bytes() == marker


def test_of_two_racing_wrappers_one_claims_and_the_attempt_ends(machine: WrapperRun) -> None:
    machine.spec(counting(machine))
    both = [machine.start(), machine.start()]
    codes = sorted(process.wait(PATIENCE_S) for process in both)
    assert codes in ([-9, 0], [0, 0])
    assert machine.alive() == []
    assert runs(machine) <= 1
    assert machine.marker["code"] == "E-RESTARTED"


def test_a_wrapper_whose_attempt_was_marked_by_another_ends_its_work(machine: WrapperRun) -> None:
    """Fault 28."""
    machine.spec(counting(machine))
    process = machine.start()
    machine.running()
    (machine.folder / "result.json").write_text("{}")
    machine.end(process)
    assert (machine.folder / "result.json").read_text() == "{}"


def test_a_wrapper_whose_claim_was_taken_over_ends_its_work(machine: WrapperRun) -> None:
    machine.spec(counting(machine))
    process = machine.start()
    machine.running()
    other = json.dumps({"attempt": 1, "nonce": "another"})
    (machine.folder / "other").write_text(other)
    (machine.folder / "other").replace(machine.folder / "started.json")
    machine.end(process)
    assert machine.marker["code"] == "E-RESTARTED"
    assert machine.marker["artifacts"] == []


def test_a_claim_taken_over_while_it_settles_runs_nothing(machine: WrapperRun) -> None:
    machine.spec(counting(machine))
    process = machine.start(LASTCALL_NONCE_SETTLE_S=1)
    wait_until(lambda: machine.read("started.json"))
    (machine.folder / "other").write_text(json.dumps({"attempt": 1, "nonce": "another"}))
    (machine.folder / "other").replace(machine.folder / "started.json")
    machine.end(process)
    assert machine.marker["code"] == "E-RESTARTED"
    assert runs(machine) == 0
