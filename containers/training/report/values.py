"""Plots of a model that predicts numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from containers.training.figures import number
from containers.training.report.drawing import BLUE, INK, ORANGE, RED, legend_below, sheet, shown, spaced
from containers.training.report.exhibit import Drawn, Exhibit, few

HEXAGONS_FROM = 1500
"""Rows from which density is drawn in place of points."""
PARTS = 12
"""Pieces of the running median, at most."""
PART_ROWS_MIN = 25
"""Rows per piece: the median of fewer says more of chance than of the model."""
TAIL_PERCENT = 0.5
"""Errors beyond this percentile on either side are put into the outermost bars, where one would flatten all others."""
SPREAD = 6.0
"""How many times wider than 99 % of it the whole range must be for that."""


def predicted(exhibit: Exhibit) -> Drawn:
    """Return predicted against actual values."""
    low = float(min(exhibit.actual.min(), exhibit.answers.min()))
    high = float(max(exhibit.actual.max(), exhibit.answers.max()))
    margin = 0.03 * (high - low) or 1.0
    ends = (low - margin, high + margin)
    target = shown(exhibit.target, 1, "target")
    title = f"Predicted and actual: R² {number(exhibit.held_out('r2'))}, {exhibit.counted}"
    figure, axes = sheet(title, f"actual {target}", f"predicted {target}")
    _cloud(figure, axes, exhibit.actual, exhibit.answers)
    axes.plot(ends, ends, color=INK, linestyle="--", linewidth=1.5, label="exactly right")
    axes.set_xlim(ends)
    axes.set_ylim(ends)
    legend_below(figure)
    spaced(axes.xaxis)
    spaced(axes.yaxis)
    caption = "Each point is a held-out row. The closer to the dashed line, the better the prediction."
    return Drawn("predicted_actual", title, caption, figure)


def residuals(exhibit: Exhibit) -> Drawn:
    """Return errors against predicted values, with their running median."""
    error = exhibit.answers - exhibit.actual
    target = shown(exhibit.target, 1, "target")
    title = f"Errors by prediction: RMSE {number(exhibit.held_out('rmse'))}, {exhibit.counted}"
    figure, axes = sheet(title, f"predicted {target}", "predicted − actual")
    _cloud(figure, axes, exhibit.answers, error)
    axes.axhline(0, color=INK, linestyle="--", linewidth=1.5)
    order = np.argsort(exhibit.answers, kind="stable")
    parts = min(PARTS, exhibit.rows // PART_ROWS_MIN)
    if parts > 1:
        pieces = np.array_split(order, parts)
        middles = [(np.median(exhibit.answers[p]), np.median(error[p])) for p in pieces]
        axes.plot(*zip(*middles, strict=True), color=ORANGE, marker="o", markersize=5, label="running median")
        legend_below(figure)
    spaced(axes.xaxis)
    spaced(axes.yaxis)
    caption = (
        "Errors should lie evenly around the dashed line. A bend, or a funnel, is something about the data that the "
        "model has not learnt."
    )
    return Drawn("residuals", title, caption, figure)


def errors(exhibit: Exhibit) -> Drawn:
    """Return how errors are spread."""
    error = exhibit.answers - exhibit.actual
    title = f"Errors: half are smaller than {number(exhibit.held_out('median_ae'))}, {exhibit.counted}"
    figure, axes = sheet(title, f"predicted − actual {shown(exhibit.target, 1, 'target')}", "rows")
    low, high = np.percentile(error, (TAIL_PERCENT, 100 - TAIL_PERCENT))
    cut = error.max() - error.min() > SPREAD * (high - low) > 0
    if not cut:
        low, high = float(error.min()), float(error.max())
    bins = int(np.clip(np.sqrt(exhibit.rows) * 1.5, 8, 60))
    axes.hist(np.clip(error, low, high), bins=bins, range=(low, high) if high > low else None, color=BLUE, alpha=0.85)
    axes.axvline(0, color=INK, linestyle="--", linewidth=1.5, label="exactly right")
    mean = float(error.mean())
    axes.axvline(mean, color=RED, linewidth=1.5, label=f"mean {number(mean)}")
    legend_below(figure)
    axes.grid(visible=False, axis="x")
    spaced(axes.xaxis)
    spaced(axes.yaxis, whole=True)
    far = " Errors beyond the ends stand in the outermost bars." if cut else ""
    caption = f"How far off predictions are, and to which side. A mean far from zero is a bias.{far}"
    return Drawn("errors", title, caption, figure)


def _cloud(figure: Any, axes: Any, x: Any, y: Any) -> None:
    if len(x) >= HEXAGONS_FROM:
        found = axes.hexbin(x, y, gridsize=45, mincnt=1, bins="log", cmap="Blues", linewidths=0.1, zorder=2)
        bar = figure.colorbar(found, ax=axes, fraction=0.04, pad=0.02, label="rows")
        bar.outline.set_visible(False)
    else:
        kept = few(len(x))
        axes.scatter(x[kept], y[kept], s=18, color=BLUE, alpha=0.55, edgecolors="none", zorder=2)
