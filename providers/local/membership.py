"""Which processes make up a machine: those that carry its marker, descend from it, or were once seen as such.

Pure but for ``verify``. A process may belong to several machines (a daemon inside a machine rents more of them).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from providers.local.processes import Process, ProcessKey

Members = dict[str, set[ProcessKey]]


class Stray(NamedTuple):
    """Processes that carry a marker of which this directory knows nothing."""

    first_seen: datetime
    keys: set[ProcessKey]


def members(
    processes: Mapping[int, Process],
    known: Mapping[str, Iterable[ProcessKey]],
    verify: Callable[[ProcessKey], bool],
    own_pid: int,
) -> Members:
    """Return the living processes of every machine that has any.

    ``verify`` looks again whether a process still lives: a child is only taken for a parent that was alive after
    the child was seen, because the parent's pid could have been reused while the table was read. A child whose
    parent just ended is found in the next look, below the subreaper. ``own_pid`` is never a member.
    """
    seeds = _seeds(processes, known, own_pid)
    if not seeds:
        return {}
    children: dict[int, list[Process]] = defaultdict(list)
    for process in processes.values():
        if process.living and process.pid != own_pid:
            children[process.parent].append(process)
    return {name: _with_descendants(roots, children, verify) for name, roots in seeds.items()}


def _seeds(processes: Mapping[int, Process], known: Mapping[str, Iterable[ProcessKey]], own_pid: int) -> Members:
    seeds: Members = defaultdict(set)
    for process in processes.values():
        if process.marker is not None and process.living and process.pid != own_pid:
            seeds[process.marker].add(process.key)
    for name, keys in known.items():
        for key in keys:
            process_now = processes.get(key.pid)
            if process_now is not None and process_now.key == key and process_now.living and key.pid != own_pid:
                seeds[name].add(key)
    return dict(seeds)


def _with_descendants(
    roots: set[ProcessKey], children: Mapping[int, list[Process]], verify: Callable[[ProcessKey], bool]
) -> set[ProcessKey]:
    found = set(roots)
    waiting = list(roots)
    while waiting:
        parent = waiting.pop()
        new = [c for c in children.get(parent.pid, ()) if c.key not in found and c.start >= parent.start]
        if new and verify(parent):
            found.update(c.key for c in new)
            waiting.extend(c.key for c in new)
    return found
