"""The columns a model reads, as a file has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from containers.prediction.model import damaged
from containers.training import dates
from containers.training.frame import date_array, number_array, text_value, usable_features
from containers.training.refusal import Refused, listed, nearest, quoted
from containers.training.tally import Tally

FIXES = {"number": "write numbers there", "date": "write dates as 2026-11-26 there"}
"""Kinds of column that other cells do not fit, and what to do about it."""


TRUTHS = frozenset({"true", "false"})
"""What pandas writes as ``True``, Excel shows as ``TRUE``, and Arrow calls ``true``."""


class Feature(NamedTuple):
    """A column the model reads."""

    name: str
    kind: str
    decimal: str = "."
    way: str = ""
    """How dates are written, in a column of dates."""
    truths: Mapping[str, str] = {}
    """Of a column that says true or false: each as the model learnt it, by its small letters."""

    def text(self, cell: str) -> str:
        """Return the category of a cell; true and false are the same in a CSV, a workbook and a Parquet file."""
        text = text_value(cell)
        return self.truths.get(text.lower(), text) if self.truths else text


def match_features(schema: Mapping[str, Any], tallies: Sequence[Tally]) -> list[Feature]:
    """Return the model's columns as the file has them; raises E-CSV-SCHEMA naming what does not fit."""
    columns = {c.name: c for c in tallies}
    wanted = [(str(c["name"]), str(c["kind"])) for c in schema.get("columns", ())]
    truths = {str(c["name"]): _truths(c) for c in schema.get("columns", ())}
    if not wanted:
        raise damaged("The model's schema names no columns")
    missing = [name for name, _ in wanted if name not in columns]
    if missing:
        like = nearest(missing[0], [n for n in columns if n not in {w for w, _ in wanted}])
        fix = f"rename {quoted(like)} or add it" if like else "add what the model was trained on"
        noun = "column" if len(missing) == 1 else "columns"
        raise Refused("E-CSV-SCHEMA", f"The file lacks the {noun} {listed(missing)}: {fix}")
    features = []
    for name, kind in wanted:
        tally = columns[name]
        if kind in FIXES and tally.kind not in (kind, "empty"):
            example = tally.text_example or tally.example
            what = {"number": "numbers", "date": "dates"}.get(tally.kind, "text")
            raise Refused(
                "E-CSV-SCHEMA",
                f"Column {quoted(name)} holds {what} such as {quoted(example)} where the model learnt {kind}s: "
                f"{FIXES[kind]} or leave the cell empty",
            )
        features.append(
            Feature(name, kind, tally.decimal, tally.way if tally.kind == "date" else dates.ISO, truths[name])
        )
    return features


def _truths(column: Mapping[str, Any]) -> dict[str, str]:
    """Return how a column of the schema spells true and false, where it says nothing else and each in one way."""
    known = [str(text) for text in column.get("categories") or ()]
    spelt = {text.lower(): text for text in known}
    whole = len(known) == column.get("categories_total", len(known))
    return spelt if whole and len(spelt) == len(known) and spelt.keys() <= TRUTHS else {}


def file_decimals(tallies: Sequence[Tally]) -> str:
    """Return how numbers are written into the file's answer."""
    return "," if any(c.decimal == "," for c in tallies) else "."


def block_frame(
    cells_of: Sequence[Sequence[str]], features: Sequence[Feature], places: Mapping[str, int]
) -> pd.DataFrame:
    """Return the model's columns of the columns of cells of a block of rows."""
    columns: dict[str, Any] = {}
    for feature in features:
        cells = cells_of[places[feature.name]]
        if feature.kind == "number":
            columns[feature.name] = usable_features(_unchanged(number_array(cells, feature.decimal), feature.name))
        elif feature.kind == "date":
            columns[feature.name] = _unchanged(date_array(cells, feature.way), feature.name)
        else:
            meant = {cell: feature.text(cell) for cell in set(cells)}
            columns[feature.name] = texts(np.array([meant[cell] for cell in cells], dtype=object))
    return pd.DataFrame(columns)


def texts(values: Any) -> pd.Series:
    """Return an array of texts as a column of what they are: pandas would copy them, and encoders copy them back."""
    return pd.Series(values, dtype=object)


def _unchanged(values: Any, name: str) -> Any:
    if values is None:
        raise Refused("E-CSV-SCHEMA", f"Column {quoted(name)} changed while it was read: send it again")
    return values
