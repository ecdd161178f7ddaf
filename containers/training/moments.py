"""A column of times as numbers that can be put in order.

Numbers are taken as they are (years, Unix seconds). Text is read as ISO 8601, or as one of the ways people write dates
in which every cell makes sense; where day and month could change places without anybody noticing, it is refused.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pandas as pd

from containers.training.date_parts import NO_DATE, is_dates, to_seconds
from containers.training.frame import Dates, Floats, Texts
from containers.training.refusal import Refused, quoted

FORMATS = ("%d{0}%m{0}%Y", "%m{0}%d{0}%Y", "%d{0}%m{0}%y", "%m{0}%d{0}%y", "%Y{0}%m{0}%d")
SEPARATORS = ("/", ".", "-")
CLOCKS = ("", " %H:%M", " %H:%M:%S")


def moments(column: Floats | Dates | Texts, name: str) -> Floats:
    """Return a number for each row, larger where it is later; rows without a time are the earliest.

    Raises ``Refused`` E-SPLIT where the texts are no times, or can be read in two ways.
    """
    if isinstance(column, np.ndarray):
        if is_dates(column):
            since = to_seconds(column)
            return np.where(since == NO_DATE, -math.inf, since)
        return np.where(np.isfinite(column), column, -math.inf)
    texts = [str(text) for text in column.categories]
    known = [text for text in texts if text]
    values = dict(zip(known, _read(pd.Series(known, dtype=object), name), strict=True))
    by_code = np.array([values.get(text, -math.inf) for text in texts])
    return np.asarray(by_code[np.asarray(column.codes)], dtype=np.float64)


def _read(texts: pd.Series[Any], name: str) -> list[float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=True)
        if found.notna().all():
            return _seconds(found)
        readings = _readings(texts)
    if not readings:
        example = str(texts[found.isna()].iloc[0])
        raise Refused(
            "E-SPLIT",
            f"{quoted(name)} holds {quoted(example)}, which is no time that can be read: write times as 2026-11-26",
        )
    if len(readings) > 1:
        raise Refused(
            "E-SPLIT",
            f"The dates in {quoted(name)}, such as {quoted(str(texts.iloc[0]))}, can be read in two ways: write them "
            "as 2026-11-26",
        )
    return readings[0]


def _readings(texts: pd.Series[Any]) -> list[list[float]]:
    """Return every different reading in which all texts make sense."""
    found: list[list[float]] = []
    first = str(texts.iloc[0])
    for separator in (s for s in SEPARATORS if s in first):
        for way in FORMATS:
            for clock in CLOCKS:
                read = pd.to_datetime(texts, format=way.format(separator) + clock, errors="coerce", utc=True)
                if read.notna().all() and _seconds(read) not in found:
                    found.append(_seconds(read))
    return found


def _seconds(read: Any) -> list[float]:
    return [float(value) for value in (read - pd.Timestamp(0, tz="UTC")).dt.total_seconds()]
