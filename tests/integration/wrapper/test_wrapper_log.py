"""The log: bounded, clean, in order, and complete at its end. Fault 33."""

from __future__ import annotations

from tests.integration.wrapper.machine import WrapperRun

FLOOD = """
import sys
line = b"x" * 99 + b"\\n"
for n in range(100):
    sys.stdout.buffer.write(line * 700)
sys.stdout.buffer.write(b"\\x1b[31mthe end\\x1b[0m \\xff\\n")
sys.stdout.flush()
"""


def test_a_flood_is_cut_openly_and_its_last_line_is_kept(machine: WrapperRun) -> None:
    machine.spec(FLOOD)
    marker = machine.run(LASTCALL_LOG_BYTES_MAX=1 << 20)
    assert marker["outcome"] == "succeeded"
    files = sorted((machine.folder / "log").iterdir())
    assert [file.name for file in files] == [f"{n:06d}.ndjson" for n in range(1, len(files) + 1)]
    assert all(file.stat().st_size <= 256 << 10 for file in files)
    assert sum(file.stat().st_size for file in files) < 1.2 * (1 << 20)
    assert marker["log_files"] == len(files)
    assert marker["log_bytes"] == sum(file.stat().st_size for file in files)
    assert machine.log[-1] == "the end \N{REPLACEMENT CHARACTER}"
    cuts = [text for text in machine.log if text.startswith("log cut: ")]
    assert len(cuts) == 1
    assert len(machine.log) - 1 + int(cuts[0].split()[2]) == 100 * 700 + 1


def test_a_flood_below_the_bound_loses_no_line(machine: WrapperRun) -> None:
    machine.spec("for n in range(30_000): print(n)")
    machine.run()
    assert machine.log == [str(n) for n in range(30_000)]


def test_a_line_of_a_megabyte_is_cut(machine: WrapperRun) -> None:
    machine.spec("print('y' * (1 << 20)); print('after')")
    machine.run()
    assert machine.log[0].startswith("yyy")
    assert len(machine.log[0]) < 17 << 10
    assert "bytes cut]" in machine.log[0]
    assert machine.log[1] == "after"


def test_a_last_line_without_a_line_break_is_kept(machine: WrapperRun) -> None:
    machine.spec("import os; os.write(1, b'half'); os.write(2, b'other half'); os._exit(1)")
    machine.run()
    assert sorted(machine.log) == ["half", "other half"]
