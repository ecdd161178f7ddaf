"""What is wrong with a configuration, one line for each problem. Standard library only."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from messages.errors import Refusal


class ConfigError(Refusal):
    """The configuration cannot be used (``E-CONFIG``, exit 78). ``lines`` names place and setting of each problem."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("E-CONFIG", "\n".join(self.lines))

    def __str__(self) -> str:
        return self.detail


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Return ``; did you mean X?`` for the nearest known word, or nothing when none is near."""
    near = get_close_matches(word, known, n=1, cutoff=0.75)
    return f"; did you mean {near[0]}?" if near else ""
