"""The training program: ``python -m containers.training work.json out``, run in the job's scratch directory.

Exit 0: the bundle is in ``out``. Exit 3: a known error, told in ``out/error.json`` (code and one line). Exit 1: a
fault, told by its trace. Exit 143: SIGTERM ended it; a fit in rounds has left a checkpoint, in any other case it ends
at once. What is in ``out`` then is no result.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from containers.training.checkpoints import Interrupted
from containers.training.progress import Progress
from containers.training.refusal import Refused

EXIT_KNOWN = 3
EXIT_INTERRUPTED = 128 + signal.SIGTERM
EXIT_USAGE = 2
ERROR_FILE = "error.json"
ENVIRONMENT_MARK, SUSPECT = "environment.json", "suspect"
"""Of a prepared environment (``containers.job.prepare``): that it is one; that the next job is to try it first."""


def run(work_file: Path, out: Path) -> int:
    """Train as ``work_file`` says; returns the exit code."""
    out.mkdir(parents=True, exist_ok=True)
    try:
        progress = Progress.from_environment()
        progress.stage("load", "starting")
        try:
            from containers.training.training import read_order, train  # loads the libraries, which takes seconds
        except ImportError as error:
            return _cannot_import(out, error)
        gc.freeze()  # to look for garbage among what the libraries made takes longer than to read a small file

        train(read_order(json.loads(work_file.read_text(encoding="utf-8"))), out, progress)
    except Interrupted:
        return EXIT_INTERRUPTED
    except Refused as refusal:
        return _known(out, refusal.code, refusal.detail)
    except MemoryError:
        return _known(out, "E-OOM", "The training ran out of memory: choose a bigger machine or fewer rows")
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        return _known(out, "E-DISK", "The disk is full: choose a machine with more disk or a smaller file")
    return 0


def _cannot_import(out: Path, error: ImportError) -> int:
    prefix = Path(sys.prefix)
    if (prefix / ENVIRONMENT_MARK).is_file():
        with contextlib.suppress(OSError):
            (prefix / SUSPECT).touch()
    return _known(
        out, "E-PREPARE", f"The training's libraries cannot be imported: {' '.join(str(error).split())[:200]}"
    )


def _known(out: Path, code: str, detail: str) -> int:
    sys.stderr.write(f"{code}: {detail}\n")
    temporary = out / f".{ERROR_FILE}.new"
    temporary.write_text(json.dumps({"code": code, "detail": detail}), encoding="utf-8")
    temporary.replace(out / ERROR_FILE)
    return EXIT_KNOWN


def main(arguments: list[str]) -> int:
    """Run the program; returns the exit code."""
    if len(arguments) != 2:
        print("usage: python -m containers.training WORK.json OUT", file=sys.stderr)
        return EXIT_USAGE
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a parent that ignores it must not make us deaf
    return run(Path(arguments[0]), Path(arguments[1]))


def leave(status: int) -> NoReturn:
    """End the process without taking the libraries apart, which takes longer than many a fit; all files are closed."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
