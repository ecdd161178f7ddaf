"""Looks at this computer's processes without any of our provider's code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path


def marked(name: str) -> set[int]:
    """Return living processes that carry the machine's marker."""
    found = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            if f"LASTCALL_MACHINE={name}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.add(int(entry.name))
        except OSError:
            continue
    return found


def ended(name: str) -> bool:
    """Kill what still carries the marker; return whether there was nothing."""
    found = marked(name)
    for pid in found:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return not found


def end_if_about(pid: int, words: str) -> None:
    """Kill a process if its command line still has these words in it."""
    with suppress(OSError):
        if words.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)


def running(pid: int) -> bool:
    """Return whether a process exists and is no zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


def start_time(pid: int) -> int:
    """Return the start time of a process, in ticks."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def sleeper(marker: str | None = None, children: int = 0) -> subprocess.Popen[bytes]:
    """Start a process of somebody else that does nothing, with children if asked; the caller ends it."""
    code = f"import os,time\nfor _ in range({children}):\n  if os.fork()==0: break\ntime.sleep(120)\n"
    environment = {} if marker is None else {"LASTCALL_MACHINE": marker}
    return subprocess.Popen([sys.executable, "-I", "-S", "-c", code], env=environment, start_new_session=True)
