"""The daemon as a process of its own, forked from one that has loaded everything: loading is most of a start.

End-to-end tests start daemons by the hundred. One server for each process of tests (``multiprocessing``'s) loads the
modules once; it ends with that process, and the daemons with it.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from multiprocessing import forkserver, util
from pathlib import Path
from runpy import run_module

LOADED = ("tests.support.loaded", "tests.support.forked")
"""What the server loads before it forks: nothing that acts."""
KEPT = 3
DESCRIPTORS_MAX = 1024
PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)
_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(list(LOADED))


class Forked:
    """A module that runs as ``python -m`` would run it, with this environment and nothing of the tests' own."""

    def __init__(self, module: str, folder: Path, environment: Mapping[str, str], log: Path) -> None:
        """Start it in ``folder``; what it prints is added to ``log``."""
        _serve()
        log.touch()
        arguments = (os.getpid(), module, os.fspath(folder), dict(environment), os.fspath(log))
        self._process = _server.Process(target=_run, args=arguments)
        self._process.start()

    @property
    def pid(self) -> int:
        if self._process.pid is None:
            raise LookupError("never started")
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit status, or the signal's number below zero; ``None`` while it lives."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return ``returncode``."""
        return self.returncode

    def wait(self, within_s: float) -> int:
        """Wait for its end and return ``returncode``. Raises TimeoutExpired."""
        self._process.join(within_s)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(str(self.pid), within_s)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Signal it, if it lives."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL it, if it lives."""
        self.send_signal(signal.SIGKILL)


def end_with(parent: int) -> Callable[[], None]:
    """Return what makes a new process end with the one that started it, however that ends (prctl(2))."""

    def ask() -> None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it ended before it was asked for
            os._exit(1)

    return ask


def _serve() -> None:
    """Start the server, if it does not run, with an environment that names no folder of a test."""
    util.get_temp_dir()  # the one that the environment names
    kept = dict(os.environ)
    os.environ.clear()
    os.environ.update({name: kept[name] for name in ("PATH", "PYTHONHASHSEED") if name in kept})
    try:
        forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(kept)


def _run(tests: int, module: str, folder: str, environment: Mapping[str, str], log: str) -> None:
    """Become the module: runs in the new process."""
    end_with(os.getppid())()
    if not Path(f"/proc/{tests}").exists():  # the server's end may have come before it was asked for
        os._exit(1)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    nothing, printed = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for source, target in ((nothing, 0), (printed, 1), (printed, 2)):
        os.dup2(source, target)
    os.closerange(KEPT, DESCRIPTORS_MAX)  # one of them would keep the server when the tests are gone
    sys.argv = [module]
    gc.freeze()
    run_module(module, run_name="__main__", alter_sys=True)
