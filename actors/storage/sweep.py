"""Clearing up after a process that died: uploads nobody will commit, and bytes of what was removed.

Only names of our own making are touched, and only for a positive reason: an old name in ``incoming``, or a removal
that stands in the journal. A data set or model the journal does not know is left alone: the journal may be the one
that is behind (a restored backup).
"""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from actors.storage.access import INCOMING, Area, Granted, decide_access
from actors.storage.parts import StorageParts
from actors.storage.records import dataset_record, model_record
from actors.storage.staging import staged_id
from messages.ids import DatasetId, ModelId, UserId
from messages.storage import ObjectInfo
from providers.interface import CloudStorageProvider


class Swept(NamedTuple):
    """How many objects were deleted."""

    staged: int
    removed: int


async def sweep(parts: StorageParts) -> Swept:
    """Delete what is left over. Raises what store and journal raise; running it again completes it."""
    swept = await _sweep_store(parts, parts.store)
    if parts.incoming is parts.store:
        return swept
    here = await _sweep_store(parts, parts.incoming)
    return Swept(swept.staged + here.staged, swept.removed + here.removed)


async def _sweep_store(parts: StorageParts, store: CloudStorageProvider) -> Swept:
    staged = removed = 0
    for area in (Area.DATASETS, Area.PREDICTIONS, Area.MODELS):
        known: dict[str, bool] = {}
        async for found in store.list(parts.layout.prefix(area) + "/"):
            granted = _owned(parts, area, found.key)
            if granted is None:
                continue
            if granted.rest[0] == INCOMING:
                if _is_stale(parts, granted, found):
                    await store.delete(found.key)
                    staged += 1
                continue
            owner = granted.rest[0]
            if owner not in known:
                known = {owner: await _is_removed(parts, area, owner)}
            if known[owner]:
                await store.delete(found.key)
                removed += 1
    return Swept(staged, removed)


def _owned(parts: StorageParts, area: Area, key: str) -> Granted | None:
    """Return the key as its own user would be granted it, or ``None`` when no user of ours owns it."""
    folder = key.removeprefix(parts.layout.prefix(area) + "/").split("/", 1)[0]
    try:
        user = UserId(folder.removeprefix("user_"))
    except ValueError:
        return None
    access = decide_access(parts.layout, user, key)
    return access if isinstance(access, Granted) and len(access.rest) >= 2 else None


def _is_stale(parts: StorageParts, granted: Granted, found: ObjectInfo) -> bool:
    """Say whether this is a staging name of ours, older than any upload may take."""
    age = parts.world.clock.now() - found.modified
    return staged_id(granted) is not None and age > timedelta(seconds=parts.settings.staging_age_s)


async def _is_removed(parts: StorageParts, area: Area, owner: str) -> bool:
    """Say whether the journal holds the removal of this data set or model."""
    try:
        if area is Area.DATASETS:
            dataset = await dataset_record(parts.journal, DatasetId(owner))
            return dataset is not None and dataset.removed
        if area is Area.MODELS:
            model = await model_record(parts.journal, ModelId(owner))
            return model is not None and model.removed
    except ValueError:
        return False
    return False
