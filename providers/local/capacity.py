"""What this computer has: processors this process may use, memory the control group or the board allows."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Version 2 and version 1 of the kernel's control groups, as seen from inside a container."""

_GB = 1_000_000_000


def usable_cpus() -> float:
    """Return how many processors this process may run on."""
    return float(len(os.sched_getaffinity(0)))


def usable_memory_gb(meminfo: Path = Path("/proc/meminfo"), limits: tuple[Path, ...] = _CGROUP_LIMITS) -> float | None:
    """Return the smaller of installed memory and the control group's limit, in 10^9 bytes, or ``None``."""
    known = [value for value in (_installed(meminfo), *map(_limit, limits)) if value]
    return round(min(known) / _GB, 1) if known else None


def _installed(meminfo: Path) -> int | None:
    try:
        for line in meminfo.read_text("ascii").splitlines():
            if line.startswith("MemTotal:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        return None
    return None


def _limit(path: Path) -> int | None:
    try:
        text = path.read_text("ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None
