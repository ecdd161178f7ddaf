"""What a model was made with: the packages that were there, the code, the machine, the times, the split.

Only what this program sees or was told; what it cost is known when the machine has ended, and stands with the job.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import os
import platform
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from pkgutil import get_data, iter_modules
from typing import Any

import numpy as np
import pandas as pd
import scipy
import skops
from sklearn import __version__ as sklearn_version

import containers.prediction
import containers.training
from containers.prediction.model import digest
from containers.training import libraries

REQUIREMENTS_FILE = "requirements.lock"
TOLD_OF_MACHINE = ("provider", "machine_type", "place", "spot", "rate_usd_per_hour", "max_cost_usd")
"""What whoever rented the machine may have told of it, in ``work.json``."""


def versions(library: str | None = None) -> dict[str, str]:
    """Return the versions that decide what a model file means; ``library`` is what it needs beside scikit-learn."""
    more = {library: libraries.version(library)} if library else {}
    return {
        **more,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "pandas": pd.__version__,
        "scikit-learn": sklearn_version,
        "skops": skops.__version__,
    }


@cache
def requirements() -> str:
    """Return every package of this environment with its version, as pip would install them."""
    found = {}
    for package in importlib.metadata.distributions():
        about = package.read_text("METADATA") or package.read_text("PKG-INFO") or ""
        name, version = (re.search(rf"^{field}:[ \t]*(\S+)", about, re.MULTILINE) for field in ("Name", "Version"))
        if name and version:  # the first of each: what is told at length comes after
            found[re.sub(r"[-_.]+", "-", name[1]).lower()] = version[1]
    lines = [f"{name}=={version}" for name, version in sorted(found.items())]
    return "\n".join([f"# python {platform.python_version()}", *lines]) + "\n"


@cache
def code_digest() -> str:
    """Return one SHA-256 over the sources of the training and prediction programs."""
    found = hashlib.sha256()
    for package in (containers.prediction, containers.training):
        for name, data in _sources(package):
            found.update(f"{name} {len(data)}\n".encode() + data)
    return found.hexdigest()


def _sources(package: Any) -> list[tuple[str, bytes]]:
    """Return a package's modules with their sources, from a folder or a zip archive."""
    found = []
    for module in sorted(iter_modules(package.__path__, f"{package.__name__}."), key=lambda m: m.name):
        if module.ispkg:
            found += _sources(importlib.import_module(module.name))
            continue
        found.append((module.name, get_data(package.__name__, f"{module.name.rsplit('.', 1)[-1]}.py") or b""))
    return found


def machine(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known of the machine: what was told, and what the program sees of it."""
    return {
        **{key: told[key] for key in TOLD_OF_MACHINE if told.get(key) is not None},
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": _memory(),
    }


def _processor() -> str | None:
    """Return the processor's name where the system tells it (Linux, proc(5))."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip()[:100] if found else None


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return None


def now() -> str:
    """Return the time in UTC, to the second, as documents write it."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def times(started_at: str) -> dict[str, Any]:
    """Return when the program started and finished, and the seconds in between."""
    ended_at = now()
    span = datetime.fromisoformat(ended_at) - datetime.fromisoformat(started_at)
    return {"started_at": started_at, "ended_at": ended_at, "seconds": span.total_seconds()}


def files(out: Path) -> dict[str, dict[str, Any]]:
    """Return size and SHA-256 of every file in ``out``, by name."""
    found = sorted(path for path in out.rglob("*") if path.is_file())
    return {
        path.relative_to(out).as_posix(): {"size_bytes": path.stat().st_size, "sha256": digest(path)} for path in found
    }
