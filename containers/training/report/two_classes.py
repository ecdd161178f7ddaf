"""Plots of a model that tells two classes apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from containers.training.figures import number
from containers.training.report.drawing import BLUE, GREY, INK, ORANGE, legend_below, sheet, shown
from containers.training.report.exhibit import Drawn, Exhibit, few

BINS = 10
BARS = 20
"""Bars that show where the rows lie."""
BIN_ROWS_MIN = 10
"""Held-out rows per bin of the calibration plot, at least; few rows get fewer bins."""


def _sides(exhibit: Exhibit) -> tuple[Any, Any]:
    return exhibit.actual == exhibit.positive, exhibit.answers[:, exhibit.positive]


def _name(exhibit: Exhibit) -> str:
    return shown(exhibit.classes[exhibit.positive], exhibit.positive + 1, "class", 18)


def _thin(*curves: Any) -> list[Any]:
    kept = few(len(curves[0]))
    return [curve[kept] for curve in curves]


def _thresholds(exhibit: Exhibit) -> list[tuple[str, float]]:
    """Return the thresholds that are marked on curves."""
    marked = [("threshold 0.5", 0.5)]
    best = (exhibit.metrics.get("threshold") or {}).get("best_f1")
    if best:
        marked.append((f"best F1: {number(best['threshold'])}", float(best["threshold"])))
    return marked


def _mark(axes: Any, exhibit: Exhibit, chance: Any, place: Callable[[Any], tuple[Any, Any] | None]) -> None:
    """Mark the thresholds on a curve, each where ``place`` says by the rows at or above it (``None``: nowhere)."""
    for (label, threshold), marker in zip(_thresholds(exhibit), "os", strict=False):
        at = place(chance >= threshold)
        if at is not None:
            axes.plot(
                *at, marker, color=ORANGE, markeredgecolor=INK, markersize=8, label=label, clip_on=False, zorder=5
            )


def roc(exhibit: Exhibit) -> Drawn:
    """Return the ROC curve."""
    hit, chance = _sides(exhibit)
    false, true, _ = roc_curve(hit, chance)
    title = f"ROC curve: AUC {number(exhibit.held_out('roc_auc'))}, {exhibit.counted}"
    figure, axes = sheet(title, "false positive rate", "true positive rate")
    axes.plot(*_thin(false, true), color=BLUE, label=f"finds “{_name(exhibit)}”")
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1.5, label="guessing")
    _mark(axes, exhibit, chance, lambda above: (np.mean(above[~hit]), np.mean(above[hit])))
    _unit_square(axes)
    axes.legend(loc="lower right")
    caption = (
        "Each point is a threshold: how many of the wanted class are found against how many of the others are taken "
        "for it. The further above the dashed line, the better."
    )
    return Drawn("roc", title, caption, figure)


def precision_recall(exhibit: Exhibit) -> Drawn:
    """Return the precision-recall curve with the share of the wanted class, which guessing reaches."""
    hit, chance = _sides(exhibit)
    precision, recall, _ = precision_recall_curve(hit, chance)
    precision, recall = precision[:-1], recall[:-1]  # the last is no threshold, but (0, 1) by definition
    base = float(np.mean(hit))
    score = number(exhibit.held_out("average_precision"))
    title = f"Precision and recall: average {score}, {exhibit.counted}"
    figure, axes = sheet(title, "recall", "precision")
    axes.step(*_thin(recall, precision), where="post", color=BLUE, label=f"finds “{_name(exhibit)}”")
    axes.axhline(base, color=GREY, linestyle="--", linewidth=1.5, label=f"guessing: {base:.1%} of the rows")
    _mark(axes, exhibit, chance, lambda above: (np.mean(above[hit]), np.mean(hit[above])) if above.any() else None)
    _unit_square(axes)
    legend_below(figure, 2)
    caption = (
        "Of the rows called the wanted class, how many are (precision), against how many of all are found (recall). "
        "The dashed line is what guessing reaches."
    )
    return Drawn("precision_recall", title, caption, figure)


def calibration(exhibit: Exhibit) -> Drawn:
    """Return how often what was called likely came true, with 95 % intervals and how many rows say so."""
    hit, chance = _sides(exhibit)
    bins = int(np.clip(exhibit.rows // BIN_ROWS_MIN, 2, BINS))
    order = np.argsort(chance, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    said = np.array([chance[part].mean() for part in parts])
    came = np.array([hit[part].mean() for part in parts])
    low, high = wilson(came, np.array([len(part) for part in parts]))
    title = f"Calibration: Brier score {number(exhibit.held_out('brier'))}, {exhibit.counted}"
    figure, axes = sheet(title, "predicted probability", "share that came true")
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1.5, label="perfectly calibrated")
    away = np.vstack((np.maximum(0, came - low), np.maximum(0, high - came)))
    axes.errorbar(
        said, came, yerr=away, color=BLUE, marker="o", capsize=3, elinewidth=1, label="model (95 % interval)", zorder=3
    )
    end = _reach(float(max(said.max(), high.max())))
    shares, edges = np.histogram(chance, bins=BARS, range=(0, end))
    axes.bar(
        edges[:-1],
        0.15 * end * shares / max(1, shares.max()),
        width=end / BARS,
        align="edge",
        color=GREY,
        alpha=0.35,
        label="rows",
    )
    axes.set_xlim(-0.01 * end, 1.01 * end)
    axes.set_ylim(-0.01 * end, 1.02 * end)
    legend_below(figure)
    beyond = int(np.count_nonzero(chance > end))
    lie = "1 row lies" if beyond == 1 else f"{beyond:,} rows lie"
    far = f" The axes end at {end:.0%}: {lie} beyond." if beyond else ""
    caption = (
        "Of the rows given a probability of 30 %, about 30 % should be of the wanted class. Below the dashed line it "
        f"is so less often than said, above it more often. The grey bars show where the rows lie.{far}"
    )
    return Drawn("calibration", title, caption, figure)


def _reach(highest: float) -> float:
    """Return where the axes end: at 1, or earlier where nothing would be drawn in more than half of the picture."""
    return 1.0 if highest > 0.5 else max(0.02, float(np.ceil(highest * 55) / 50))


def wilson(share: Any, rows: Any) -> tuple[Any, Any]:
    """Return Wilson's 95 % interval of shares (E. B. Wilson, 1927)."""
    z = 1.96
    middle = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z * np.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows)) / (1 + z * z / rows)
    return middle - half, middle + half


def _unit_square(axes: Any) -> None:
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.02)
