"""What a supervisor hears. Each is also a message in its mailbox: commands are control, what was seen coalesces."""

from __future__ import annotations

from messages.base import Control, Instant, Observation
from messages.folder import Started
from messages.ids import CommandId
from messages.jobs import ResultMarker, StopReason
from messages.machines import Machine


class Woke(Control):
    """Time passed, or the journal has new facts of this job."""


class Granted(Control):
    """The job may use a machine slot."""


class StopAsked(Control):
    """Somebody wants the job to end. Always acts."""

    by: str
    command_id: CommandId


class FolderSeen(Observation):
    """What the job folder of an attempt shows."""

    attempt: int
    started: Started | None = None
    marker: ResultMarker | None = None
    no_start: bool = False
    """It was read after the start allowance was over, and holds no trace of a start."""
    why: str = ""
    """What listings showed of a machine without a start: cause and next step, in one sentence."""


class Sighted(Observation):
    """What a listing shows under the name of this job's attempt."""

    name: str
    account: str
    absent_since: Instant | None
    """Since when complete listings show nothing of the name; ``None``: it is listed, or its absence is not proven."""
    machines: tuple[Machine, ...]
    folder_empty: bool = False
    """The job folder was read after the listing began and holds no trace of a start."""


class Vanished(Observation):
    """Looked for by id and twice not found, under the right account: positive evidence that it is gone."""

    attempt: int
    machine_id: str
    detail: str


class Ailing(Observation):
    """Listings show that a machine is not what it should be, in a way that does not mend itself."""

    attempt: int
    machine_id: str
    reason: StopReason
    detail: str
    """Cause and next step in one sentence."""


Input = Woke | Granted | StopAsked | FolderSeen | Sighted | Vanished | Ailing
