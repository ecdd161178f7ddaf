"""Starts one wrapper as a process of nobody: run as ``python -I -S launcher.py STATUS_FD LOCK_FD ARGV…``.

Standard library only and imported by nothing. The daemon starts it with the machine's environment, the machine
directory as working directory and the console as output. It forks; the child becomes a session of its own, the
reaper of all it will leave behind, unable to gain rights, keeps no descriptor but the lock, and turns into the
wrapper. The status pipe carries ``pid start`` and closes when the wrapper runs, or says why it does not. So the
wrapper lives on when the daemon dies, and the daemon knows its pid without a moment in which nobody does.
"""

import ctypes
import os
import signal
import sys

PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
"""Numbers of prctl(2)."""

DESCRIPTORS_MAX = 1 << 20


def main() -> None:
    """Fork, tell, end."""
    status, lock = int(sys.argv[1]), int(sys.argv[2])
    command = sys.argv[3:]
    os.set_inheritable(status, False)
    os.set_inheritable(lock, True)
    child = os.fork()
    if child == 0:
        _become(command, status, lock)
    os.write(status, f"{child} {_start_time(child)}\n".encode("ascii"))
    os._exit(0)


def _start_time(pid: int) -> int:
    with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 (no imports that cost time here)
        text = file.read()
    return int(text[text.rindex(b")") + 2 :].split()[19])


def _become(command: "list[str]", status: int, lock: int) -> None:
    """Turn into the wrapper; never returns."""
    try:
        os.setsid()
        _prctl(PR_SET_CHILD_SUBREAPER)
        _prctl(PR_SET_NO_NEW_PRIVS)
        os.umask(0o077)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        low, high = sorted((status, lock))
        os.closerange(3, low)
        os.closerange(low + 1, high)
        os.closerange(high + 1, DESCRIPTORS_MAX)
        os.execv(command[0], command)  # noqa: S606 (no shell is the point)
    except OSError as error:
        _fail(status, error)


def _fail(status: int, error: OSError) -> None:
    os.write(status, f"failed {error.errno} {error.strerror}\n".encode("utf-8", "replace"))
    os._exit(70)


def _prctl(option: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, 1, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    main()
