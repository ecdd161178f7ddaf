"""A copy out of another provider's store is believed only as long, and with the digest, that the journal holds."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from actors.storage import elsewhere
from actors.storage.parts import StorageParts
from messages.errors import Refusal
from providers.interface import Unavailable
from tests.unit.storage.kit import CSV, House, MemoryStore

KEY = "datasets/user_usr_aaaaaaaaaa/ds_aaaaaaaaaa/data.csv"
SHA256 = hashlib.sha256(CSV).hexdigest()


def two(house: House) -> tuple[StorageParts, StorageParts]:
    here = house.services.parts
    return replace(here, store=MemoryStore(house.clock)), here


async def copied(source: StorageParts, target: StorageParts) -> int:
    return await elsewhere.copy(source, target, KEY, len(CSV), SHA256)


async def test_a_copy_is_made_once_and_one_of_another_length_is_none(house: House) -> None:
    source, target = two(house)
    await source.store.write(KEY, CSV)  # type: ignore[attr-defined]
    await target.store.write(KEY, CSV[:5])  # type: ignore[attr-defined]
    assert (await copied(source, target), await copied(source, target)) == (len(CSV), 0)
    assert house.store.objects[KEY][0] == CSV


async def test_a_copy_that_is_not_what_was_stored_stays_nowhere(house: House) -> None:
    """Fault 40: a store that gives back other bytes of the same length."""
    source, target = two(house)
    await source.store.write(KEY, b"\0" * len(CSV))  # type: ignore[attr-defined]
    with pytest.raises(Unavailable, match="differs from what was stored"):
        await copied(source, target)
    assert KEY not in house.store.objects, "or the next look would take it for the copy"


async def test_bytes_that_are_gone_are_told_as_that(house: House) -> None:
    source, target = two(house)
    with pytest.raises(Refusal, match="E-ARTIFACT"):
        await copied(source, target)
