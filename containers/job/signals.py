"""Signals and other wake-ups of the main loop, as one readable socket."""

from __future__ import annotations

import contextlib
import signal
import socket
from types import FrameType

from containers.job.policy import ANNOUNCED_GRACE_S, INTERRUPT_GRACE_S


class Signals:
    """``noticed`` once the platform (or anybody) asked this process to end, ``at_once`` once by a signal."""

    def __init__(self) -> None:
        self.noticed = False
        self.at_once = False
        self._out, self._in = socket.socketpair()
        self._out.setblocking(False)
        self._in.setblocking(False)

    def install(self) -> None:
        """Take over the signals that matter. Handlers, not SIG_IGN: what is ignored stays ignored in the work."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._notice)
        for number in (signal.SIGCHLD, signal.SIGHUP):
            signal.signal(number, self._nothing)
        signal.set_wakeup_fd(self._in.fileno(), warn_on_full_buffer=False)

    def notice(self) -> None:
        """Say that the platform is going to take the machine, from any thread."""
        self.noticed = True
        self.wake()

    def grace_s(self) -> float | None:
        """Return how long the work may still take since the notice; ``None`` without one."""
        if not self.noticed:
            return None
        return INTERRUPT_GRACE_S if self.at_once else ANNOUNCED_GRACE_S

    def fileno(self) -> int:
        """The descriptor that turns readable."""
        return self._out.fileno()

    def wake(self) -> None:
        """Make it readable, from any thread."""
        with contextlib.suppress(OSError):  # full: it is readable already
            self._in.send(b"\0")

    def drain(self) -> None:
        """Make it quiet again."""
        with contextlib.suppress(BlockingIOError):
            while self._out.recv(4096):
                pass

    def close(self) -> None:
        """Let go of both ends."""
        self._out.close()
        self._in.close()

    def _notice(self, _: int, __: FrameType | None) -> None:
        self.at_once = self.noticed = True

    def _nothing(self, _: int, __: FrameType | None) -> None:
        return
