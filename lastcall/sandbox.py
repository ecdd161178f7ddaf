"""Puts limits on this process and becomes the program named: ``python -I -S sandbox.py PARENT MEMORY -- ARGV…``.

A program of its own, so that nothing has to run between fork and exec in the daemon, which has threads. PARENT is the
daemon's process id, MEMORY a limit in bytes or 0. In this order: die with the daemon, never gain privileges, write no
core file, use no more memory, then check that the daemon is still there. Standard library only; Linux.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

# prctl(2); the numbers are part of the kernel's stable interface (linux/prctl.h).
PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38

EXIT_LIMITS = 125
"""The limits could not be set: the program is not started without them."""
EXIT_PARENT_GONE = 124
"""The daemon died before the limits stood."""
EXIT_NOT_FOUND = 127
"""The program could not be started."""


def set_limits(parent: int, memory_bytes: int) -> None:
    """Set every limit on this process. Raises OSError; exits when ``parent`` is no longer the parent."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    for option, value in ((PR_SET_PDEATHSIG, int(signal.SIGKILL)), (PR_SET_NO_NEW_PRIVS, 1)):
        if prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
            raise OSError(ctypes.get_errno(), f"prctl option {option}")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    # The signal is sent at the parent's death; one who died before it was asked for is found only by looking.
    if os.getppid() != parent:
        sys.exit(EXIT_PARENT_GONE)


def main(arguments: list[str]) -> int:
    """Set the limits and become the program; returns an exit code only when that fails."""
    parent, memory_bytes, dashes, *argv = arguments
    if dashes != "--" or not argv:
        sys.stderr.write("usage: sandbox.py PARENT MEMORY -- ARGV\n")
        return EXIT_LIMITS
    try:
        set_limits(int(parent), int(memory_bytes))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"the limits could not be set: {error}\n")
        return EXIT_LIMITS
    try:
        os.execvp(argv[0], argv)  # noqa: S606  # replacing this process is what it is for
    except OSError as error:
        sys.stderr.write(f"{argv[0]} could not be started: {error}\n")
    return EXIT_NOT_FOUND


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
