"""What the ledger is asked, and what it hears of jobs."""

from __future__ import annotations

from datetime import date
from typing import Literal

from messages import events as ev
from messages.base import Control, Instant, Observation, Record, Request
from messages.documents import BudgetRow, CostDocument
from messages.ids import JobId, UserId
from messages.machines import Offer
from messages.money import UnitPrice, Usd

MoneyFact = ev.MoneyReserved | ev.MachineCreated | ev.MachineFound | ev.RateChanged | ev.AttemptEnded | ev.JobClosed


class Held(Record):
    """Money is held."""

    reservation: str
    hold_usd: Usd
    at: Instant


class ReserveMoney(Request[Held]):
    """Hold money for one attempt. The same attempt again gets the same answer. Refused: E-BUDGET, E-CAPTOOSMALL."""

    job_id: JobId
    user_id: UserId
    attempt: int
    offer: Offer
    cap_left_usd: Usd
    """What the job's own limit has left after its earlier attempts."""
    max_runtime_s: int


class JobFact(Control):
    """An event of a job that moves money, as the journal has it."""

    job_id: JobId
    fact: MoneyFact


class PredictionFact(Control):
    """A prediction was made."""

    fact: ev.PredictionMade
    at: Instant


class OrphanFact(Control):
    """A machine that was found late is gone."""

    fact: ev.OrphanGone


class OpenBill(Record):
    """A closed job whose bill is looked for."""

    job_id: JobId
    closed_at: Instant
    costs_usd: Usd
    """As the books have it now."""
    matched: bool
    """A bill of it was complete before; this one may say otherwise."""


class OpenBills(Request[tuple[OpenBill, ...]]):
    """The closed jobs whose bill may be complete by now, or may have changed."""


class JobBill(Record):
    """The complete bill of one job."""

    job_id: JobId
    billed_usd: Usd
    machines: tuple[str, ...]
    """Ids of the machines it has lines for, ordered."""


class BookBills(Request[int]):
    """Book what the provider's bill says; answered with the number of corrections."""

    bills: tuple[JobBill, ...]
    missing: tuple[JobId, ...] = ()
    """Jobs that cost something, should be on the bill by now and are not; replaces what was missing before."""
    provider: str = ""
    """Whose bill it is."""


class Charge(Request[bool]):
    """Book what is about to cost money and is no job's machine. Refused: E-BUDGET.

    Answered with whether it was booked: the same source again is not, and was paid for before.
    """

    user_id: UserId
    provider: str
    what: str
    amount_usd: Usd
    source: str
    is_spent: bool = False
    """It was paid already, by a setup, which has no books: no budget refuses it any more."""


class KeptByUser(Record):
    """What one user keeps in a store."""

    user_id: UserId
    size_bytes: int


class BookStored(Request[int]):
    """Book what a store that charges for its space holds now, once a day; answered with the number of bookings."""

    provider: str
    usd_per_gb_month: UnitPrice
    prices_as_of: date
    users: tuple[KeptByUser, ...]
    """Everybody who keeps something; whoever is not named keeps nothing any more."""
    rented: bool = False
    """The store costs its size, whatever lies in it: its bill is looked for."""


class RentBillFrom(Request[Instant | None]):
    """From when on the bill of a provider's rented store is to be read; ``None``: nothing new can be on it."""

    provider: str


class RentLine(Record):
    """What the bill says of one stretch of time."""

    began: Instant
    ended: Instant
    amount_usd: UnitPrice


class BookRentBill(Request[int]):
    """Book what the bill of a rented store says; answered with the number of corrections."""

    provider: str
    lines: tuple[RentLine, ...]
    """Every line from the time on that ``RentBillFrom`` gave."""


class BookMore(Observation):
    """Bills of a reading are not booked yet; it waits its turn behind what was asked meanwhile."""


class BookNow(Control):
    """Try again what the disk did not take."""


class CostReport(Request[CostDocument]):
    """What was spent, is running and is held."""

    user_id: UserId
    by: Literal["day", "user", "model", "provider", "job"]


class BudgetsLeft(Request[tuple[BudgetRow, ...]]):
    """The budgets that apply to a user."""

    user_id: UserId


class Totals(Record):
    """The money of one screen."""

    spent_today_usd: Usd
    spent_month_usd: Usd
    reserved_usd: Usd
    running_usd: Usd


class MoneyTotals(Request[Totals]):
    """Sums for ``status``."""
