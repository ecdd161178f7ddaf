"""``./dev live`` and ``lastcall`` on an emulated account, which is believed sooner than the real one may be.

``QUICK_TRIAL`` shortens the trial of ``lastcall setup runpod``; with ``QUICK_WORK`` rented machines run the test
programs.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from tests.support.quick_clouds import quicken

QUICK: Final = {
    "list_interval_s": 0.5,
    "absence_gap_s": 1.0,
    "quiet_s": 5.0,
    "min_age_s": 2.0,
    "start_allowance_s": 120.0,
    "marker_interval_s": 0.5,
    "marker_gap_s": 1.0,
    "expected_start_s": 5.0,
}
LIVE: Final = frozenset({"aws", "runpod"})
"""What ``./dev live`` is asked for."""
RENTING: Final = frozenset({"daemon", "doctor", "reap", "setup"})
"""Commands that speak to the account themselves; the others ask the daemon, and load no provider here either."""


def quick_trial() -> None:
    """Let setup's trial pod wait less, and setup look at it more often."""
    from lastcall.setup import trial
    from tests.support.quick_trial import hurried

    program = hurried(trial.program_bytes(), uptime_s=4.0, seen_s=3.0)
    trial.program_bytes = lambda: program
    trial.LOOK_S = 0.5  # type: ignore[misc]


def main(arguments: list[str]) -> int:
    """Run one command."""
    if arguments[0] in LIVE:
        from tests.support.commands import asking
        from tools import live

        quicken(QUICK)
        return live.main(arguments, [*asking("tests.support.live_entry"), "daemon"])
    if arguments[0] in RENTING:
        quicken(QUICK)
    if arguments[0] == "setup" and "QUICK_TRIAL" in os.environ:
        quick_trial()
    if arguments[0] == "daemon" and "QUICK_WORK" in os.environ:
        from tests.support.quick_work import PROGRAMS, give

        give(PROGRAMS)
    from lastcall.cli.main import main as lastcall

    return lastcall(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
