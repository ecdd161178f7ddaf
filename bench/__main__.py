"""Run the benches: ``python -m bench [NAME [ARGS…]]``. A bench is ``bench/<name>/bench.py`` and prints a report.

Every bench measures a baseline in the same run, so read its ratios, not its absolutes. ARGS replace the default ones.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent

ARGUMENTS = {
    "actors": (
        "--adapter=bench/actors/ours.py:Tell",
        "--adapter=bench/actors/ours.py:Send",
        "--arms=queue,deque_waiter,deque_bounded",
        "--loops=asyncio",
        "--rounds=3",
        "--no-micro",
    ),
    "s3": (
        "--arms=s5cmd,boto3-10,aio-8",
        f"--arm=ours={sys.executable} -m bench.s3.ours {{op}} {{path}}",
        "--repeats=3",
        "--size-mib=1024",
    ),
}
"""Arguments of a bench that is called without any."""


def names() -> list[str]:
    """Return every bench."""
    return sorted(path.parent.name for path in HERE.glob("*/bench.py"))


def main(arguments: Sequence[str]) -> int:
    """Run one bench with its arguments, or all of them; return the first exit status that is not zero."""
    if arguments and arguments[0] not in names():
        sys.stderr.write(f"bench: no bench {arguments[0]}; there are: {', '.join(names())}\n")
        return 2
    status = 0
    for name in arguments[:1] or names():
        given = arguments[1:] or ARGUMENTS.get(name, ())
        sys.stdout.write(f"== {name}\n")
        sys.stdout.flush()
        command = [sys.executable, "-m", f"bench.{name}.bench", *given]
        status = status or subprocess.run(command, cwd=HERE.parent, check=False).returncode
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
