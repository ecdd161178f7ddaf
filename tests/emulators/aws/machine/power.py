"""``shutdown``, ``poweroff``, ``reboot``, ``halt``, ``telinit``: what becomes of the machine's power, and when."""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import datetime
from pathlib import Path

MINUTE_S = float(os.environ.get("EC2_MINUTE_S", "60"))
HOST = Path(os.environ["EC2_HOST"])
FILE = HOST / "power"


def set_power(what: str, at: float) -> None:
    """Say what happens to the power at a time; the host looks at this file and acts."""
    fresh = HOST / f"power.{os.getpid()}"
    fresh.write_text(json.dumps({"what": what, "at": at}), "utf-8")
    fresh.rename(FILE)


def cancel() -> None:
    """Take a planned shutdown back."""
    FILE.unlink(missing_ok=True)


def moment(text: str) -> float:
    """Return when ``now``, ``+N``, ``N`` or ``hh:mm`` is. Raises ValueError."""
    if text == "now":
        return time.time()
    if ":" in text:
        hour, minute = (int(part) for part in text.split(":"))
        today = datetime.now().astimezone().replace(hour=hour, minute=minute, second=0, microsecond=0)
        return today.timestamp() + (86_400 if today.timestamp() <= time.time() else 0)
    return time.time() + int(text.lstrip("+")) * MINUTE_S


def shutdown(arguments: list[str]) -> int:
    """Plan, or cancel, a shutdown."""
    what, when = "poweroff", None
    for one in arguments:
        if one in ("-c", "--cancel"):
            cancel()
            return 0
        if one in ("-r", "--reboot"):
            what = "reboot"
        elif one in ("-H", "--halt"):
            what = "halt"
        elif one in ("-h", "-P", "--poweroff", "-k", "--no-wall"):
            continue
        elif one.startswith("-"):
            print(f"shutdown: unrecognized option '{one}'", file=sys.stderr)
            return 1
        elif when is None:
            when = one
    try:
        at = moment(when or "+1")
    except ValueError:
        print(f"Failed to parse time specification: {when}", file=sys.stderr)
        return 1
    set_power(what, at)
    print(f"Shutdown scheduled for {time.ctime(at)}, use 'shutdown -c' to cancel.", file=sys.stderr)
    return 0


def run(name: str, arguments: list[str]) -> int:
    """Act as one of the commands."""
    if name == "shutdown":
        return shutdown(arguments)
    if name in ("telinit", "init"):
        what = {"0": "poweroff", "6": "reboot"}.get(arguments[0] if arguments else "")
        if what is None:
            return 1
        set_power(what, time.time())
        return 0
    if name == "halt" and ("-p" in arguments or "--poweroff" in arguments):
        name = "poweroff"
    set_power(name, time.time())
    return 0


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[0]).name, sys.argv[1:]))
