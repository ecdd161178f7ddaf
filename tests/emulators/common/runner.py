"""What runs in the machines of an emulator gives this."""

from __future__ import annotations

from typing import NamedTuple


class Printed(NamedTuple):
    """One line that a machine printed."""

    at: float | None
    """When, where the runner knows it."""
    line: str
