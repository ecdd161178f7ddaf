"""Programs that begin as copies of a process that has loaded them: loading is most of an emulator's start.

    python -m tests.emulators.common.forking MODULE

Serves the socket that is its standard input: each message is one program to run, an answer is a line of its pipe. It
ends with the process at the socket's other end, and all programs with it.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Any, Final

CHECKOUT: Final = Path(__file__).parents[3]
MESSAGE_BYTES_MAX: Final = 1 << 20
DESCRIPTORS: Final = 3
"""A program comes with these: its standard output, its standard error, and the pipe for its id and exit status."""
STDERR: Final = 2
KEPT: Final = ("PATH", "PYTHONHASHSEED")
"""All that the server itself knows of the environment it is started in: it names no folder of a test."""


class Copy:
    """A program that runs; what ``subprocess.Popen`` offers, as far as it is needed."""

    def __init__(self, module: str, arguments: Sequence[str], ready_s: float) -> None:
        """Start ``python -m MODULE ARGUMENTS``; the first of a module loads it. Raises RuntimeError."""
        self.returncode: int | None = None
        output, into = os.pipe()
        told, telling = os.pipe()
        self.stdout: IO[bytes] = os.fdopen(output, "rb")
        self._told: IO[bytes] = os.fdopen(told, "rb", buffering=0)
        message = json.dumps({"arguments": list(arguments), "environment": dict(os.environ)}).encode()
        try:
            socket.send_fds(
                _server(module), [message], [into, sys.__stderr__.fileno() if sys.__stderr__ else 2, telling]
            )
        finally:
            os.close(into)
            os.close(telling)
        if not select.select([self._told], [], [], ready_s)[0]:
            raise RuntimeError(f"{module} was not started")
        self.pid = self._line()

    def _line(self) -> int:
        line = self._told.readline()
        if not line:
            raise RuntimeError("the server of copies ended")
        return int(line)

    def poll(self) -> int | None:
        """Return the exit status, or the signal's number below zero; ``None`` while it lives."""
        if self.returncode is None and select.select([self._told], [], [], 0)[0]:
            self.returncode = self._line()
            self._told.close()
        return self.returncode

    def wait(self, within_s: float) -> int:
        """Wait for its end and return the exit status. Raises TimeoutExpired."""
        if self.returncode is None:
            select.select([self._told], [], [], within_s)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired(str(self.pid), within_s)
        return code

    def send_signal(self, number: int) -> None:
        """Signal it, if it lives."""
        if self.poll() is None:
            os.kill(self.pid, number)


@cache
def _server(module: str) -> socket.socket:
    """Start the server of a module's copies; it goes when this process does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, module],
            cwd=CHECKOUT,
            env={name: os.environ[name] for name in KEPT if name in os.environ},
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
        )
    atexit.register(_end, ours, process)
    return ours


def _end(control: socket.socket, server: subprocess.Popen[bytes]) -> None:
    control.close()
    server.wait()


# --- the server


def serve(control: socket.socket, module: str) -> None:
    """Start what is asked for until the other end is gone."""
    program = importlib.import_module(f"{module}.__main__")
    program.load()
    gc.freeze()
    running: dict[int, tuple[int, int]] = {}  # pidfd → (process, its pipe)
    while True:
        for ready in select.select([control.fileno(), *running], [], [])[0]:
            if ready != control.fileno():
                _ended(ready, *running.pop(ready))
                continue
            message, descriptors, _, _ = socket.recv_fds(control, MESSAGE_BYTES_MAX, DESCRIPTORS)
            if not message:
                for process, _ in running.values():
                    os.kill(process, signal.SIGTERM)
                for pidfd in list(running):
                    _ended(pidfd, *running.pop(pidfd))
                return
            pid = os.fork()
            if pid == 0:
                for pidfd, (_, pipe) in running.items():
                    os.close(pidfd)
                    os.close(pipe)
                control.close()
                _become(program, json.loads(message), descriptors)
            output, error, telling = descriptors
            os.close(output)
            os.close(error)
            os.write(telling, b"%d\n" % pid)
            running[os.pidfd_open(pid)] = (pid, telling)


def _ended(pidfd: int, process: int, pipe: int) -> None:
    """Tell of a program's end."""
    _, status = os.waitpid(process, 0)
    with suppress(BrokenPipeError):  # nobody waits any more
        os.write(pipe, b"%d\n" % os.waitstatus_to_exitcode(status))
    os.close(pipe)
    os.close(pidfd)


def _become(program: Any, asked: Mapping[str, Any], descriptors: Sequence[int]) -> None:
    """Run the program in this process and end it."""
    output, error, telling = descriptors
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (error, 2)):
        os.dup2(source, target)
        os.close(source)
    os.close(telling)
    os.environ.clear()
    os.environ.update(asked["environment"])
    code = 1
    try:
        program.main(asked["arguments"])
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    with socket.socket(fileno=os.dup(0)) as other_end:
        serve(other_end, sys.argv[1])
