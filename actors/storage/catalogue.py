"""What is there, by user: the lookups the storage services need, and their answers from the journal's read models.

Every question names the user; there is none that could return another user's thing.
"""

from __future__ import annotations

from typing import Final, Protocol

from messages.ids import UserId
from messages.storage import DatasetInfo, ModelInfo

CANDIDATES_MAX: Final = 20
"""How many things one reference is looked up as; more than one is ambiguous anyway."""


class Catalogue(Protocol):
    """Data sets and models that exist now, newest first."""

    async def datasets(self, user: UserId, limit: int) -> list[DatasetInfo]:
        """Return the user's data sets, at most ``limit``."""
        ...

    async def datasets_called(self, user: UserId, ref: str) -> list[DatasetInfo]:
        """Return the user's data sets that ``ref`` can mean: an id, its beginning, a name, ``@last``."""
        ...

    async def same_dataset(self, user: UserId, name: str, sha256: str) -> DatasetInfo | None:
        """Return the user's data set of this name with these bytes."""
        ...

    async def models(self, user: UserId, limit: int) -> list[ModelInfo]:
        """Return the user's models, at most ``limit``."""
        ...

    async def models_called(self, user: UserId, ref: str) -> list[ModelInfo]:
        """Return the user's models that ``ref`` can mean."""
        ...
