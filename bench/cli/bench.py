"""Start of the command line: wall time of whole processes against a bare interpreter and ``import click``.

    .venv/bin/python -m bench.cli.bench [--rounds 15] [--json FILE]

Every round runs each arm once, in an order that turns with the round, so that all see the same computer. ``ps`` talks
to a real gateway in a process of its own, with a node in memory behind it.

``pass``      ``python -c pass``: what no Python program can go below here.
``click``     ``python -c 'import click'``: what the command line is built on.
``help``      ``lastcall --help``; bar 150 ms.
``ps``        ``lastcall ps`` over the socket; bar 200 ms.
``ps --json`` the same, printed as it came.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BARS_MS = {"help": 150.0, "ps": 200.0}
SERVE = "--serve"


def arms(python: str) -> dict[str, list[str]]:
    """Return the command of each arm."""
    return {
        "pass": [python, "-c", "pass"],
        "click": [python, "-c", "import click"],
        "help": [python, "-m", "lastcall", "--help"],
        "ps": [python, "-m", "lastcall", "ps"],
        "ps --json": [python, "-m", "lastcall", "ps", "--json"],
    }


def serve(path: Path) -> None:
    """Serve the gateway until killed."""
    from actors.admin.gateway import AdminGateway
    from actors.runtime.clock import SystemClock, SystemEntropy
    from tests.integration.socket.node import FakeNode

    async def run() -> None:
        gateway = AdminGateway(FakeNode().services(), SystemClock(), SystemEntropy())
        await gateway.start(path, lock_held=True)
        print("ready", flush=True)
        await asyncio.Event().wait()

    asyncio.run(run())


def once(command: list[str], environment: dict[str, str]) -> float:
    """Return the wall milliseconds of one process."""
    began = time.perf_counter()
    subprocess.run(command, env=environment, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - began) * 1000


def measure(rounds: int) -> dict[str, list[float]]:
    """Return the milliseconds of every arm and round."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="lc-") as folder:
        path = Path(folder) / "run" / "s"
        environment = {**os.environ, "LASTCALL_HOST": f"unix://{path}"}
        command = [sys.executable, "-m", "bench.cli.bench", SERVE, str(path)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as daemon:
            try:
                if daemon.stdout is None or daemon.stdout.readline() != "ready\n":
                    raise RuntimeError("the gateway did not start")
                order = list(arms(sys.executable).items())
                for number in range(rounds + 1):
                    for name, arm in order:
                        took = once(arm, environment)
                        if number:
                            found.setdefault(name, []).append(took)
                    order.append(order.pop(0))
            finally:
                daemon.kill()
    return found


def main() -> int:
    """Measure, print the table, and fail where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    parser.add_argument(SERVE, type=Path)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return 0
    found = measure(options.rounds)
    base = statistics.median(found["pass"])
    print("| arm | median ms | lowest | highest | × bare interpreter |")
    print("|---|---|---|---|---|")
    for name, times in found.items():
        median = statistics.median(times)
        print(f"| {name} | {median:.0f} | {min(times):.0f} | {max(times):.0f} | {median / base:.1f} |")
    if options.json:
        about = {"python": platform.python_version(), "cpus": os.cpu_count(), "rounds": options.rounds, "ms": found}
        options.json.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    missed = [name for name, bar in BARS_MS.items() if statistics.median(found[name]) > bar]
    for name in missed:
        print(f"missed: {name} took more than {BARS_MS[name]:.0f} ms")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
