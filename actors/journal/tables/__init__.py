"""The read models of the node, one module each.."""

from __future__ import annotations

from actors.journal.readmodels import Projection
from actors.journal.tables.alarms import Alarms
from actors.journal.tables.audit import Audit
from actors.journal.tables.commands import Commands
from actors.journal.tables.datasets import Datasets
from actors.journal.tables.models import Models
from actors.journal.tables.predictions import Predictions


def standard() -> tuple[Projection, ...]:
    """Return the read models that are made from events of storage, commands and the node."""
    return (Datasets(), Models(), Predictions(), Commands(), Audit(), Alarms())
