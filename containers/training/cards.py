"""Graphics cards: whether there is one that a library computes on, and what to say where there is but none is used.

XGBoost computes on one in the GPU image, whose wheel has CUDA; the one that other machines install has not
(``build_info``). LightGBM's wheels know OpenCL only, which slim images lack, and CatBoost takes no callbacks on a card
(its own refusal), so that its fit could not be told of, kept or stopped: both stay on the processor (ADR 0021).
"""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple

PROCESSOR = "processor"
CARD = "graphics card"
DRIVER = "libcuda.so.1"
"""What NVIDIA's driver brings, and lends to containers (CUDA driver API)."""
DONE = 0
"""CUDA_SUCCESS."""


class Place(NamedTuple):
    """Where a library computes."""

    name: str
    """``PROCESSOR`` or ``CARD``."""
    why: str = ""
    """What is to be said of it, where something is."""


def count() -> int:
    """Return how many cards the driver shows to this program; 0 where there is no driver."""
    found = ctypes.c_int(0)
    try:
        driver = ctypes.CDLL(DRIVER)
        if driver.cuInit(0) != DONE or driver.cuDeviceGetCount(ctypes.byref(found)) != DONE:
            return 0
    except (OSError, AttributeError):
        return 0
    return found.value


def place(library: str, module: Any) -> Place:
    """Return where ``library``, loaded as ``module``, computes on this machine."""
    if not count():
        return Place(PROCESSOR)
    if library != "xgboost":
        return Place(PROCESSOR, f"the graphics card stays idle: {library} computes on the processor")
    if not module.build_info().get("USE_CUDA"):
        return Place(PROCESSOR, "the graphics card stays idle: this build of xgboost has no CUDA, the GPU image's has")
    return Place(CARD, "xgboost computes on the graphics card")
