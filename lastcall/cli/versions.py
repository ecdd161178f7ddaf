"""With which versions a model was made, and which are installed here today. Standard library only."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable, Mapping

PACKAGES = {"xgboost": ("xgboost-cpu", "xgboost")}
"""Where a library is not brought by the package of its name: those that bring it."""
PYTHON = "python"
SHOWN_MAX = 6


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


def others(made_with: Mapping[str, str], here: Callable[[str], str | None] = installed) -> str:
    """Return a sentence on the versions that are not those of here; nothing where all are."""
    found = [(name, then, here(name)) for name, then in sorted(made_with.items())]
    differ = [f"{name} {then}, here {now or 'none'}" for name, then, now in found if now != then]
    if not differ:
        return ""
    more = f"; and {len(differ) - SHOWN_MAX} more" if len(differ) > SHOWN_MAX else ""
    return f"It was made with other versions, so another result may come out: {'; '.join(differ[:SHOWN_MAX])}{more}."
