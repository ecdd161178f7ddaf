"""The real gateway with a node in memory, on a thread of its own, for commands that run in the test's thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.admin.gateway import AdminGateway
from actors.runtime.clock import SystemClock, SystemEntropy
from lastcall.cli.main import main
from tests.integration.socket.node import FakeNode
from tests.support.patience import wait_until

CSV = b"a,b,churn\n1,2,yes\n3,4,no\n"
Capture = pytest.CaptureFixture[str]


class LiveGateway:
    """Starts on ``start`` and is wholly gone after ``stop``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.node = FakeNode()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._gateway: AdminGateway | None = None

    def start(self) -> None:
        self._thread.start()
        self.open()

    def open(self) -> None:
        """Serve; also again after ``close``."""
        self._gateway = AdminGateway(self.node.services(), SystemClock(), SystemEntropy())
        self.do(self._gateway.start(self.path, lock_held=True))

    def close(self) -> None:
        """Stop serving, as a daemon that restarts."""
        if self._gateway is not None:
            self.do(self._let_in())
            self.do(self._gateway.stop())
        self._gateway = None

    async def _let_in(self) -> None:
        """Let in who has connected: a server of asyncio that closes between accepting and that loses the socket."""
        for _ in range(3):
            await asyncio.sleep(0)

    def do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def call(self, function: Callable[[], Any]) -> None:
        self._loop.call_soon_threadsafe(function)

    @contextmanager
    def once_followed(self, act: Callable[[], None]) -> Iterator[None]:
        """Do ``act`` beside the body as soon as a stream has sent all there is and waits; it is done at the end."""

        def acting() -> None:
            wait_until(lambda: self.node.held > 0)
            act()

        with ThreadPoolExecutor(1) as beside:
            acted = beside.submit(acting)
            yield
            acted.result()

    def wait_for_nobody(self) -> None:
        """Wait until every connection is gone, one that a command broke off too."""
        gateway = self._gateway
        wait_until(lambda: gateway is None or gateway.connections == 0)

    def stop(self) -> None:
        self.close()
        self.do(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


def run(capsys: Capture, *arguments: str) -> tuple[int, str, str]:
    """Type a command; return its exit code, standard output and standard error."""
    code = main(arguments)
    found = capsys.readouterr()
    return code, found.out, found.err
