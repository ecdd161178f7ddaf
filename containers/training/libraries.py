"""Libraries that only some models need: whether they are here, and what to say where not. Standard library only."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from typing import Any

from containers.training.refusal import Refused

PACKAGES = {"catboost": "catboost", "lightgbm": "lightgbm", "torch": "torch", "xgboost": "xgboost-cpu"}
"""Library → a package that brings it."""
INSTALL = "pip install 'lastcall[boosters]'"
GPU_LIBRARY = "torch"
"""The library that only the GPU image has."""
GPU_IMAGE = "use the GPU image, lastcall images build --gpu"


def is_missing(library: str | None) -> bool:
    """Return whether a model's library is needed and not installed here. Loads nothing."""
    return library is not None and importlib.util.find_spec(library) is None


def install(library: str) -> str:
    """Return how a library is had, in words."""
    return GPU_IMAGE if library == GPU_LIBRARY else INSTALL


def need(library: str) -> Any:
    """Return the library's module; raises E-LIBRARY where it is not installed or cannot be loaded."""
    if is_missing(library):
        raise Refused(
            "E-LIBRARY", f"The model needs {library}, which is not installed on this computer: {install(library)}"
        )
    try:
        return importlib.import_module(library)
    except (ImportError, OSError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        fix = "install libgomp1 with the system's packages" if "libgomp" in lines[0] else install(library)
        raise Refused("E-LIBRARY", f"{library} cannot be loaded here ({lines[0][:200]}): {fix}") from error


def version(library: str) -> str:
    """Return the version of an installed library."""
    return str(getattr(importlib.import_module(library), "__version__", "unknown"))
