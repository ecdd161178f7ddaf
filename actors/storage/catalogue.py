"""What is there, by user: the lookups the storage services need, and their answers from the journal's read models.

Every question names the user; there is none that could return another user's thing.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, Protocol

from actors.journal.interface import Journal
from actors.storage.references import LAST, prefix_of_id
from messages.ids import CommandId, DatasetId, ModelId, UserId
from messages.storage import DatasetInfo, ModelInfo

CANDIDATES_MAX: Final = 20
"""How many things one reference is looked up as; more than one is ambiguous anyway."""


NO_ID: Final = "!"
"""Begins no id."""
DATASET_FROM: Final = "dataset.from"
DATASET_REMOVE: Final = "dataset.remove"
MODEL_REMOVE: Final = "model.remove"
"""Names of the commands the storage actor accepts on ``command/<id>``."""


class Removal(NamedTuple):
    """A removal that was accepted and has not been done: a process died in between."""

    command: CommandId
    target: str
    """Id of the data set or model."""


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

    async def removals_left(self) -> list[Removal]:
        """Return the accepted removals of things that still exist."""
        ...


class JournalCatalogue:
    """The catalogue over the read models ``datasets``, ``models`` and ``commands``."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def datasets(self, user: UserId, limit: int) -> list[DatasetInfo]:
        """Return the user's data sets, at most ``limit``."""
        return [DatasetInfo.model_validate_json(d) for d in await self._newest("datasets", user, limit)]

    async def datasets_called(self, user: UserId, ref: str) -> list[DatasetInfo]:
        """Return the user's data sets that ``ref`` can mean."""
        documents = await self._called("datasets", user, ref, prefix_of_id(ref, DatasetId))
        return [DatasetInfo.model_validate_json(d) for d in documents]

    async def same_dataset(self, user: UserId, name: str, sha256: str) -> DatasetInfo | None:
        """Return the user's data set of this name with these bytes."""
        rows = await self._journal.query(
            "SELECT document FROM datasets WHERE user_id = ? AND name = ? AND sha256 = ? LIMIT 1", (user, name, sha256)
        )
        return DatasetInfo.model_validate_json(rows[0][0]) if rows else None

    async def models(self, user: UserId, limit: int) -> list[ModelInfo]:
        """Return the user's models, at most ``limit``."""
        return [ModelInfo.model_validate_json(d) for d in await self._newest("models", user, limit)]

    async def models_called(self, user: UserId, ref: str) -> list[ModelInfo]:
        """Return the user's models that ``ref`` can mean."""
        documents = await self._called("models", user, ref, prefix_of_id(ref, ModelId))
        return [ModelInfo.model_validate_json(d) for d in documents]

    async def removals_left(self) -> list[Removal]:
        """Return the accepted removals of things that still exist."""
        rows = await self._journal.query(_REMOVALS_LEFT, (DATASET_REMOVE, MODEL_REMOVE))
        return [Removal(CommandId(command), target) for command, target in rows]

    async def _newest(self, table: Table, user: UserId, limit: int) -> list[str]:
        rows = await self._journal.query(_NEWEST[table], (user, limit))
        return [document for (document,) in rows]

    async def _called(self, table: Table, user: UserId, ref: str, prefix: str | None) -> list[str]:
        if ref == LAST:
            return await self._newest(table, user, 1)
        begin = prefix or NO_ID
        parameters = (user, ref, len(begin), begin, ref, ref, CANDIDATES_MAX)
        return [document for (document,) in await self._journal.query(_CALLED[table], parameters)]


Table = Literal["datasets", "models"]
_TABLES: Final[tuple[Table, ...]] = ("datasets", "models")
_NEWEST: Final[dict[Table, str]] = {
    table: f"SELECT document FROM {table} WHERE user_id = ? ORDER BY created DESC, id LIMIT ?"  # noqa: S608
    for table in _TABLES
}
_CALLED: Final[dict[Table, str]] = {
    table: f"SELECT document FROM {table} WHERE user_id = ?1 AND (name = ?2 OR substr(id, 1, ?3) = ?4) "  # noqa: S608
    "ORDER BY id = ?5 DESC, name = ?6 DESC, created DESC LIMIT ?7"
    for table in _TABLES
}
_REMOVALS_LEFT: Final = """
SELECT id, json_extract(answer, '$.id') FROM commands
WHERE name = ?1 AND json_extract(answer, '$.id') IN (SELECT id FROM datasets)
   OR name = ?2 AND json_extract(answer, '$.id') IN (SELECT id FROM models)
"""
