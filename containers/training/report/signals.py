"""Plots that every kind of model has: which columns matter, and how a network learnt."""

from __future__ import annotations

import numpy as np

from containers.training.report.drawing import BLUE, INK, ORANGE, number, sheet, shown, spaced
from containers.training.report.exhibit import Drawn, Exhibit

BARS_MAX = 15


def importance(exhibit: Exhibit) -> Drawn | None:
    """Return how much worse the model gets when a column's values are dealt to other rows."""
    found = exhibit.metrics.get("importance")
    if not found or not found["columns"]:
        return None
    rows = found["columns"][:BARS_MAX]
    label = exhibit.metrics["headline"]["label"]
    title = f"What matters: {label} lost, {found['rows']:,} held-out rows"
    figure, axes = sheet(title, f"{label} lost when the column is shuffled")
    places = np.arange(len(rows))
    axes.barh(
        places,
        [row["mean"] for row in rows],
        xerr=[row["sd"] for row in rows],
        color=BLUE,
        alpha=0.85,
        height=0.65,
        error_kw={"ecolor": INK, "elinewidth": 1, "capsize": 2},
    )
    names = [shown(row["name"], row["number"]) for row in rows]
    axes.set_yticks(places, [f"{n} ({rows[i]['number']})" if names.count(n) > 1 else n for i, n in enumerate(names)])
    axes.tick_params(axis="y", length=0, labelsize=10 if len(rows) <= 10 else 9)
    axes.set_ylim(max(len(rows), 3) - 0.4, -0.6)
    axes.axvline(0, color=INK, linewidth=1)
    axes.grid(visible=False, axis="y")
    spaced(axes.xaxis)
    rest = f" The first {len(rows)} of {found['of']}." if found["of"] > len(rows) else ""
    caption = (
        "How much worse the model does on held-out rows when one column's values are shuffled among them. Columns that "
        f"tell the same thing share their importance.{rest}"
    )
    return Drawn("importance", title, caption, figure)


def losses(exhibit: Exhibit) -> Drawn | None:
    """Return the loss of a neural network after each epoch."""
    if not exhibit.losses:
        return None
    epochs = np.arange(1, len(exhibit.losses) + 1)
    trained = [pair[0] for pair in exhibit.losses]
    checked = [pair[1] for pair in exhibit.losses]
    title = f"Learning: loss {number(trained[-1])} after {len(trained):,} epochs"
    figure, axes = sheet(title, "epoch", "loss")
    axes.plot(epochs, trained, color=BLUE, label="training rows")
    if all(value is not None for value in checked):
        axes.plot(epochs, np.array(checked, dtype=float), color=ORANGE, linestyle="--", label="validation rows")
    axes.legend(loc="upper right")
    caption = "The loss should fall and level out. Where the dashed line rises again, the model learns by heart."
    return Drawn("loss", title, caption, figure)
