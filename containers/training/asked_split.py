"""Which column says how rows are held out, judged before any money is spent. Standard library only."""

from __future__ import annotations

from containers.training.asked_order import no_splitter
from containers.training.profile import Survey
from containers.training.refusal import Refused, quoted
from containers.training.tally import Tally

GROUPS_MIN = 5
"""Fewest groups that can be split."""


def check_split(found: Survey, target: str, group: str | None, time: str | None) -> str | None:
    """Return the column that rows are split by, or ``None`` for a split at random. Raises ``Refused`` E-SPLIT."""
    if group is not None and time is not None:
        raise Refused("E-SPLIT", "Rows are held out by group or by time: give one of the two")
    name = group if group is not None else time
    if name is None:
        return None
    tally = _find(found, name)
    if name == target:
        raise Refused("E-SPLIT", f"{quoted(name)} is the target: rows are not split by what is to be predicted")
    if tally.kind == "empty":
        raise Refused("E-SPLIT", f"Column {quoted(name)} has no value in any row: choose another")
    if time is not None and tally.way_doubtful:
        raise Refused(
            "E-SPLIT",
            f"The dates in {quoted(name)}, such as {quoted(tally.example)}, can be read in two ways: write them as "
            "2026-11-26",
        )
    least = GROUPS_MIN if group is not None else 2
    if tally.distinct is not None and tally.distinct < least:
        noun = "group" if group is not None else "time"
        raise Refused("E-SPLIT", f"{quoted(name)} has {tally.distinct} different {noun}s: at least {least} are needed")
    return name


def _find(found: Survey, name: str) -> Tally:
    for tally in found.columns:
        if tally.name == name:
            return tally
    raise no_splitter(name, [column.name for column in found.columns])
