"""Which plots a model gets."""

from __future__ import annotations

from collections.abc import Callable

from containers.training.report import classes, signals, two_classes, values
from containers.training.report.drawing import png, workshop
from containers.training.report.exhibit import Drawn, Exhibit, Plot

PLOTS_MAX = 6
"""What fits into one album of a chat and still gets looked at."""
BYTES_MAX = 400_000
"""Largest plot; what a chat takes as a picture is 10 MB, a report with six of these is still a small page."""

_TWO = (two_classes.roc, two_classes.precision_recall, classes.confusion, two_classes.calibration)
_MANY = (classes.confusion, classes.per_class, classes.roc_each)
_VALUES = (values.predicted, values.residuals, values.errors)
_ALL = (signals.importance, signals.losses)


def album(exhibit: Exhibit, footer: str) -> list[Plot]:
    """Return the plots of one model, at most ``PLOTS_MAX``, each with ``footer`` in its corner."""
    with workshop():
        drawn = [made for draw in _chosen(exhibit) if (made := draw(exhibit)) is not None]
        return [Plot(one.name, one.title, one.caption, png(one.figure, footer)) for one in drawn[:PLOTS_MAX]]


def _chosen(exhibit: Exhibit) -> tuple[Callable[[Exhibit], Drawn | None], ...]:
    if not exhibit.classes:
        return (*_VALUES, *_ALL)
    return (*(_TWO if len(exhibit.classes) == 2 else _MANY), *_ALL)
