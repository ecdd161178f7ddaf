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
    task = "tabular-classification" if story.metadata.get("classes") else "tabular-regression"
    parts = [
        f"---\nlibrary_name: scikit-learn\npipeline_tag: {task}\ntags:\n- tabular\n- lastcall\n---",
        f"# {md(story.name)}",
        f"{md(story.answers)} A model of the kind {md(story.kind)}, trained by Lastcall{_when(story)}.",
        "## Intended use",
        "Rows like those it was trained on: the same columns, collected the same way. It was not made for decisions "
        "about people without a person in them, nor for rows from another time or place than the data below.",
        "## Data",
        *_pairs(story.data()),
        "### Columns it needs",
        *_grid(story.columns()),
        *_line(story.columns_note()),
        "## Metrics",
        f"**{md(story.headline)}**",
        *(md(text) for text in story.verdicts),
        *_grid(story.scores()),
        f"Guessing answers {md(str(story.metrics['guessing']))}. The interval is a 95 % bootstrap over held-out rows.",
        *_thresholds(story),
        *_headed("### By class", [*_grid(story.classes()), *_line(story.classes_note())]),
        *_chosen(story),
        *_headed("### What matters", _signals(story)),
        "## Limits",
        *_list([*map(md, story.warnings()), *_LIMITS]),
        "## Ethical notes",
        "Not known to the program that wrote this card, and to be filled in by whoever uses the model: whom its "
        "answers affect, whether the data may be used for this, and whether it does worse for some groups of people "
        "than for others (the held-out predictions in `predictions_holdout.csv` allow to count that).",
        "## How to predict",
        *_loading(story),
        "## How it was made",
        *_pairs([*story.made(), *((f"Parameter {key}", value) for key, value in story.parameters())]),
        "## Licences",
        "Of the model: none was given, whoever may decide over its data decides. Of the libraries that run it: "
        f"{md(story.licences())}.",
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
        "FILE is a table with the columns above, in any order; every row comes back with its prediction.",
        f"```\n{command}\n```",
        "`model.skops` holds a scikit-learn pipeline over the raw columns. Lastcall loads it by a fixed list of types "
        "for its kind and checks its digest first; `requirements.lock` has the versions it was made with. Never load a "
        "model file by pickle.",
    ]


def _when(story: Story) -> str:
    day = str((story.metadata.get("times") or {}).get("started_at") or "")[:10]
    return f" on {day}" if day else ""


def _signals(story: Story) -> list[str]:
    grid = story.signals()
    return [*_grid(grid), *_line(story.signals_note())] if grid else []


def _headed(heading: str, body: list[str]) -> list[str]:
    return [heading, *body] if body else []


def _line(text: str) -> list[str]:
    return [md(text)] if text else []


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
