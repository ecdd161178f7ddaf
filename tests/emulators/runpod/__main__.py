"""``python -m tests.emulators.runpod --root DIR``: serve until SIGTERM; one JSON line with the URLs when ready."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.emulators.runpod.platform import Part, Platform
from tests.emulators.runpod.processes import VOLUMES, ProcessRunner
from tests.emulators.runpod.runner import NoProgram, PodRunner
from tests.emulators.runpod.s3 import S3Key, S3Keys, VolumeS3
from tests.emulators.runpod.server import Ports, Server
from tests.emulators.runpod.settings import from_json
from tests.emulators.runpod.volume import DirectoryFiles, Files
from tests.emulators.runpod.wheels import Wheels


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what was asked for on the command line."""
    parser = argparse.ArgumentParser(prog="tests.emulators.runpod", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder for pods and volumes; all that is written")
    parser.add_argument("--port", type=int, default=0, help="REST, GraphQL, package index, control; 0: any")
    parser.add_argument("--serverless-port", type=int, default=0)
    parser.add_argument("--s3-port", type=int, default=0)
    parser.add_argument("--faults", default="{}", help="JSON, as POST /_control takes it under 'faults'")
    parser.add_argument("--settings", default="{}", help="JSON of Settings, or @FILE")
    parser.add_argument("--program", choices=("process", "none"), default="process", help="what pods run")
    parser.add_argument("--wheels", type=Path, help="folder of wheels served under /simple/")
    parser.add_argument("--seed", type=int, help="of all ids; default: new ones every time")
    return parser.parse_args(arguments)


def build(chosen: argparse.Namespace) -> Platform:
    """Return the platform the options describe. Raises ValueError."""
    text = chosen.settings
    document: Any = json.loads(Path(text[1:]).read_text("utf-8") if text.startswith("@") else text)
    settings = from_json(document)
    root: Path = chosen.root.resolve()
    root.mkdir(parents=True, exist_ok=True)
    runner: PodRunner = ProcessRunner(root) if chosen.program == "process" else NoProgram()
    now = time.time()

    def files_of(volume_id: str) -> Files:
        folder = root / VOLUMES / volume_id
        folder.mkdir(parents=True, exist_ok=True)
        return DirectoryFiles(folder)

    def s3(platform: Platform) -> Part:
        keys = S3Keys(
            [
                S3Key(access, secret, account)
                for account, one in settings.accounts.items()
                for access, secret in one.s3_keys.items()
            ]
        )
        return VolumeS3(platform.volumes, keys)

    seed = int.from_bytes(os.urandom(8), "big") if chosen.seed is None else chosen.seed
    platform = Platform(settings, runner, random.Random(seed), now=now, files_of=files_of, s3=s3)
    platform.faults.arm_json(json.loads(chosen.faults), now)
    return platform


async def serve(chosen: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    server = Server(build(chosen), Wheels(chosen.wheels) if chosen.wheels else None)
    try:
        urls = await server.open(Ports(chosen.port, chosen.serverless_port, chosen.s3_port))
        print(json.dumps({**urls, "pid": os.getpid()}), flush=True)
        await ended.wait()
    finally:
        await server.close()


def load() -> None:
    """Load what a program loads later: nothing."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve as the command line asks."""
    asyncio.run(serve(options(arguments)))


if __name__ == "__main__":
    main()
