"""A gateway on a real Unix socket in a temporary directory, with a clock in the test's hand."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from actors.admin.gateway import AdminGateway
from actors.admin.limits import Limits
from actors.runtime.clock import SystemEntropy
from lastcall.cli import follow, logs
from tests.integration.socket import examples
from tests.integration.socket.live import CSV, LiveGateway
from tests.integration.socket.node import FakeNode


class HandClock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self._now = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return examples.NOON + timedelta(seconds=self._now)

    def monotonic(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (self._now + seconds, future)
        self._sleepers.append(entry)
        try:
            await future
        finally:
            self._sleepers.remove(entry)

    def advance(self, seconds: float) -> None:
        self._now += seconds
        for until, future in list(self._sleepers):
            if until <= self._now and not future.done():
                future.set_result(None)


@dataclass
class Site:
    """A running gateway and what a test wants of it."""

    node: FakeNode
    gateway: AdminGateway
    clock: HandClock
    path: Path
    http: aiohttp.ClientSession
    answers: list[aiohttp.ClientResponse] = field(default_factory=list)
    """Every answer, let go of at the end whether it was read or not."""

    async def send(self, method: str, path: str, **options: Any) -> aiohttp.ClientResponse:
        self.answers.append(await self.http.request(method, f"http://lastcall{path}", **options))
        return self.answers[-1]

    async def get(self, path: str, **options: Any) -> aiohttp.ClientResponse:
        return await self.send("GET", path, **options)

    async def post(self, path: str, **options: Any) -> aiohttp.ClientResponse:
        return await self.send("POST", path, **options)

    async def delete(self, path: str, **options: Any) -> aiohttp.ClientResponse:
        return await self.send("DELETE", path, **options)


MakeSite = Callable[..., Awaitable[Site]]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short private directory: pytest's own are too long for a socket path."""
    made = Path(tempfile.mkdtemp(prefix="lc-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
async def make_site(folder: Path) -> AsyncIterator[MakeSite]:
    """Start gateways; all are stopped at the end, and their files must be gone."""
    sites: list[Site] = []

    async def make(limits: Limits | None = None, allowed: frozenset[int] | None = None) -> Site:
        node, clock, path = FakeNode(), HandClock(), folder / f"run{len(sites)}" / "admin.sock"
        gateway = AdminGateway(node.services(), clock, SystemEntropy(), limits=limits, allowed_uids=allowed)
        await gateway.start(path, lock_held=True)
        http = aiohttp.ClientSession(connector=aiohttp.UnixConnector(path=os.fspath(path)))
        sites.append(Site(node, gateway, clock, path, http))
        return sites[-1]

    yield make
    for site in sites:
        for answer in site.answers:
            answer.close()
        await site.http.close()
        await site.gateway.stop()


@pytest.fixture
async def site(make_site: MakeSite) -> Site:
    """One gateway with production limits."""
    return await make_site()


async def until(condition: Callable[[], bool], turns: int = 20_000) -> None:
    """Let the loop turn until ``condition`` holds."""
    for _ in range(turns):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came to hold")


@pytest.fixture
def live(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveGateway]:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LASTCALL_HOST", f"unix://{folder}/run/admin.sock")
    monkeypatch.setenv("LASTCALL_STATE_DIR", str(folder / "state"))
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setattr(logs, "RETRY_S", 0.01)
    monkeypatch.setattr(follow, "RETRY_S", 0.01)
    gateway = LiveGateway(folder / "run" / "admin.sock")
    gateway.start()
    yield gateway
    gateway.stop()


@pytest.fixture
def table(folder: Path) -> Path:
    path = folder / "customers.csv"
    path.write_bytes(CSV)
    return path
