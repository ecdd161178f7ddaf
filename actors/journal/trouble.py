"""What a failing disk means for the journal: which errors leave it sure of its state and which do not."""

from __future__ import annotations

from enum import Enum

import apsw


class Trouble(Enum):
    """Why an append did not go through. The text is what people read in the status."""

    FULL = "the disk of the journal is full"
    READONLY = "the journal cannot be written: its file or disk is read-only"
    BUSY = "another program holds the journal's lock"
    UNSURE = "the disk failed while the journal was written; restart Lastcall when the disk is sound"
    CLOSED = "the journal is closed"

    @property
    def sure(self) -> bool:
        """Whether it is certain that nothing was appended, so that trying again is safe."""
        return self is not Trouble.UNSURE


def trouble_of(error: apsw.Error) -> Trouble:
    """Judge ``error``; whatever is not known to leave the file untouched counts as unsure."""
    match error:
        case apsw.FullError():
            return Trouble.FULL
        case apsw.ReadOnlyError() | apsw.PermissionsError() | apsw.CantOpenError():
            return Trouble.READONLY
        case apsw.BusyError() | apsw.LockedError() | apsw.NoMemError():
            return Trouble.BUSY
        case _:
            return Trouble.UNSURE
