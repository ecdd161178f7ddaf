"""What FleetWatch hears and is asked."""

from __future__ import annotations

from messages.base import Control, Instant, Observation, Record, Request
from messages.folder import Heartbeat, Progress
from messages.ids import JobId, UserId
from messages.jobs import JobState
from messages.machines import Listing, Machine
from messages.money import UsdPerHour


class Watched(Record):
    """What of one job's current attempt is looked for."""

    job_id: JobId
    user_id: UserId
    attempt: int
    name: str
    folder: str
    account: str
    phase: JobState
    machine_id: str | None = None
    known_ids: tuple[str, ...] = ()
    """Ids the supervisor has journaled under this name: its machine and its surplus."""
    ambiguous: bool = False
    unanswered: bool = False
    """The create is out: nothing listed means anything yet."""
    rate_usd_per_hour: UsdPerHour | None = None
    """What its machine costs as far as the job knows; another price in a listing is news."""
    made_at: Instant | None = None
    """When its machine was known to be made: the start allowance counts from here."""
    soft_deadline: Instant


class Watch(Control):
    """Look for this from now on; replaces what was watched of the job."""

    watched: Watched


class Unwatch(Control):
    """The job has no machine to look for."""

    job_id: JobId


class Adopt(Control):
    """The job's supervisor is parked: end its machine, prove it gone and close the job."""

    job_id: JobId


class Listed(Observation):
    """A listing arrived."""

    listing: Listing


class ListingFailed(Observation):
    """No listing could be had. Blindness: nothing follows from it."""

    detail: str
    at: Instant


class Exited(Control):
    """The provider says that a machine ended by itself. Information only."""

    machine_id: str


class LookRound(Control):
    """Time to look into the job folders that are due."""


class Live(Record):
    """The latest a running job said of itself."""

    heartbeat: Heartbeat | None = None
    progress: Progress | None = None
    machine: Machine | None = None


class LiveOf(Request[dict[JobId, Live]]):
    """What running jobs last said of themselves."""

    job_ids: tuple[JobId, ...]


class ListNow(Request[Listing]):
    """A listing begun after this request."""


class FleetFacts(Record):
    """What status shows of the fleet."""

    account: str
    last_complete: Instant | None
    listing_failed: str | None
    second_writer: str | None
    """Name of a machine of our generation without an intent in this journal: why nothing is launched."""
    reaping: int


class FleetState(Request[FleetFacts]):
    """How the fleet is seen."""
