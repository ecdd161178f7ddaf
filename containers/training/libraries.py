"""Libraries that only some models need: whether they are here, and what to say where not. Standard library only."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from typing import Any

from containers.training.refusal import Refused

PACKAGES = {"catboost": "catboost", "lightgbm": "lightgbm", "xgboost": "xgboost-cpu"}
"""Library → a package that brings it."""
INSTALL = "pip install 'lastcall[boosters]'"


def is_missing(library: str | None) -> bool:
    """Return whether a model's library is needed and not installed here. Loads nothing."""
    return library is not None and importlib.util.find_spec(library) is None


def need(library: str) -> Any:
    """Return the library's module; raises E-LIBRARY where it is not installed or cannot be loaded."""
    if is_missing(library):
        raise Refused("E-LIBRARY", f"The model needs {library}, which is not installed on this computer: {INSTALL}")
    try:
        return importlib.import_module(library)
    except (ImportError, OSError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        fix = "install libgomp1 with the system's packages" if "libgomp" in lines[0] else INSTALL
        raise Refused("E-LIBRARY", f"{library} cannot be loaded here ({lines[0][:200]}): {fix}") from error


def version(library: str) -> str:
    """Return the version of an installed library."""
    return str(getattr(importlib.import_module(library), "__version__", "unknown"))
