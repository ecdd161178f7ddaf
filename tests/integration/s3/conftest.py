"""One SeaweedFS for all tests of a process, a bucket for each test."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator

import pytest

from providers.http import AiohttpTransport
from providers.runpod.storage import RunPodStorage
from providers.s3.client import S3Client
from tests.support.providers.clocks import RealClock
from tests.support.seaweed import Server, seaweed

_numbers = itertools.count()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with seaweed(tmp_path_factory.mktemp("seaweed") / "server") as running:
        yield running


@pytest.fixture
async def transport() -> AsyncIterator[AiohttpTransport]:
    async with AiohttpTransport("Lastcall tests") as opened:
        yield opened


@pytest.fixture
def bucket(server: Server) -> str:
    name = f"tests-{next(_numbers)}"
    server.make_bucket(name)
    return name


@pytest.fixture
def client(server: Server, bucket: str, transport: AiohttpTransport) -> S3Client:
    return S3Client(transport, RealClock(), server.settings(bucket))


@pytest.fixture
def storage(client: S3Client) -> RunPodStorage:
    return RunPodStorage(client, "/workspace")
