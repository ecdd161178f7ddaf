"""Words and numbers as people read them. Pure functions; money stays a decimal string's exact value."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from containers.training import figures
from containers.training.figures import LABELS

MINUTE_S = 60
HOUR_S = 3600
DAY_S = 86_400
ELLIPSIS = "…"
LEFT_SHOWN_S = 5.0
"""Shorter waits are not announced."""

# C0 and C1 controls, DEL, line and paragraph separators, and marks that reorder what stands beside them.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u061c\u2028-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """Return ``text`` with everything that could steer a terminal written out, as in ``\\x1b``."""
    return _CONTROL.sub(_written_out, text)


def quoted(text: str) -> str:
    """Return ``text`` as one word of a command line that is there to be copied into a shell."""
    return clean(shlex.quote(text))


def _written_out(found: re.Match[str]) -> str:
    char = ord(found.group())
    return f"\\x{char:02x}" if char < 0x100 else f"\\u{char:04x}"


def width(text: str) -> int:
    """Return how many columns ``text`` takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def cut(text: str, columns: int) -> str:
    """Return ``text`` in at most ``columns`` columns; a cut shows as an ellipsis."""
    if width(text) <= columns:
        return text
    kept = ""
    for char in text:
        if width(kept + char) > columns - 1:
            break
        kept += char
    return kept + ELLIPSIS if columns > 0 else ""


def wrap(text: str, columns: int, indent: str = "") -> list[str]:
    """Return ``text`` as lines of at most ``columns``; later lines begin with ``indent``."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        tried = f"{line} {word}" if line else word
        if line.strip() and width(tried) > columns:
            lines.append(line)
            tried = indent + word
        line = tried
    return [*lines, line]


def money(value: str | None) -> str:
    """Return ``$0.043``: three decimals under a dollar, two from there on; a small cost is never shown as zero."""
    if value is None:
        return "-"
    amount = Decimal(value)
    if amount == 0:
        return "$0.00"
    if 0 < amount < Decimal("0.001"):
        return "<$0.001"
    places = Decimal("0.01") if abs(amount) >= 1 else Decimal("0.001")
    return f"${amount.quantize(places, rounding=ROUND_HALF_UP)}"


def limit(value: str) -> str:
    """Return a limit or a price as its owner would write it: ``$10``, ``$0.27``."""
    amount = Decimal(value)
    if amount == amount.to_integral_value():
        return f"${amount.quantize(Decimal(1))}"
    return f"${amount.quantize(Decimal('0.01'))}" if amount == amount.quantize(Decimal("0.01")) else money(value)


def span(seconds: float | None) -> str:
    """Return ``9 min 40 s``, ``2 h``, ``3 d 4 h``."""
    if seconds is None:
        return "-"
    whole = max(0, round(seconds))
    for unit, name, small, small_name in (
        (DAY_S, "d", HOUR_S, "h"),
        (HOUR_S, "h", MINUTE_S, "min"),
        (MINUTE_S, "min", 1, "s"),
    ):
        if whole >= unit:
            rest = whole % unit // small
            return f"{whole // unit} {name}" + (f" {rest} {small_name}" if rest else "")
    return f"{whole} s"


def left(seconds: float | None) -> str:
    """Return ``about 4 min left``; nothing where it is not known or soon over."""
    if seconds is None or seconds < LEFT_SHOWN_S:
        return ""
    if seconds < 2 * MINUTE_S:
        return f"about {seconds:.0f} s left"
    return (
        f"about {seconds / MINUTE_S:.0f} min left" if seconds < 2 * HOUR_S else f"about {seconds / HOUR_S:.1f} h left"
    )


def metric(values: Mapping[str, float] | None) -> str:
    """Return how good a training is so far, ``ROC AUC 0.912``; what is no metric of ours has the work's own name."""
    told = list((values or {}).items())[:2]
    return " · ".join(
        f"{called(name)} {score(name, value) if name in LABELS else f'{value:.4g}'}" for name, value in told
    )


def called(name: str) -> str:
    """Return what a metric is called in one column of a table; of one that is not ours, its name in words."""
    return LABELS.get(name, name.replace("_", " ")).partition(",")[0]


def score(name: str, value: Any) -> str:
    """Return the value of a metric as report and log write it; of one that is not ours, as a number."""
    known = name in LABELS and isinstance(value, int | float) and not isinstance(value, bool)
    return figures.score(name, value) if known else number(value)


def size(count: int | None) -> str:
    """Return ``977 kB``, ``1.5 GB``."""
    if count is None:
        return "-"
    value, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"


def use(row: dict[str, Any]) -> str:
    """Return what a machine uses, ``512 MB of 8.6 GB memory · GPU 87 %``; nothing of what it does not say."""
    parts = []
    if row.get("rss_bytes") is not None:
        most = row.get("memory_limit_bytes")
        parts.append(f"{size(row['rss_bytes'])}{f' of {size(most)}' if most else ''} memory")
    if row.get("gpu_use_percent") is not None:
        parts.append(f"GPU {row['gpu_use_percent']:.0f} %")
    return " · ".join(parts)


def count(number: int) -> str:
    """Return ``7,043``, as reports have it."""
    return f"{number:,}"


def plural(number: int, one: str, many: str = "") -> str:
    """Return ``1 machine``, ``2 machines``."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def instant(value: str) -> datetime:
    """Return the time an RFC 3339 text names."""
    return datetime.fromisoformat(value)


def clock(value: str) -> str:
    """Return a moment as the wall clock here shows it, ``14:16:07``."""
    return instant(value).astimezone().strftime("%H:%M:%S")


def day_clock(value: str) -> str:
    """Return a moment with its day, ``2026-11-23 14:16``."""
    return instant(value).astimezone().strftime("%Y-%m-%d %H:%M")


def between(begin: str | None, end: str | None) -> float | None:
    """Return the seconds from one moment to another, or ``None`` when one is not known."""
    if begin is None or end is None:
        return None
    return (instant(end) - instant(begin)).total_seconds()


_RUNTIME = re.compile(r"(?:(\d+)d)?\s*(?:(\d+)h)?\s*(?:(\d+)m(?:in)?)?\s*(?:(\d+)s?)?")


def parse_span(text: str) -> int:
    """Return seconds from ``90``, ``90s``, ``15m``, ``2h``, ``1h30m``, ``1d``. Raises ValueError."""
    found = _RUNTIME.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        raise ValueError(f"{text!r} is not a time: write 90s, 15m, 2h or 1h30m")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return days * DAY_S + hours * HOUR_S + minutes * MINUTE_S + seconds


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    columns: int | None,
    *,
    right: Sequence[str] = (),
    soft: Sequence[str] = (),
) -> list[str]:
    """Return a table as lines. ``right`` names the columns set to the right; ``columns`` bounds the width.

    On a narrow terminal the ``soft`` columns are cut, and then left out, the first named first. All others stand whole:
    names, ids and money are there to be copied and compared.
    """
    cells = [[clean(cell) for cell in row] for row in rows]
    widths = {name: max(width(text) for text in column) for name, *column in zip(head, head, *cells, strict=True)}
    _fit(widths, columns, soft)
    lines = []
    for row in [list(head), *cells]:
        parts = []
        for name, text in zip(head, row, strict=True):
            if name not in widths:
                continue
            shown = cut(text, widths[name])
            space = " " * (widths[name] - width(shown))
            parts.append(space + shown if name in right else shown + space)
        lines.append((" " * _GAP).join(parts).rstrip())
    return lines


def with_places(
    head: Sequence[str], rows: Sequence[Sequence[str]], things: Sequence[Mapping[str, Any]]
) -> tuple[list[str], list[list[str]]]:
    """Return a table's head and rows with a column for where each thing is, when not all are with one provider."""
    places = [str(thing.get("provider") or "-") for thing in things]
    if len(set(places)) < 2:
        return list(head), [list(row) for row in rows]
    return [*head, "WHERE"], [[*row, place] for row, place in zip(rows, places, strict=True)]


_GAP = 2
_SOFT_LEAST = 8


def _fit(widths: dict[str, int], columns: int | None, soft: Sequence[str]) -> None:
    """Make ``widths`` fit: cut the widest soft column as long as one is worth cutting, then drop them in order."""
    waiting = list(soft)
    while columns is not None and sum(widths.values()) + _GAP * (len(widths) - 1) > columns and waiting:
        widest = max(waiting, key=lambda name: widths[name])
        if widths[widest] > _SOFT_LEAST:
            widths[widest] -= 1
        else:
            del widths[waiting.pop(0)]


RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: Any) -> str:
    """Return a metric as people compare it: three decimals, what fits a large one, a power of ten far off 1."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return clean(str(value))
    if isinstance(value, int):
        return count(value)
    if value and not 5e-4 <= abs(value) < 1e9:
        first, _, raised = f"{value:.2e}".partition("e")
        return f"{first} × 10{str(int(raised)).translate(RAISED)}"
    return f"{value:.3f}" if abs(value) < 1000 else f"{value:,.1f}"
