"""What plots are made from: the held-out rows, what the model said of them, and the numbers that were found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

POINTS_MAX = 4000
"""Points drawn in one plot; more rows are drawn by a seeded choice of them."""


class Exhibit(NamedTuple):
    """One evaluated model."""

    actual: Any
    """Of the held-out rows: values, or indexes of classes."""
    answers: Any
    """Predicted values, or one probability per class and row."""
    classes: tuple[str, ...]
    """Names by index; empty where numbers are predicted."""
    positive: int
    """Index of the class that is looked for, of two."""
    target: str
    metrics: Mapping[str, Any]
    """The document that ``metrics.json`` holds."""

    @property
    def rows(self) -> int:
        """Held-out rows."""
        return len(self.actual)

    @property
    def counted(self) -> str:
        """Return how many rows the plot is of, as its title says it."""
        return f"{self.rows:,} held-out row{'' if self.rows == 1 else 's'}"

    def held_out(self, name: str) -> float:
        """Return one metric of the held-out rows."""
        return float(self.metrics["held_out"][name])


class Plot(NamedTuple):
    """One finished plot."""

    name: str
    """Of its file, without ``.png``."""
    title: str
    caption: str
    """How to read it, in a sentence; also read aloud in place of the picture."""
    data: bytes


class Drawn(NamedTuple):
    """A plot that is drawn and not yet on paper."""

    name: str
    title: str
    caption: str
    figure: Any


def few(rows: int) -> Any:
    """Return the indexes of at most ``POINTS_MAX`` of ``rows`` rows, always the same ones, in order."""
    if rows <= POINTS_MAX:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).choice(rows, POINTS_MAX, replace=False))
