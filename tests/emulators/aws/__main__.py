"""``python -m tests.emulators.aws --root DIR``: serve until SIGTERM; one JSON line with the URLs when ready."""

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
from typing import TYPE_CHECKING, Any

from tests.emulators.aws.core import Ec2Core
from tests.emulators.aws.processes import ProcessRunner
from tests.emulators.aws.runner import InstanceRunner, NoProgram
from tests.emulators.aws.server import Server
from tests.emulators.aws.settings import from_json

if TYPE_CHECKING:
    from tests.emulators.aws.moto_side import MotoSide


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what was asked for on the command line."""
    parser = argparse.ArgumentParser(prog="tests.emulators.aws", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of the instances; all that is written")
    parser.add_argument("--port", type=int, default=0, help="every service, metadata, control; 0: any")
    parser.add_argument("--faults", default="{}", help="JSON, as POST /_control takes it under 'faults'")
    parser.add_argument("--settings", default="{}", help="JSON of Settings, or @FILE")
    parser.add_argument("--program", choices=("process", "none"), default="process", help="what instances run")
    parser.add_argument("--no-moto", action="store_true", help="EC2, STS identity, public parameters, prices only")
    parser.add_argument("--environment", default="{}", help="JSON: more variables that instances see")
    parser.add_argument("--seed", type=int, help="of all ids; default: new ones every time")
    return parser.parse_args(arguments)


def build(chosen: argparse.Namespace) -> tuple[Ec2Core, MotoSide | None]:
    """Return what the options describe. Raises ValueError."""
    text = chosen.settings
    document: Any = json.loads(Path(text[1:]).read_text("utf-8") if text.startswith("@") else text)
    settings = from_json(document)
    root: Path = chosen.root.resolve()
    root.mkdir(parents=True, exist_ok=True)
    runner: InstanceRunner = NoProgram()
    if chosen.program == "process":
        environment = json.loads(chosen.environment)
        runner = ProcessRunner(root, settings.containers, settings.minute_s, environment)
    now = time.time()
    seed = int.from_bytes(os.urandom(8), "big") if chosen.seed is None else chosen.seed
    core = Ec2Core(settings, runner, random.Random(seed), now=now)
    core.faults.arm_json(json.loads(chosen.faults), now)
    if chosen.no_moto:
        return core, None
    from tests.emulators.aws.moto_side import MotoSide  # half a second that not every test needs

    return core, MotoSide(settings)


async def serve(chosen: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    server = Server(*build(chosen))
    try:
        urls = await server.open(chosen.port)
        print(json.dumps({**urls, "pid": os.getpid()}), flush=True)
        await ended.wait()
    finally:
        await server.close()


def load() -> None:
    """Load what a program loads later: a process that is copied does it once for all copies."""
    from tests.emulators.aws.moto_side import load as load_moto

    load_moto()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve as the command line asks."""
    asyncio.run(serve(options(arguments)))


if __name__ == "__main__":
    main()
