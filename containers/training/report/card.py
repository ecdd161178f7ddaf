"""``model_card.md``: what the model is for, what it was made of, how good it is, and what it must not be trusted with.

The sections are those of Hugging Face's model cards. What only people can know (whom it affects, whether the data may
be used) is asked for, not invented.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from containers.training.report.story import Grid, Story

_SPECIAL = re.compile(r"([\\`*_\[\]#|~])")


def md(text: str) -> str:
    """Return text as Markdown that shows it and nothing more: no markup, no HTML, no line end."""
    line = "".join(c if c.isprintable() else " " for c in text)
    plain = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", plain).replace("://", "&#58;//").replace("www.", "www&#46;")


def card(story: Story) -> str:
    """Return the model card."""
    parts = [
        "---\nlibrary_name: scikit-learn\ntags:\n- tabular\n- lastcall\n---",
        f"# {md(story.name)}",
        f"{md(story.kind)}, {md(str(story.metadata['task']))}, target {md(str(story.metadata['target_column']))}.",
        "## Intended use",
        f"Predicts “{md(str(story.metadata['target_column']))}” for rows like those it was trained on: the same "
        "columns, collected the same way. It was not made for decisions about people without a person in them, "
        "nor for rows from another time or place than the data below.",
        "## Data",
        *_pairs(story.data()),
        "## Metrics",
        f"**{md(story.headline)}**",
        *(md(text) for text in story.verdicts),
        *_grid(story.scores()),
        f"Guessing answers {md(str(story.metrics['guessing']))}. The interval is a 95 % bootstrap over held-out rows.",
        *_thresholds(story),
        *_grid(story.classes()),
        *_chosen(story),
        "### What matters",
        *_grid(story.signals()),
        "## Limits",
        *_list([*map(md, story.warnings()), *_LIMITS]),
        "## Ethical notes",
        "Not known to the program that wrote this card, and to be filled in by whoever uses the model: whom its "
        "answers affect, whether the data may be used for this, and whether it does worse for some groups of people "
        "than for others (the held-out predictions in `predictions_holdout.csv` allow to count that).",
        "## How to load",
        *_loading(story),
        "## How it was made",
        *_pairs([*story.made(), *((f"Parameter {key}", value) for key, value in story.parameters())]),
    ]
    return "\n\n".join(parts) + "\n"


_LIMITS = (
    "What it says of values outside the ranges in `schema.json` is a guess.",
    "Importance tells what the model uses, not what causes the target.",
)


def _loading(story: Story) -> list[str]:
    name = story.metadata.get("name")
    command = (
        f"lastcall predict {name} FILE"
        if name and re.fullmatch(r"[\w.-]+", str(name))
        else "lastcall predict MODEL FILE"
    )
    return [
        f"```\n{command}\n```",
        "`model.skops` holds a scikit-learn pipeline over the raw columns. Lastcall loads it by a fixed list of types "
        "for its kind and checks its digest first; `requirements.lock` has the versions it was made with. Never load a "
        "model file by pickle.",
    ]


def _thresholds(story: Story) -> list[str]:
    grid = story.thresholds()
    return ["### Threshold", *_grid(grid), md(story.threshold_note())] if grid else []


def _chosen(story: Story) -> list[str]:
    grid = story.candidates()
    return ["### How the model was chosen", *_grid(grid), md(story.candidates_note())] if grid else []


def _pairs(pairs: Sequence[tuple[str, str]]) -> list[str]:
    return ["\n".join(f"- {md(label)}: {md(text)}" for label, text in pairs)] if pairs else []


def _list(lines: Sequence[str]) -> list[str]:
    return ["\n".join(f"- {line}" for line in lines)] if lines else []


def _grid(grid: Grid | None) -> list[str]:
    if grid is None:
        return []
    head = " | ".join(map(md, grid.head))
    line = " | ".join("---" for _ in grid.head)
    rows = [f"| {' | '.join(map(md, row))} |" for row in grid.rows]
    return ["\n".join([f"| {head} |", f"| {line} |", *rows])]
