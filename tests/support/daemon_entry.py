"""The daemon as tests run it: the real one, with the test programs in place of the training.

``CRASH_AT=7 CRASH_WHEN=before`` kills the process with SIGKILL at its seventh journal append: before it is written, or
right after it is durable. ``COUNT_FILE`` receives the number of appends at the end. ``QUICK_CLOUDS`` makes clouds
as quick to believe as their emulators on this computer are. ``EVERY_FAMILY`` has a job train all kinds of
model; with ``QUICK_WORK`` the test programs run on rented machines too.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from actors.journal.interface import Appended, Expected, Version
from actors.journal.sqlite import SqliteJournal
from actors.supervisor import work
from actors.supervisor.work import Program
from lastcall.daemon import main
from lastcall.programs import training_program
from messages.events import Event
from messages.machines import LaunchRequest
from tests.support.quick_clouds import quicken
from tests.support.quick_work import PROGRAMS, give

QUICK = {
    "list_interval_s": 0.5,
    "absence_gap_s": 0.5,
    "quiet_s": 4.0,
    "min_age_s": 1.0,
    "marker_interval_s": 0.5,
    "marker_gap_s": 0.5,
    "expected_start_s": 5.0,
}
"""The emulators show at once what they do: what takes minutes to be sure of elsewhere takes seconds here."""
QUICK_MACHINES = {
    "LASTCALL_CHECKPOINT_INTERVAL_S": "0.5",
    "LASTCALL_PROGRESS_INTERVAL_S": "0.5",
    "LASTCALL_NOTICE_INTERVAL_S": "0.5",
}
"""What a training of minutes shows shows in one of seconds."""
EVERY_FAMILY = Path(__file__).with_name("every_family.py")

_sound = SqliteJournal.append
_environment = work.wrapper_environment
_count = 0


async def _append(
    self: SqliteJournal,
    stream: str,
    expected: Version | Expected,
    events: Sequence[Event],
    *,
    actor: str,
    cause: str | None = None,
) -> Appended:
    global _count
    _count += 1
    here = _count == int(os.environ.get("CRASH_AT", "0"))
    if here and os.environ["CRASH_WHEN"] == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    appended = await _sound(self, stream, expected, events, actor=actor, cause=cause)
    if here:
        os.kill(os.getpid(), signal.SIGKILL)
    if "COUNT_FILE" in os.environ:
        Path(os.environ["COUNT_FILE"]).write_text(str(_count))
    return appended


def _quick_environment(request: LaunchRequest) -> dict[str, str]:
    return _environment(request) | QUICK_MACHINES


if __name__ == "__main__":
    if os.environ.get("QUICK_CLOUDS"):
        quicken(QUICK)
        work.wrapper_environment = _quick_environment
    if os.environ.get("EVERY_FAMILY"):
        give(EVERY_FAMILY)
    if os.environ.get("QUICK_WORK"):
        give(PROGRAMS)
    SqliteJournal.append = _append  # type: ignore[method-assign]
    real = os.environ.get("REAL_TRAINING")
    program = training_program() if real else Program(argv=(sys.executable, str(PROGRAMS), "work.json", "out"))
    sys.exit(main(program=program))
