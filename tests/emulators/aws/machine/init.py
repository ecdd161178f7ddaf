"""The machine's first process: starts what a boot starts, then reaps whatever loses its parent until it is killed."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.emulators.aws.machine import power, units

PR_CAPBSET_DROP, CAP_SYS_BOOT, PR_SET_CHILD_SUBREAPER = 24, 22, 36


def say(line: str) -> None:
    """Print on the console."""
    print(line, flush=True)


def scripts(folder: Path) -> None:
    """Run all scripts of a folder, as cloud-init does."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if os.access(path, os.X_OK):
            try:
                code = subprocess.run([str(path)], cwd=units.DISK, stdin=subprocess.DEVNULL, check=False).returncode
            except OSError as error:
                say(f"cloud-init: {path.name}: {error.strerror}")
                continue
            if code:
                say(f"cloud-init: failed to run module scripts-user: {path.name} ended with {code}")


def main() -> None:
    """Boot."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT, 0, 0, 0)
    boot = int(sys.argv[1])
    power.cancel()
    cloud = units.DISK / "var/lib/cloud"
    say(f"boot {boot}")
    if os.fork() == 0:
        if boot > 1:
            units.boot()
        scripts(cloud / "scripts/per-boot")
        if boot == 1:
            scripts(cloud / "instance/scripts")
        say("cloud-init: finished")
        os._exit(0)
    while True:
        try:
            os.wait()
        except ChildProcessError:
            time.sleep(0.05)


if __name__ == "__main__":
    Path(power.HOST).mkdir(exist_ok=True)
    main()
