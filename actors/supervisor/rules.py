"""What a decision may look at beside the job itself: how machines are named, the provider's timings, this run."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from math import ceil
from typing import Literal, NamedTuple

from actors.ledger.holds import AFTER_SOFT_S, Terms, hold, seconds_affordable
from actors.storage.access import Layout
from messages.base import seconds
from messages.ids import JobId
from messages.machines import MachineName, Offer, Timings

NOT_MADE_MAX = 3
"""Attempts of one job whose create went out and whose machine was never seen."""
NOT_SENT_MAX = 500
"""Attempts of one job whose create never left this computer; each lasts 5 s to 30 s, and names count to 999."""
RESERVATION_FRESH_S = 60.0
"""An intent must follow its reservation within this time; an older reservation is given back and made anew."""
DEADLINE_GRACE_S = 30.0
"""After the soft deadline the daemon ends the machine itself; the wrapper has had its chance."""
SEND_WITHIN_S = 10.0
"""A create may only be sent this long after its intent was committed: a paused process launches nothing old."""


class Naming(NamedTuple):
    """How this installation names machines."""

    install: str
    generation: str
    key: bytes

    def name(self, job_id: JobId, attempt: int, hard_deadline: datetime) -> str:
        """Return the machine name of one attempt."""
        return MachineName(self.install, self.generation, job_id.tail, attempt, hard_deadline).text(self.key)


class Rules(NamedTuple):
    """Everything a decision depends on that is not in the job's stream."""

    naming: Naming
    timings: Timings
    run: str
    layout: Layout = Layout()
    """Where job folders lie in the store."""
    clock_sure: bool = True
    """False while nobody knows that our clock is right: what an earlier run rented keeps no deadline by it then."""
    may_launch: bool = True
    """False in safe mode, while draining, and without a journal: no new intent then."""


class Deadlines(NamedTuple):
    """When the work must stop, when the machine must be gone, and what set the first."""

    soft: datetime
    hard: datetime
    bound: Literal["runtime", "money"]


class Leads(NamedTuple):
    """How long before the soft deadline the wrapper asks the work to stop, and how long before it kills."""

    term_s: float
    kill_s: float


def deadlines(
    offer: Offer, timings: Timings, max_runtime_s: int, hold_usd: Decimal, reserved_at: datetime, now: datetime
) -> Deadlines:
    """Return the deadlines of an attempt intended ``now`` under a hold made at ``reserved_at``."""
    span_s = timings.start_allowance_s + max_runtime_s
    hard = datetime.fromtimestamp(ceil(now.timestamp() + span_s + AFTER_SOFT_S), tz=now.tzinfo)
    terms = Terms.of(offer, timings)
    if hold_usd >= hold(terms, span_s):
        return Deadlines(reserved_at + seconds(span_s), hard, "runtime")
    return Deadlines(reserved_at + seconds(max(0.0, seconds_affordable(terms, hold_usd))), hard, "money")


def leads(max_runtime_s: float) -> Leads:
    """Return 60 s and 15 s for a job of four minutes and more; a quarter and a sixteenth of a shorter one."""
    return Leads(min(60.0, max_runtime_s / 4), min(15.0, max_runtime_s / 16))
