"""Plots of every kind of model: which columns matter, and how one that is made of rounds learnt."""

from __future__ import annotations

import numpy as np

from containers.training.figures import number
from containers.training.report.drawing import BLUE, INK, ORANGE, bands, legend_below, sheet, spaced, told_apart
from containers.training.report.exhibit import Drawn, Exhibit
from containers.training.report.words import lost_words

BARS_MAX = 15


def importance(exhibit: Exhibit) -> Drawn | None:
    """Return how much worse the model gets when a column's values are dealt to other rows."""
    found = exhibit.metrics.get("importance")
    if not found or not found["columns"]:
        return None
    rows = found["columns"][:BARS_MAX]
    label = exhibit.metrics["headline"]["label"]
    harm = lost_words(found["metric"])
    title = f"What matters: {label} {harm}, {found['rows']:,} held-out rows"
    figure, axes = sheet(title, f"{label} {harm} by shuffling")
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
    names = told_apart([row["name"] for row in rows], [row["number"] for row in rows], "column")
    axes.set_yticks(places, names)
    axes.tick_params(axis="y", length=0, labelsize=10 if len(rows) <= 10 else 8.5)
    axes.set_ylim(*bands(len(rows)))
    axes.axvline(0, color=INK, linewidth=1)
    axes.grid(visible=False, axis="y")
    spaced(axes.xaxis)
    rest = f" The first {len(rows)} of {found['of']}." if found["of"] > len(rows) else ""
    caption = (
        "How much worse the model does on held-out rows when one column's values are shuffled among them. It can do "
        f"without a column at zero or left of it; columns that tell the same thing share their importance.{rest}"
    )
    return Drawn("importance", title, caption, figure)


def losses(exhibit: Exhibit) -> Drawn | None:
    """Return how the loss fell from round to round."""
    found = exhibit.metrics.get("learning")
    if not found:
        return None
    unit, rounds, held_out = found["unit"], found["rounds"], found["held_out"]
    judged = found.get("rows", {}).get("held_out", exhibit.rows)
    some = f"{judged:,} of the " if judged < exhibit.rows else ""
    title = f"Learning: {found['loss']} {number(held_out[-1])} on {some}held-out rows after {rounds[-1]:,} {unit}s"
    figure, axes = sheet(title, f"{unit}s", found["loss"])
    axes.plot(rounds, found["train"], color=BLUE, label="training rows")
    axes.plot(rounds, held_out, color=ORANGE, linestyle="--", label="held-out rows")
    least = int(np.argmin(held_out))
    axes.plot(rounds[least], held_out[least], "o", color=ORANGE, markeredgecolor=INK, markersize=7,
              label=f"lowest, after {rounds[least]:,}", clip_on=False, zorder=5)  # fmt: skip
    caption = (
        "Both lines should fall and level out. Where the dashed one rises again the model learns the training rows "
        f"by heart: fewer {unit}s, or smaller steps, do better. Nothing was chosen by the dashed line."
    )
    if some:
        caption += f" Asked were {judged:,} rows, evenly apart; scores elsewhere are of all {exhibit.rows:,}."
    legend_below(figure)
    spaced(axes.yaxis)
    return Drawn("loss", title, caption, figure)
