"""What lies right below a prefix: enough to find what is due, where listing everything would be too much."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from providers.interface import CloudStorageProvider


@runtime_checkable
class ListsFolders(Protocol):
    """Optional: the store can tell folders without what is in them."""

    async def folders(self, prefix: str) -> Sequence[str]:
        """Return the names of the folders right below ``prefix``, which ends in a slash, ordered. Raises Unavailable.

        One without objects may be among them.
        """
        ...


async def folders(store: CloudStorageProvider, prefix: str) -> Sequence[str]:
    """Return the names of the folders right below ``prefix``, which ends in a slash, ordered. Raises Unavailable."""
    if isinstance(store, ListsFolders):
        return await store.folders(prefix)
    names: dict[str, None] = {}
    async for found in store.list(prefix):
        name, below, _ = found.key.removeprefix(prefix).partition("/")
        if below:
            names[name] = None
    return sorted(names)
