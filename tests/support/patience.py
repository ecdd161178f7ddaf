"""Waiting for what happens outside a test: for the thing itself, with a patience that no busy computer uses up."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

PATIENCE_S: Final = 90.0
"""Only what never happens takes so long; below ``faulthandler_timeout``, so that a test says what it waited for."""
STEP_S: Final = 0.02
"""Between two looks (real seconds)."""


def wait_until(
    look: Callable[[], T],
    what: str | Callable[[], str] = "it",
    *,
    step_s: float = STEP_S,
    patience_s: float = PATIENCE_S,
) -> T:
    """Return the first true value of ``look``. Raises AssertionError with ``what`` was waited for."""
    gives_up = time.monotonic() + patience_s
    while not (found := look()):
        if time.monotonic() > gives_up:
            raise AssertionError(f"never: {what() if callable(what) else what}")
        time.sleep(step_s)
    return found
