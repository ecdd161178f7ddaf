"""What a RunPod pod starts with: wait for the volume, check the wrapper, become it; in doubt end the pod.

Carried in an environment variable and run with ``python -I -c`` (``providers/runpod/boot.py``): Python 3.9, standard
library only, nothing of ours but ``runpod.py``, whose text goes before this one's.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NoReturn

from containers.job.runpod import Pod, end_pod

WAIT_S = 120.0
LOOK_S = 1.0
BUNDLE_BYTES_MAX = 16 << 20


def leave(pod: Pod, why: str) -> NoReturn:
    """End the pod; where that does not kill this process, exit, and the next start ends it again."""
    os.write(2, ("lastcall boot: " + why + "; ending the pod\n").encode())
    end_pod(pod)
    os._exit(1)


def seconds(name: str, default: float) -> float:
    """Return a number from the environment, or the default for anything that is none."""
    try:
        return float(os.environ[name])
    except (KeyError, ValueError):
        return default


def watch(pod: Pod, hard: float) -> None:
    """End the pod at its hard deadline, whatever else hangs."""
    while time.time() < hard:  # false for what is no number, too
        time.sleep(min(LOOK_S, max(0.0, hard - time.time())))
    leave(pod, "the hard deadline has passed")


def fetch(found: list[bytes]) -> None:
    """Look for the wrapper until it is there and is the one that was meant."""
    path = Path(os.environ.get("LASTCALL_BUNDLE", ""), "wrapper.pyz")
    while not found:
        try:
            with open(path, "rb") as file:
                data = file.read(BUNDLE_BYTES_MAX)
            if hashlib.sha256(data).hexdigest() == os.environ.get("LASTCALL_WRAPPER_SHA256"):
                found.append(data)
                return
        except OSError:
            pass
        time.sleep(LOOK_S)


def put(data: bytes) -> str:
    """Write the wrapper to the machine's own disk, which is its directory from now on, and return where."""
    home = os.environ.get("HOME") or "/tmp"  # noqa: S108
    place = Path(os.environ.get("LASTCALL_MACHINE_DIR") or Path(home, ".lastcall-machine"))
    try:
        place.mkdir(0o700, parents=True, exist_ok=True)
    except OSError:
        place = Path(tempfile.mkdtemp())
    path = place / "wrapper.pyz"
    with open(path, "wb") as file:
        file.write(data)
    os.environ["LASTCALL_MACHINE_DIR"] = str(place)
    return str(path)


def become(path: str, key: str) -> NoReturn:
    """Become the wrapper. The key goes through a pipe: the environment of a process can be read by its children."""
    out, into = os.pipe()
    os.write(into, key.encode())
    os.close(into)
    os.set_inheritable(out, True)
    environ = {name: text for name, text in os.environ.items() if name not in ("RUNPOD_API_KEY", "LASTCALL_BOOT")}
    environ["LASTCALL_KEY_FD"] = str(out)
    os.execve(sys.executable, [sys.executable, "-I", "-S", path], environ)  # noqa: S606


def main() -> NoReturn:
    """Come up, or end the pod."""
    key = os.environ.get("RUNPOD_API_KEY", "")
    pod = Pod(os.environ, key)
    try:
        threading.Thread(target=watch, args=(pod, seconds("LASTCALL_HARD_DEADLINE", 0.0)), daemon=True).start()
        found: list[bytes] = []
        looking = threading.Thread(target=fetch, args=(found,), daemon=True)
        looking.start()
        looking.join(seconds("LASTCALL_FOLDER_WAIT_S", WAIT_S))
        if found:
            become(put(found[0]), key)
        leave(pod, "no wrapper that is the right one")
    except Exception as error:
        leave(pod, type(error).__name__)


if __name__ == "__main__":
    main()
