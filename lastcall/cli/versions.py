"""With which versions a model was made, and which one made today gets. Standard library only."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable, Collection, Mapping
from functools import cache

PACKAGES = {"xgboost": ("xgboost-cpu", "xgboost")}
"""Where a library is not brought by the package of its name: those that bring it."""
PYTHON = "python"
SHOWN_MAX = 6
Versions = Callable[[str], Collection[str] | None]
"""Gives the versions of a library that a training may get, none where it gets none; ``None`` where nobody knows yet."""


def installed(name: str) -> str | None:
    """Return the version of a library here; ``None`` where there is none."""
    if name == PYTHON:
        return platform.python_version()
    for package in PACKAGES.get(name, (name,)):
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def here(name: str) -> Collection[str]:
    """Return the version that a training on this computer gets."""
    found = installed(name)
    return () if found is None else (found,)


def on_rented(name: str) -> Collection[str] | None:
    """Return the locked versions, several where that depends on the machine's Python, which only the machine knows."""
    if name == PYTHON:
        return None
    packages = PACKAGES.get(name, (name,))
    return list(dict.fromkeys(version for package, version in _locked() if package in packages))


@cache
def _locked() -> list[tuple[str, str]]:
    """Return every package that is locked, with its version."""
    from containers.bundle import locked
    from containers.job.prepare import read_requirements
    from lastcall.images import REQUIREMENTS

    return [(line.name, line.version) for file in REQUIREMENTS for line in read_requirements(locked(file).decode())]


def others(made_with: Mapping[str, str], now: Versions = here) -> str:
    """Return a sentence on the versions that a training gets which are not those of then; nothing where all are."""
    found = [(name, then, now(name)) for name, then in sorted(made_with.items())]
    differ = [
        f"{name} {then}, now {' or '.join(versions) or 'none'}"
        for name, then, versions in found
        if versions is not None and then not in versions
    ]
    if not differ:
        return ""
    differ += [f"{name} {then}, now the machine's own" for name, then, versions in found if versions is None]
    more = f"; and {len(differ) - SHOWN_MAX} more" if len(differ) > SHOWN_MAX else ""
    return f"It was made with other versions, so another result may come out: {'; '.join(differ[:SHOWN_MAX])}{more}."
