"""How the programs say no: a registered code and one line with the fix in it."""

from __future__ import annotations

from collections.abc import Iterable

NAME_CHARS_SHOWN = 60
"""Longest piece of a user's own text that is repeated in a message."""
NAMES_COMPARED_MAX = 5000
"""Names looked at when the nearest one is searched."""
UNEXPECTED_CHARS_MAX = 300
"""Longest text of an error that nobody expected."""


class Refused(Exception):
    """The input cannot be worked with. ``code`` stands in ``messages.errors``; ``detail`` is one line for the user."""

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        self.detail = one_line(detail)
        super().__init__(f"{code}: {self.detail}")


def one_line(text: str) -> str:
    """Return ``text`` without control characters or line ends, so that it stays one line wherever it is shown."""
    return "".join(c if c.isprintable() else " " for c in text)


def unexpected(error: BaseException) -> str:
    """Return an error that nobody expected as one line: its kind and what it says."""
    return one_line(f"{type(error).__name__}: {error}")[:UNEXPECTED_CHARS_MAX]


def quoted(text: str) -> str:
    """Return a user's own text in quotes, cut to ``NAME_CHARS_SHOWN`` characters."""
    shown = text if len(text) <= NAME_CHARS_SHOWN else text[: NAME_CHARS_SHOWN - 1] + "…"
    return f"'{one_line(shown)}'"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most like ``name``, ignoring case, or ``None`` when nothing is alike."""
    import difflib

    names = {k.casefold(): k for k in list(known)[:NAMES_COMPARED_MAX]}
    found = difflib.get_close_matches(name.casefold()[:200], names, n=1, cutoff=0.5)
    return names[found[0]] if found else None


def counted(count: int, noun: str) -> str:
    """Return a number of things, ``1 cell`` or ``1,200 cells``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listed(names: Iterable[str], most: int = 8) -> str:
    """Return up to ``most`` names in quotes, with the number of those left out."""
    everything = list(names)
    shown = ", ".join(quoted(n) for n in everything[:most])
    return shown if len(everything) <= most else f"{shown} and {len(everything) - most} more"
