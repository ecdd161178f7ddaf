"""Read models: tables that are kept up with the events, in the same transaction, and can be made anew from them.

A read model is never the truth. It may be dropped at any time; one whose version changed is dropped and rebuilt when
the journal is opened. A fault in one never keeps an event from being recorded: the model is set aside as *broken*,
stays as it was, and catches up when the journal is opened again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import apsw

from actors.journal.interface import Recorded
from actors.journal.transaction import transaction

REBUILD_PAGE_EVENTS = 1_000
"""Events applied in one transaction while a read model is rebuilt."""


_OWN_FAULTS = (apsw.SQLError, apsw.ConstraintError, apsw.MismatchError, apsw.BindingsError, apsw.TooBigError)
"""A statement of the read model was wrong, as against a disk that failed."""


class Projection(Protocol):
    """One read model. Its work must follow from the events alone, whatever the clock says."""

    @property
    def name(self) -> str:
        """Unique name."""
        ...

    @property
    def version(self) -> int:
        """Number of its shape; another number drops and rebuilds it."""
        ...

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of events it wants to see."""
        ...

    @property
    def tables(self) -> Sequence[str]:
        """Names of the tables it owns, for dropping them."""
        ...

    @property
    def ddl(self) -> str:
        """Statements that make its empty tables (STRICT) and their indexes."""
        ...

    def apply(self, connection: apsw.Connection, recorded: Recorded) -> None:
        """Write what ``recorded`` changes. Runs inside the append's transaction; never commits."""
        ...


class ReadModels:
    """All read models of one journal, on its write connection."""

    def __init__(self, connection: apsw.Connection, projections: Sequence[Projection]) -> None:
        self._connection = connection
        self._projections = tuple(projections)
        self._wanted: dict[str, list[Projection]] = {}
        self._broken: dict[str, str] = {}
        for projection in projections:
            for kind in sorted(projection.kinds):
                self._wanted.setdefault(kind, []).append(projection)

    @property
    def broken(self) -> dict[str, str]:
        """Name and fault of every read model that was set aside since the journal was opened."""
        return dict(self._broken)

    def wants(self, kind: str) -> bool:
        """Whether any read model looks at events of ``kind``."""
        return kind in self._wanted

    def apply(self, events: Sequence[Recorded], head: int) -> None:
        """Apply ``events`` inside the open transaction and note ``head`` as applied.

        Raises ``apsw.Error`` only where the disk failed; a fault of a read model sets that model aside.
        """
        for projection in self._live():
            mine = [r for r in events if r.event.kind in projection.kinds]
            if mine and not self._guarded(projection, mine):
                continue
            self._note(projection, head)

    def note(self, head: int) -> None:
        """Note ``head`` as applied by every live read model (all its events were applied as they came)."""
        for projection in self._live():
            self._note(projection, head)

    def open(self, pages: Callable[[int], Iterator[Sequence[Recorded]]], head: int) -> None:
        """Drop what has another version, then bring every read model up to ``head``, page by page.

        ``pages(after)`` yields the events after a position, oldest first.
        """
        for projection in self._projections:
            self._catch_up(projection, self._prepare(projection), pages, head)

    def rebuild(self, name: str, pages: Callable[[int], Iterator[Sequence[Recorded]]], head: int) -> None:
        """Drop one read model and make it anew from the first event."""
        for projection in self._projections:
            if projection.name == name:
                with transaction(self._connection):
                    self._drop(name)
                self._broken.pop(name, None)
                self._catch_up(projection, self._prepare(projection), pages, head)

    def _live(self) -> Iterable[Projection]:
        return (p for p in self._projections if p.name not in self._broken)

    def _prepare(self, projection: Projection) -> int:
        """Make the tables where they are missing or of another version; return the applied position."""
        found = self._connection.execute(
            "SELECT version, applied_position FROM projections WHERE name = ?", (projection.name,)
        ).fetchone()
        if found is not None and found[0] == projection.version:
            return int(found[1])
        with transaction(self._connection):
            self._drop(projection.name)
            self._connection.execute(projection.ddl)
            self._connection.execute(
                "INSERT INTO projections (name, version, applied_position, tables) VALUES (?, ?, 0, ?)",
                (projection.name, projection.version, json.dumps(list(projection.tables))),
            )
        return 0

    def _drop(self, name: str) -> None:
        # The names come from the row, not from the class: an older version may have had other tables.
        found = self._connection.execute("SELECT tables FROM projections WHERE name = ?", (name,)).fetchone()
        for table in json.loads(found[0]) if found else ():
            quoted = table.replace('"', '""')
            self._connection.execute(f'DROP TABLE IF EXISTS "{quoted}"')
        self._connection.execute("DELETE FROM projections WHERE name = ?", (name,))

    def _catch_up(
        self,
        projection: Projection,
        after: int,
        pages: Callable[[int], Iterator[Sequence[Recorded]]],
        head: int,
    ) -> None:
        if after >= head:
            return
        for page in pages(after):
            mine = [r for r in page if r.event.kind in projection.kinds]
            with transaction(self._connection):
                if not self._guarded(projection, mine):
                    return
                self._note(projection, page[-1].position)

    def _guarded(self, projection: Projection, events: Sequence[Recorded]) -> bool:
        """Apply ``events``; on a fault of the read model undo its part alone and set it aside."""
        self._connection.execute("SAVEPOINT read_model")
        try:
            for recorded in events:
                projection.apply(self._connection, recorded)
        except Exception as error:
            if isinstance(error, apsw.Error) and not isinstance(error, _OWN_FAULTS):
                raise
            self._connection.execute("ROLLBACK TO read_model")
            self._broken[projection.name] = f"{type(error).__name__}: {error}"
        self._connection.execute("RELEASE read_model")
        return projection.name not in self._broken

    def _note(self, projection: Projection, position: int) -> None:
        self._connection.execute(
            "UPDATE projections SET applied_position = ? WHERE name = ?", (position, projection.name)
        )
