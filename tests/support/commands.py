"""Commands as copies of a process that has loaded what they need: loading is most of what many of them do.

A page's commands are typed into a shell by the dozen. What is typed there is ``asking.py``; a command runs in a process
of its own all the same, with the shell's folder, environment and open files, and ends with whoever typed it.
"""

from __future__ import annotations

import atexit
import os
import select
import signal
import socket
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from runpy import run_module
from typing import Final, NoReturn

from tests.support.forked import Forked, end_with
from tests.support.patience import wait_until

NAME: Final = "COMMANDS_SERVER"
MESSAGE_BYTES_MAX: Final = 1 << 20
FILES: Final = 3
DESCRIPTORS_MAX: Final = 1024
ASKING: Final = Path(__file__).with_name("asking.py")


@cache
def server() -> str:
    """Start the server, which lives as long as this process, and return its name."""
    name = f"lastcall-tests-{os.getpid()}"
    process = Forked(__name__, Path("/"), {**os.environ, NAME: name}, Path(os.devnull))
    atexit.register(process.kill)  # before whoever waits for it
    wait_until(lambda: _listens(name), "the server of commands")
    return name


def asking(module: str) -> list[str]:
    """Return the words before a command's own that run ``python -m MODULE`` as a copy."""
    return [sys.executable, "-I", "-S", os.fspath(ASKING), _serving or server(), module]


_serving = ""
"""The server's name, in what it runs."""


def _listens(name: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as link:
        return link.connect_ex("\0" + name) == 0


# --- the server


def serve(name: str) -> None:
    """Let a process of its own keep each command that is asked for."""
    global _serving
    _serving = name
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind("\0" + name)
        listening.listen(socket.SOMAXCONN)
        while True:
            link, _ = listening.accept()
            with link:
                if os.fork() == 0:
                    listening.close()
                    _keep(link)


def _keep(link: socket.socket) -> NoReturn:
    """Run the command, and tell whoever asked how it ended; it ends with them."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    end_with(os.getppid())()
    message, descriptors, _, _ = socket.recv_fds(link, MESSAGE_BYTES_MAX, FILES)
    if message:
        command = os.fork()
        if command == 0:
            _become(message.decode(errors="surrogateescape").split("\0"), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        ended = os.pidfd_open(command)
        with suppress(BrokenPipeError):
            link.send(b"%d" % command)
        if ended not in select.select([link.fileno(), ended], [], [])[0]:
            os.kill(command, signal.SIGKILL)
        _, status = os.waitpid(command, 0)
        with suppress(BrokenPipeError):
            link.send(b"%d" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _become(words: Sequence[str], descriptors: Sequence[int]) -> NoReturn:
    """Run the command in this process and end it."""
    end_with(os.getppid())()
    count = int(words[0])
    module, *arguments = words[1 : count + 1]
    os.chdir(words[count + 1])
    os.environ.clear()
    for variable in words[count + 2 :]:
        known, _, value = variable.partition("=")
        os.environ[known] = value
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    for target, source in enumerate(descriptors):
        os.dup2(source, target)
    os.closerange(FILES, DESCRIPTORS_MAX)
    sys.stdin, sys.stdout = open(0, encoding="utf-8"), open(1, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1)  # noqa: SIM115
    sys.argv = [module, *arguments]
    tempfile.tempdir = None  # this environment may name another
    code = 1
    try:
        run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with suppress(OSError):
            sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    import tests.support.commands as known  # by the name that commands know it by

    known.serve(os.environ[NAME])
