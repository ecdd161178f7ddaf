"""The house that end-to-end tests live in leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.house import CHECKOUT
from tests.support.patience import wait_until
from tests.support.providers import audit

KILLED = """
import os, signal, sys
from pathlib import Path
from tests.support.house import House
house = House(Path(sys.argv[1])).start(wait_ready=False)
print(house.process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_daemon_ends_with_killed_tests(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        cwd=CHECKOUT,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT), "TMPDIR": str(tmp_path)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    wait_until(lambda: not audit.running(int(done.stdout)))
