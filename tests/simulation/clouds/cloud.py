"""One cloud that seeds can be run on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.simulation.clouds.house import CloudHouse
from tests.simulation.clouds.script import Script, Stage


@dataclass(frozen=True)
class Cloud:
    """What the kit must know of a cloud."""

    name: str
    stage: Stage
    house: type[CloudHouse]
    page_items: str
    """The provider's constant with the size of a list's page."""
    kit: Callable[[Script], Mapping[str, Any]]
    """Script → what the house is made with beside it."""
    populate: Callable[[Any, int], None]
    """House and number: put so many of somebody else's machines into the account."""
    bill_s: float
    """After so long the provider's bill is whole, also for machines too short-lived for a line of their own."""
    log_bytes_max: int
    """What one look at a console may give (fault 33)."""
