"""Storage that goes away, comes back, or was never there."""

from __future__ import annotations

import time

from tests.integration.wrapper.machine import FAR_S, WrapperRun
from tests.support.patience import PATIENCE_S, wait_until


def test_a_folder_that_vanishes_for_a_while_ends_nothing_and_loses_nothing(machine: WrapperRun) -> None:
    machine.spec(
        "import time\nfor n in range(12):\n    print('line', n); time.sleep(0.1)\nopen('out/a', 'w').write('x')"
    )
    process = machine.start()
    wait_until(lambda: machine.log)
    away = machine.folder.with_name("away")
    machine.folder.rename(away)
    time.sleep(0.7)
    assert process.poll() is None
    assert not machine.folder.exists()
    away.rename(machine.folder)
    machine.end(process)
    assert machine.marker["outcome"] == "succeeded"
    assert machine.log == [f"line {n}" for n in range(12)]


def test_a_flood_while_the_folder_is_away_waits_and_loses_no_line(machine: WrapperRun) -> None:
    machine.spec("print('running'); import time; time.sleep(0.3)\nfor n in range(900): print('x' * 9_000, n)")
    process = machine.start()
    machine.running()
    away = machine.folder.with_name("away")
    machine.folder.rename(away)
    time.sleep(1.5)
    away.rename(machine.folder)
    machine.end(process)
    assert [line.split()[-1] for line in machine.log] == ["running", *(str(n) for n in range(900))]


def test_without_a_place_for_scratch_nothing_runs(machine: WrapperRun) -> None:
    machine.spec("print('work')")
    process = machine.start(LASTCALL_MACHINE_DIR=machine.directory / "none")
    assert process.wait(PATIENCE_S) == 0
    assert machine.alive() == []
    assert machine.marker["code"] == "E-PREPARE"
    assert machine.log == []


def test_a_folder_away_at_the_end_is_waited_for(machine: WrapperRun) -> None:
    machine.spec("import time; print('running'); time.sleep(0.4); open('out/a', 'w').write('x'); print('end')")
    process = machine.start()
    machine.running()
    away = machine.folder.with_name("away")
    machine.folder.rename(away)
    time.sleep(1.2)
    away.rename(machine.folder)
    machine.end(process)
    assert machine.log[-1] == "end"
    assert len(machine.marker["artifacts"]) == 1


def test_a_folder_that_never_comes_back_ends_the_machine_without_a_marker(machine: WrapperRun) -> None:
    machine.spec("import time; print('running'); time.sleep(0.3); open('out/a', 'w').write('x')")
    process = machine.start(LASTCALL_FOLDER_WAIT_S=1)
    machine.running()
    away = machine.folder.with_name("away")
    machine.folder.rename(away)
    machine.end(process)
    assert not machine.folder.exists()
    assert not (away / "result.json").exists()


def test_a_folder_that_cannot_be_read_at_the_start_ends_the_machine_and_runs_nothing(machine: WrapperRun) -> None:
    machine.spec("print('work')")
    machine.folder.rename(machine.folder.with_name("away"))
    machine.end(machine.start(LASTCALL_FOLDER_WAIT_S=0.5))
    assert not machine.folder.exists()


def test_a_spec_that_comes_late_is_waited_for(machine: WrapperRun) -> None:
    process = machine.start()
    time.sleep(0.3)
    machine.spec("print('work')")
    machine.end(process)
    assert machine.marker["outcome"] == "succeeded"


def test_the_timer_ends_a_machine_whose_main_loop_does_not_return(machine: WrapperRun) -> None:
    """A long settling pause stands for a call into storage that hangs: only the timer's own thread is left."""
    machine.spec("print('work')")
    hard = time.time() + FAR_S
    machine.end(machine.start(soft_in_s=-29.0, LASTCALL_HARD_DEADLINE=hard, LASTCALL_NONCE_SETTLE_S=FAR_S))
    assert machine.read("result.json") is None
    assert machine.log == []
