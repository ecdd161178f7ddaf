"""A ``lastcall`` that is typed in a shell, run as a copy: ``python -I -S asking.py SOCKET ARGUMENTS``.

Hands arguments, folder, environment and the three open files to ``tests.support.commands``, hears signals for the copy,
and ends as it does. The standard library only, as little of it as can be: this is started hundreds of times.
"""

import os
import signal
import socket
import sys

HEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ANSWER_BYTES = 32


def main(name: str, arguments: list[str]) -> int:
    """Run one command and return its exit status."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)  # until there is somebody to tell
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as link:
        link.connect("\0" + name)
        variables = [f"{name}={value}" for name, value in os.environ.items()]
        words = [str(len(arguments)), *arguments, os.getcwd(), *variables]  # noqa: PTH109  pathlib takes its time
        socket.send_fds(link, ["\0".join(words).encode(errors="surrogateescape")], [0, 1, 2])
        copy = int(link.recv(ANSWER_BYTES) or b"0")
        if not copy:
            return 1
        for number in HEARD:
            signal.signal(number, lambda number, _: os.kill(copy, number))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
        status = int(link.recv(ANSWER_BYTES) or b"1")
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
