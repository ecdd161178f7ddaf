"""Words for what a training's documents hold: kinds of model, ways of holding rows out, machines, columns."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from containers.training.cards import CARD
from containers.training.figures import number
from containers.training.scoring import ERRORS

TEXT_CHARS_MAX = 400
"""Longest text in a cell or a sentence of the pages; a name may be any length."""
VALUES_SHOWN_MAX = 4
"""Values of a text column that are named."""
LICENCES = {
    "scikit-learn": "BSD-3-Clause",
    "numpy": "BSD-3-Clause",
    "scipy": "BSD-3-Clause",
    "pandas": "BSD-3-Clause",
    "skops": "MIT",
    "xgboost": "Apache-2.0",
    "lightgbm": "MIT",
    "catboost": "Apache-2.0",
}
"""Licence of each library a model needs, as its package declares it."""


def cut(text: object) -> str:
    """Return a text of a bounded length."""
    whole = str(text)
    return whole if len(whole) <= TEXT_CHARS_MAX else f"{whole[: TEXT_CHARS_MAX - 1]}…"


def values_words(column: Mapping[str, Any]) -> str:
    """Return what a column held, in a few words."""
    if column["kind"] == "number":
        low, high, median = (_plain(column[key]) for key in ("low", "high", "median"))
        return low if low == high else f"{low} to {high}, median {median}"
    if column["kind"] == "date":
        return f"{column['low']} to {column['high']}"
    named = [cut(text)[:60] for text in column["categories"][:VALUES_SHOWN_MAX]]
    total = column["categories_total"]
    return f"{', '.join(named)}{f' and {total - len(named):,} more' if total > len(named) else ''}"


def _plain(value: float) -> str:
    """Return a value of the data: whole numbers without decimals."""
    text = number(value, 4)
    return text.rstrip("0").rstrip(".") if "." in text and "×" not in text else text


def lost_words(metric: str) -> str:
    """Return what becomes of a metric when a column is shuffled: errors grow, scores shrink."""
    return "added" if metric in ERRORS else "lost"


def split_words(metadata: Mapping[str, Any]) -> str:
    """Return how the held-out rows were chosen."""
    split = metadata["split"]
    share = f"{split['share']:.0%}"
    if split["method"] == "group":
        return f"{share} in whole groups of “{cut(split['column'])}”"
    if split["method"] == "time":
        return f"the last {share} by “{cut(split['column'])}”"
    return f"{share} at random{', classes by their shares' if metadata.get('classes') else ''}"


def machine_words(machine: Mapping[str, Any]) -> str:
    """Return what is known of the machine."""
    memory = machine.get("memory_bytes")
    parts = [
        machine.get("machine_type"),
        machine.get("place"),
        machine.get("provider"),
        "spot" if machine.get("spot") else None,
        f"{machine['cores']} cores" if machine.get("cores") else None,
        f"{memory / 1e9:.0f} GB memory" if memory else None,
        machine.get("processor"),
        machine.get("system"),
        "computed on a graphics card" if machine.get("computed_on") == CARD else None,
    ]
    return ", ".join(dict.fromkeys(str(part) for part in parts if part))


def price_words(machine: Mapping[str, Any]) -> str:
    """Return what the machine cost an hour, where whoever rented it told; the whole is known only after its end."""
    rate = machine.get("rate_usd_per_hour")
    return f"${Decimal(str(rate)).normalize():f} an hour, as long as it was there: lastcall cost" if rate else ""
