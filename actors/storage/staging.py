"""Names of what is being streamed: the only objects that are deleted for their age alone. Pure."""

from __future__ import annotations

from typing import Final

from actors.storage.access import INCOMING, Area, Granted, Layout, decide_access
from actors.storage.bundle import METADATA_FILE, METRICS_FILE, MODEL_FILE, SCHEMA_FILE
from messages.ids import DatasetId, Id, ModelId, PredictionId, UserId

IMPORTED_FILES: Final = (MODEL_FILE, METADATA_FILE, SCHEMA_FILE, METRICS_FILE, "requirements.lock")
"""What is made of an older model, each beside its package, named as there (``containers.importing.making.FILES``)."""
_STAGED: Final[dict[Area, tuple[type[Id], tuple[str, ...]]]] = {
    Area.DATASETS: (DatasetId, ("csv", "json")),
    Area.PREDICTIONS: (PredictionId, ("csv",)),
    Area.MODELS: (ModelId, ("zip", "json", *IMPORTED_FILES)),
}


def staged_id(granted: Granted) -> Id | None:
    """Return the id a staging name was made for, or ``None`` for any other key."""
    if granted.area not in _STAGED or len(granted.rest) != 2 or granted.rest[0] != INCOMING:
        return None
    kind, suffixes = _STAGED[granted.area]
    stem, _, suffix = granted.rest[1].partition(".")
    if suffix not in suffixes:
        return None
    try:
        return kind(stem)
    except ValueError:
        return None


def staged_for(layout: Layout, user: UserId, key: str) -> Id | None:
    """Return the id a staging key of ``user`` was made for, or ``None`` when it is no such key."""
    access = decide_access(layout, user, key)
    return staged_id(access) if isinstance(access, Granted) else None
