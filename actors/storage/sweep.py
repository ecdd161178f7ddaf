"""Clearing up after a process that died: uploads nobody will commit, and bytes of what was removed.

Only names of our own making are touched, and only for a positive reason: an old name in ``incoming``, or a removal
that stands in the journal. A data set or model the journal does not know is left alone: the journal may be the one
that is behind (a restored backup).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from actors.storage.access import INCOMING, Area, Granted, decide_access
from actors.storage.folders import folders
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
        prefix = parts.layout.prefix(area)
        for home in await folders(store, f"{prefix}/"):
            user = _user_of(home)
            if user is None:
                continue
            for name in await folders(store, f"{prefix}/{home}/"):
                place = f"{prefix}/{home}/{name}/"
                if name == INCOMING:
                    staged += await _delete(parts, store, user, place, _is_stale)
                elif await _is_removed(parts, area, name):
                    removed += await _delete(parts, store, user, place)
    return Swept(staged, removed)


async def _delete(
    parts: StorageParts,
    store: CloudStorageProvider,
    user: UserId,
    place: str,
    due: Callable[[StorageParts, Granted, ObjectInfo], bool] = lambda *_: True,
) -> int:
    """Delete what is due below ``place``, if it is what its own user would be granted; return how many went."""
    deleted = 0
    async for found in store.list(place):
        granted = decide_access(parts.layout, user, found.key)
        if isinstance(granted, Granted) and due(parts, granted, found):
            await store.delete(found.key)
            deleted += 1
    return deleted


def _user_of(home: str) -> UserId | None:
    try:
        return UserId(home.removeprefix("user_"))
    except ValueError:
        return None


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
