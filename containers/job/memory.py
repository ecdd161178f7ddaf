"""How much memory the work uses, how much it may use, and whether the kernel took some of it down."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
SHARED_CHECK_SHARE = 0.85
"""From this share of the limit on, pages shared between forked processes are no longer counted twice."""

_CGROUPS = "sys/fs/cgroup"


def limit_bytes(told: int, root: Path = Path("/")) -> int:
    """Return the limit that counts: what the daemon told, else the smallest of cgroup limits and RAM."""
    if told > 0:
        return told
    return min([_ram_bytes(root), *cgroup_limits(root)])


def cgroup_limits(root: Path = Path("/")) -> list[int]:
    """Return every memory limit of our cgroup and those above it, version 2 and 1; without "none"."""
    limits = []
    for folder, limit_file, _ in _folders(root):
        text = _text(folder / limit_file).strip()
        if text.isdecimal() and int(text) < _ram_bytes(root):
            limits.append(int(text))
    return limits


def oom_kills(root: Path = Path("/")) -> int:
    """Return how many processes the kernel has killed for memory: in our cgroup, or on the whole host without one.

    Files: cgroup v2 ``memory.events``, v1 ``memory.oom_control``, ``/proc/vmstat`` (Linux admin guide).
    """
    counts = [
        count
        for folder, _, events_file in _folders(root)
        if (count := _field(folder / events_file, "oom_kill")) is not None
    ]
    if counts and cgroup_limits(root):
        return max(counts)
    return _field(root / "proc/vmstat", "oom_kill") or 0


def used_bytes(pids: Iterable[int], limit: int, root: Path = Path("/")) -> int:
    """Return the memory of some processes: the sum of RSS, near the limit the sum of proportional shares."""
    pids = list(pids)
    rss = sum(_rss(root, pid) for pid in pids)
    if len(pids) < 2 or rss < limit * SHARED_CHECK_SHARE:
        return rss
    return sum(_proportional(root, pid) for pid in pids)


def _rss(root: Path, pid: int) -> int:
    fields = _text(root / f"proc/{pid}/statm").split()
    return int(fields[1]) * PAGE_BYTES if len(fields) > 1 else 0


def _proportional(root: Path, pid: int) -> int:
    kilobytes = _field(root / f"proc/{pid}/smaps_rollup", "Pss:")
    return _rss(root, pid) if kilobytes is None else kilobytes * 1024


def _ram_bytes(root: Path) -> int:
    kilobytes = _field(root / "proc/meminfo", "MemTotal:")
    return kilobytes * 1024 if kilobytes else os.sysconf("SC_PHYS_PAGES") * PAGE_BYTES


def _folders(root: Path) -> list[tuple[Path, str, str]]:
    found = []
    for line in _text(root / "proc/self/cgroup").splitlines():
        hierarchy, controllers, path = line.split(":", 2)
        if hierarchy == "0":
            found += [(folder, "memory.max", "memory.events") for folder in _upward(root / _CGROUPS, path)]
        elif "memory" in controllers.split(","):
            base = root / _CGROUPS / "memory"
            found += [(folder, "memory.limit_in_bytes", "memory.oom_control") for folder in _upward(base, path)]
    return found


def _upward(base: Path, path: str) -> list[Path]:
    folder = base / path.lstrip("/")
    above = [folder, *folder.parents]
    return above[: above.index(base) + 1]


def _field(path: Path, name: str) -> int | None:
    for line in _text(path).splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == name and words[1].isdecimal():
            return int(words[1])
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace")
    except OSError:
        return ""
