"""One write transaction: committed whole, or rolled back with the error that broke it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import apsw


@contextmanager
def transaction(connection: apsw.Connection) -> Iterator[None]:
    """Begin, and commit at the end. SQLite may have rolled back by itself (full disk): then only the error is left.

    Not apsw's own ``with connection``: that is a savepoint, which such a rollback takes away under it.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
