"""Lines that begin with a mark: what was looked at, what was found, and below it what to do."""

from __future__ import annotations

from lastcall.cli.text import clean, wrap

NAME_COLUMNS = 14
WIDE = 60
"""From this width on, details stand in a column of their own."""


def marked(mark: str, name: str, detail: str, advice: str, columns: int) -> list[str]:
    """Return one thing as lines of at most ``columns``."""
    indent = " " * (NAME_COLUMNS + 2) if columns >= WIDE else "    "
    lines = wrap(f"{mark} {name:<{NAME_COLUMNS - 1}} {clean(detail)}", columns, indent)
    if advice:
        lines += [indent + line for line in wrap(f"→ {clean(advice)}", columns - len(indent), "  ")]
    return [line.rstrip() for line in lines]
