"""Our own storage code beside the other clients: ``python -m bench.s3.ours {op} {path}``.

OP: up (file -> bucket/big), down (bucket/big -> file), smallup (folder -> bucket/small/), smalldown (back). Settings
come in the environment (see ``bench.py``); the last line is ``{"inner_s": …}``, start-up and imports not counted.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from providers.http import AiohttpTransport
from providers.runpod.storage import RunPodStorage
from providers.s3.client import S3Client
from providers.s3.settings import S3Settings

MIB = 1 << 20
SMALL_AT_ONCE = 8


class Clock:
    """This computer's time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(MIB):
            yield chunk


async def up(storage: RunPodStorage, path: Path) -> None:
    await storage.put("big", chunks(path))


async def down(storage: RunPodStorage, path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        async for piece in storage.get("big"):
            file.write(piece)


async def smallup(storage: RunPodStorage, path: Path) -> None:
    await _each([partial(storage.put, f"small/{one.name}", chunks(one)) for one in sorted(path.iterdir())])


async def smalldown(storage: RunPodStorage, path: Path) -> None:
    async def fetch(key: str) -> None:
        data = b"".join([piece async for piece in storage.get(key)])
        (path / key.rpartition("/")[2]).write_bytes(data)

    keys = [info.key async for info in storage.list("small/")]
    await _each([partial(fetch, key) for key in keys])


async def _each(works: list[Callable[[], Awaitable[object]]]) -> None:
    todo = iter(works)

    async def worker() -> None:
        for work in todo:
            await work()

    await asyncio.gather(*(worker() for _ in range(SMALL_AT_ONCE)))


async def main(op: str, path: Path) -> None:
    environment = os.environ
    settings = S3Settings(
        endpoint=environment["B_ENDPOINT"],
        region=environment["B_REGION"],
        bucket=environment["B_BUCKET"],
        access_key=environment["B_KEY"],
        secret_key=environment["B_SECRET"],
    )
    async with AiohttpTransport("Lastcall-bench") as transport:
        storage = RunPodStorage(S3Client(transport, Clock(), settings), "/workspace")
        began, cpu = time.perf_counter(), time.process_time()
        await {"up": up, "down": down, "smallup": smallup, "smalldown": smalldown}[op](storage, path)
        print(json.dumps({"inner_s": time.perf_counter() - began, "inner_cpu_s": time.process_time() - cpu}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
