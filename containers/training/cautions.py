"""What a person should know of a file before paying: what was guessed, left out, or looks like a mistake."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from containers.training import dates
from containers.training.families import CLASSIFICATION
from containers.training.profile import Survey
from containers.training.refusal import counted, listed, quoted
from containers.training.suspicion import tellers
from containers.training.tally import Tally
from containers.training.values import NUMBER_MAX, is_missing, numbers

CLASS_ROWS_SMALL = 10
"""Classes with fewer rows are warned of."""
PERSONAL_SHOWN = 3
"""Columns named that look personal."""
MANY_CATEGORIES = 50
"""Columns of text with more values are warned of."""
ROWS_PER_TELLING_VALUE = 5
"""Rows per feature value before "each value has one target" means more than chance."""
DIFFERENT_MIN = 10
"""Fewest values that say something by all being different."""
CELLS_LOOKED_AT = 200
"""Cells of a column of text that are looked at for what most of them are."""
MOSTLY = 0.5
"""Least share of numbers, amounts or dates among them to call the others strange."""

_UNITS = r"(?:%|[$€£¥₹]|R\$|US\$|USD|EUR|GBP|BRL)"
_GROUPED = r"\d{1,3}(?:(?P<between>[,.' \u00a0\u202f])\d{3})(?:(?P=between)\d{3})*"
_AMOUNT = re.compile(rf"[+-]?(?:{_UNITS}\s?)?[+-]?(?:{_GROUPED}|\d+)(?:[.,]\d+)?(?:\s?{_UNITS})?")
"""An amount as people write it, plain numbers among them: ``$1,000.50``, ``45 %``, ``1 000,5``."""


def labels(found: Survey, target: Tally) -> dict[float | str, int]:
    """Return rows per class, numbers by value (``1`` and ``1.0`` are one class); empty when there were too many."""
    if found.target is None or found.target.many:
        return {}
    rows: dict[float | str, int] = {}
    for cell, count in found.target.counts.items():
        parsed = numbers((cell,), target.decimal) if target.kind == "number" else None
        label = parsed[0] if parsed else cell
        rows[label] = rows.get(label, 0) + count
    return rows


def cautions(found: Survey, target: Tally, features: Sequence[str], task: str, *, is_split: bool) -> Iterator[str]:
    """Give what a person should know before paying, most important first, one sentence each.

    ``is_split`` tells that a column was named to hold rows out by.
    """
    yield from found.notes
    yield from _guessed_letters(found)
    if target.missing:
        yield f"{target.missing:,} of {found.rows:,} rows have no {quoted(target.name)} and are left out."
    for tally in found.columns:
        if tally.infinite and (tally is target or tally.name in set(features)):
            where = f"{counted(tally.infinite, 'cell')} of {quoted(tally.name)}"
            yield f"Infinity stands in {where}: no model can use it, it counts as missing."
    yield from _doubtful_numbers(found, {target.name, *features})
    yield from _doubtful_dates(found, set(features))
    yield from _leaks(found, target, set(features), task)
    if task == CLASSIFICATION:
        rows = labels(found, target)
        small = [str(label) for label, count in rows.items() if count < CLASS_ROWS_SMALL]
        if small:
            yield f"Few rows (under {CLASS_ROWS_SMALL}) have the class {listed(small, 3)}: their scores mean little."
        if target.kind == "number" and len(rows) > 2:
            yield (
                f"The {len(rows)} different numbers in {quoted(target.name)} are treated as classes; "
                "use task regression to predict an amount."
            )
    yield from _rows_cautions(found, is_split=is_split)
    for tally in found.columns:
        if tally.name in set(features):
            yield from _column_cautions(tally, stranger(found, tally))


def _rows_cautions(found: Survey, *, is_split: bool) -> Iterator[str]:
    if found.duplicates:
        among = "" if found.compared == found.rows else f" among the first {found.compared:,}"
        rows = "1 row is" if found.duplicates == 1 else f"{found.duplicates:,} rows are"
        yield f"{rows} equal to an earlier one in every cell{among}; such rows may be held out and learnt from at once."
    if found.time_column and not is_split:
        name = quoted(found.time_column)
        yield f"{name} says when each row was: to be judged on the latest rows, as the future will be, use --time."
    private = [f"{quoted(c.name)} ({c.personal})" for c in found.columns if c.personal]
    if private:
        yield f"Looks personal: {', '.join(private[:PERSONAL_SHOWN])}. Leave out what is not needed before it is sent."


def _doubtful_numbers(found: Survey, used: set[str]) -> Iterator[str]:
    doubtful = [tally for tally in found.columns if tally.doubtful and tally.name in used]
    if doubtful:
        example = doubtful[0].marked
        read = numbers((example,), doubtful[0].decimal) or [math.nan]
        yield (
            f"The numbers in {listed([tally.name for tally in doubtful], 3)} can be read in two ways and no other "
            f"column tells which: {quoted(example)} is read as {read[0]:g}. Write them without marks between thousands."
        )


def _doubtful_dates(found: Survey, used: set[str]) -> Iterator[str]:
    doubtful = [tally for tally in found.columns if tally.way_doubtful and tally.name in used]
    if doubtful:
        yield (
            f"The dates in {listed([tally.name for tally in doubtful], 3)} can be read in two ways and no other column "
            f"tells which: {quoted(doubtful[0].example)} is read with the day first. Write them as 2026-11-26."
        )


def _leaks(found: Survey, target: Tally, features: set[str], task: str) -> Iterator[str]:
    if found.target is None:
        return
    told = set(found.target.copies())
    for index in sorted(told):
        if found.columns[index].name in features:
            yield f"{quoted(found.columns[index].name)} is equal to the target in every row: leave it out."
    for index in found.target.tellers() if task == CLASSIFICATION else ():
        tally = found.columns[index]
        if tally.name in features and (tally.distinct or 0) * ROWS_PER_TELLING_VALUE <= target.values:
            told.add(index)
            yield (
                f"{quoted(tally.name)} alone tells the target in every row: "
                "leave it out if it is not known before the outcome."
            )
    for index, how in tellers(found.columns, found.sample, found.target.index, task == CLASSIFICATION):
        tally = found.columns[index]
        if tally.name in features and index not in told:
            yield (
                f"{quoted(tally.name)} alone nearly tells the target ({how} on {len(found.sample):,} rows): "
                "leave it out if it is not known before the outcome."
            )


def _column_cautions(tally: Tally, strange: str | None) -> Iterator[str]:
    name = quoted(tally.name)
    if tally.greatest > NUMBER_MAX:
        yield (
            f"{name} goes as far from 0 as {tally.greatest:g}: what is beyond {NUMBER_MAX:g} counts as that, and what "
            "no computer number can hold as missing."
        )
    unique = not tally.repeats and tally.values >= DIFFERENT_MIN
    if tally.distinct == 1:
        yield f"{name} is the same in every row that has it and may be left out."
    elif strange:
        yield f"{strange}, and is treated as categories: where that is wrong, correct or empty these cells."
    elif unique and tally.kind == "category":
        yield f"{name} differs in every row, like a name or an id: leave it out."
    elif unique and tally.serial:
        yield f"{name} counts the rows: leave it out."
    elif tally.text_example is not None and tally.kind == "category":
        yield f"{name} has text such as {quoted(tally.text_example)} among its numbers and is treated as categories."
    elif tally.kind == "category" and (tally.distinct is None or tally.distinct > MANY_CATEGORIES):
        yield f"{name} has many different texts; rare ones are put together."


def stranger(found: Survey, tally: Tally) -> str | None:
    """Return in what way a column of text is nearly one of numbers or dates, as the beginning of a sentence."""
    if tally.kind != "category":
        return None
    place = found.columns.index(tally)
    cells = [row[place].strip() for row in found.sample[:: max(1, len(found.sample) // CELLS_LOOKED_AT)]]
    known = [cell for cell in cells if not is_missing(cell)]
    name, enough = quoted(tally.name), MOSTLY * len(known)
    written = "." if found.dialect.delimiter == "," else ".,"
    others = [cell for cell in known if all(numbers((cell,), decimal) is None for decimal in written)]
    text = tally.text_example or next(iter(others), None)
    if text is not None and known and (tally.text_example or len(known) - len(others) >= enough):
        return f"{name} has text such as {quoted(text)} among its numbers"
    amounts = [cell for cell in others if _AMOUNT.fullmatch(cell)]
    if amounts and len(known) - len(others) + len(amounts) >= enough:
        return f"{name} has amounts such as {quoted(amounts[0])}, not plain numbers"
    for way in dates.WAYS:
        odd = [cell for cell in known if dates.seconds(cell, way) is None]
        if odd and len(known) - len(odd) >= max(1, enough):
            return f"{name} has text such as {quoted(odd[0])} among its dates"
    return None


def _guessed_letters(found: Survey) -> Iterator[str]:
    """Say of text in no encoding that proves itself how it is read, with an example to judge by."""
    if found.dialect.encoding != "cp1252":
        return
    names = [column.name for column in found.columns]
    example = next((cell for row in (names, *found.sample) for cell in row if not cell.isascii()), None)
    shown = f" ({quoted(example.strip())})" if example else ""
    yield f"The file is no UTF-8 and is read as Windows-1252{shown}: if letters look wrong, save it as CSV (UTF-8)."
