"""Fields that the settings and the answers of more than one cloud have."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import StringConstraints

HOURS_PER_MONTH: Final = 730
"""What clouds divide monthly prices by."""
TEXT_CHARS_MAX: Final = 500

Url = Annotated[
    str, StringConstraints(pattern=r"^https?://[^/?#\s]+(/[A-Za-z0-9._/-]*[A-Za-z0-9._-])?$", max_length=300)
]


def text(value: object) -> str | None:
    """Return a string that is not empty, bounded and free of what no journal takes; else ``None``."""
    if not isinstance(value, str) or not value:
        return None
    return value[:TEXT_CHARS_MAX].encode("utf-8", "replace").decode()
