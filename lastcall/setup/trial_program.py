"""What the pod of the trial runs, in place of the wrapper: tries the volume, exits once, and ends its own pod.

It comes as a zip archive with ``containers/job/runpod.py`` beside it, so that what is tried are the very calls that
jobs end with. First start: create a file exclusively, link one, tell, exit; the platform then starts the container
again (fact sheet 2.1), and its uptime falls. Second start: the file is found, tell, end the pod. Python 3.9, standard
library only, nothing of ours but that file.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from containers.job.runpod import Pod, end_pod

ONCE = "once"
LINKED = "linked"
FIRST = "first.json"
SECOND = "second.json"
CALLS = "calls.json"
UPTIME_S = 20.0
"""The first start lasts so long, so that its uptime is seen before it falls."""
SEEN_S = 10.0
"""The second start waits so long before it ends the pod, so that the new start is seen."""
CALLS_MAX = 30
KEY_BYTES_MAX = 4096


def create_exclusively(path: Path) -> bool:
    """Create a file that must not exist yet; False when it does."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return False
    return True


def put(path: Path, document: Mapping[str, object]) -> None:
    """Write a document whole, under its name or not at all."""
    part = path.with_name(path.name + ".tmp")
    part.write_text(json.dumps(document))
    part.replace(path)


def link_holds(folder: Path) -> bool:
    """Link a file into place, and see that a second link to the same name is refused."""
    source, target = folder / (LINKED + ".tmp"), folder / LINKED
    source.write_text("linked")
    try:
        os.link(source, target)
        try:
            os.link(source, target)
        except FileExistsError:
            return target.read_text() == "linked"
        return False
    except OSError:
        return False
    finally:
        source.unlink()


def read_key(environ: Mapping[str, str]) -> str:
    """Return the pod's key from the pipe that the boot program left, as the wrapper gets it."""
    with os.fdopen(int(environ.get("LASTCALL_KEY_FD", "")), "rb") as pipe:
        return pipe.read(KEY_BYTES_MAX).decode()


def main(environ: Mapping[str, str]) -> int:
    """Do what this start has to do; returns where the end of the pod did not kill this process."""
    folder = Path(environ["LASTCALL_JOB_FOLDER"])
    folder.mkdir(parents=True, exist_ok=True)
    if create_exclusively(folder / ONCE):
        put(folder / FIRST, {"exclusive": not create_exclusively(folder / ONCE), "link": link_holds(folder)})
        time.sleep(UPTIME_S)
        return 0
    calls: list[dict[str, object]] = []

    def told(route: str, status: int | None, _: str, accepted: bool) -> None:
        calls.append({"route": route, "status": status, "accepted": accepted})
        put(folder / CALLS, {"calls": calls[-CALLS_MAX:]})

    put(folder / SECOND, {"ending_in_s": SEEN_S})
    time.sleep(SEEN_S)
    end_pod(Pod(environ, read_key(environ)), told)
    return 1


if __name__ == "__main__":
    sys.exit(main(os.environ))
