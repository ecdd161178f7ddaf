"""A program that appends until it is killed: ``python -m tests.support.journal_writer JOURNAL``.

For every line on its input it starts itself anew (by fork, so that nothing is imported twice), prints the process id,
then one line ``stream version`` for each append that was answered.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from actors.journal.interface import ANY
from actors.journal.sqlite import SqliteJournal
from tests.support.journal_kit import HandClock, Starts, note, started

WRITERS = 64


async def write(path: Path) -> None:
    journal = await SqliteJournal.open(path, clock=HandClock(), entropy=os.urandom, projections=[Starts()])

    async def writer(number: int) -> None:
        stream = f"job/{number}"
        while True:
            answer = await journal.append(stream, ANY, [note(1), started(2), note(3)], actor="a")
            os.write(1, f"{stream} {answer.version}\n".encode())

    await asyncio.gather(*(writer(number) for number in range(WRITERS)))


def main() -> None:
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            asyncio.run(write(Path(sys.argv[1])))
            os._exit(0)
        os.write(1, f"pid {child}\n".encode())
        os.waitpid(child, 0)
        os.write(1, b"dead\n")


if __name__ == "__main__":
    main()
