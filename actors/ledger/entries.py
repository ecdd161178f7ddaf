"""What the ledger writes when a job's event moves money: ``entries(state, job, fact) → events``. Pure.

A reservation is released only by an event of its job (its attempt ended, the job closed), never by absence; release
is final. A job is settled once, when it closes.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from actors.ledger import holds
from actors.ledger.budgets import Budgets, refuse
from actors.ledger.requests import Charge, MoneyFact, ReserveMoney
from actors.ledger.state import LedgerState, reservation_id
from messages import events as ev
from messages.errors import Refusal
from messages.ids import JobId, UserId
from messages.machines import Timings
from messages.money import ZERO, human


class JobFacts(NamedTuple):
    """What the ledger needs to know of a job, from the read model."""

    user_id: UserId
    provider: str
    closed: bool


def entries(state: LedgerState, job_id: JobId, job: JobFacts, fact: MoneyFact, now: datetime) -> list[ev.LedgerEvent]:
    """Return what to append for one event of a job; nothing when it was booked before."""
    match fact:
        case ev.MoneyReserved():
            held = state.open.get(fact.reservation)
            return [_released(fact.reservation, ZERO, now)] if held and job.closed else []
        case ev.MachineCreated() | ev.MachineFound():
            return _accrual(state, reservation_id(job_id, fact.attempt), fact)
        case ev.RateChanged():
            return _repriced(state, reservation_id(job_id, fact.attempt), fact)
        case ev.AttemptEnded():
            reservation = reservation_id(job_id, fact.attempt)
            return [_released(reservation, fact.cost_usd, now)] if reservation in state.open else []
        case _:
            return _closed(state, job_id, job, fact, now)


def prediction_entry(state: LedgerState, fact: ev.PredictionMade, provider: str, at: datetime) -> list[ev.LedgerEvent]:
    """Return what to append for a prediction; nothing when it was booked before or cost nothing."""
    if fact.prediction_id in state.predictions or fact.cost_usd == 0:
        return []
    spent = ev.Spent(
        prediction_id=fact.prediction_id,
        user_id=fact.user_id,
        provider=provider,
        model_id=fact.model_id,
        amount_usd=fact.cost_usd,
        at=at,
    )
    return [spent]


def charge_entry(state: LedgerState, budgets: Budgets, asked: Charge, now: datetime) -> list[ev.LedgerEvent]:
    """Return what to append for a charge; nothing when it was booked before. Raises ``Refusal`` E-BUDGET."""
    if asked.source in state.sources:
        return []
    reason = refuse(state, budgets, asked.user_id, asked.amount_usd, now, f"This costs {human(asked.amount_usd)}")
    if reason is not None and not asked.is_spent:
        raise Refusal("E-BUDGET", reason)
    charged = ev.Charged(
        user_id=asked.user_id,
        provider=asked.provider,
        what=asked.what,
        amount_usd=asked.amount_usd,
        source=asked.source,
        at=now,
    )
    return [charged]


def orphan_entry(
    state: LedgerState, fact: ev.OrphanGone, job_id: JobId, user_id: UserId, now: datetime
) -> list[ev.LedgerEvent]:
    """Return what to append for a machine that was found late, once: what it cost, or nothing more when the job's
    bill has it already.
    """
    if fact.machine.id in state.sources or fact.cost_usd == 0:
        return []
    account = state.accounts.get(job_id)
    on_the_bill = account is not None and fact.machine.id in account.machines
    corrected = ev.Corrected(
        job_id=job_id,
        user_id=user_id,
        delta_usd=ZERO if on_the_bill else fact.cost_usd,
        reason=f"a machine found late: {fact.reason}",
        source=fact.machine.id,
        at=now,
    )
    return [corrected]


def _accrual(state: LedgerState, reservation: str, fact: ev.MachineCreated | ev.MachineFound) -> list[ev.LedgerEvent]:
    held = state.open.get(reservation)
    if held is None or held.accrual is not None:
        return []
    machine_rate = fact.machine.rate_usd_per_hour
    offered = held.offered
    rate = (offered.rate_usd_per_hour if machine_rate is None else machine_rate) + offered.disk_usd_per_hour
    accrual = ev.AccrualStarted(
        reservation=reservation, rate_usd_per_hour=rate, fixed_usd=offered.fixed_usd, at=fact.at
    )
    return [accrual]


def _repriced(state: LedgerState, reservation: str, fact: ev.RateChanged) -> list[ev.LedgerEvent]:
    held = state.open.get(reservation)
    if held is None or held.accrual is None or (held.changed and held.changed.at >= fact.at):
        return []
    rate = fact.rate_usd_per_hour + held.offered.disk_usd_per_hour
    accrued_usd = held.accrued_usd(fact.at)
    return [ev.AccrualChanged(reservation=reservation, rate_usd_per_hour=rate, accrued_usd=accrued_usd, at=fact.at)]


def _closed(
    state: LedgerState, job_id: JobId, job: JobFacts, fact: ev.JobClosed, now: datetime
) -> list[ev.LedgerEvent]:
    left = [held.id for held in state.open.values() if held.job_id == job_id]
    booked: list[ev.LedgerEvent] = [_released(reservation, ZERO, now) for reservation in left]
    if job_id not in state.settled:
        settled = ev.Settled(
            job_id=job_id,
            user_id=job.user_id,
            provider=job.provider,
            model_id=fact.model_id,
            observed_usd=fact.cost_usd,
            at=fact.at,
        )
        booked.append(settled)
    return booked


def _released(reservation: str, spent_usd: Decimal, now: datetime) -> ev.Released:
    return ev.Released(reservation=reservation, spent_usd=spent_usd, at=now)


def reserve(state: LedgerState, budgets: Budgets, asked: ReserveMoney, timings: Timings, now: datetime) -> ev.Reserved:
    """Return the reservation of an attempt, or raise the ``Refusal`` that says why not and what would work."""
    terms = holds.Terms.of(asked.offer, timings)
    hold_usd = hold_for(terms, timings, asked.cap_left_usd, asked.max_runtime_s)
    reason = refuse(state, budgets, asked.user_id, hold_usd, now)
    if reason is not None:
        raise Refusal("E-BUDGET", reason)
    return ev.Reserved(
        reservation=reservation_id(asked.job_id, asked.attempt),
        job_id=asked.job_id,
        user_id=asked.user_id,
        attempt=asked.attempt,
        hold_usd=hold_usd,
        rate_usd_per_hour=asked.offer.rate_usd_per_hour,
        disk_usd_per_hour=asked.offer.disk_usd_per_hour,
        fixed_usd=asked.offer.fixed_usd,
        least_s=asked.offer.least_s,
        at=now,
    )


def hold_for(terms: holds.Terms, timings: Timings, cap_usd: Decimal, max_runtime_s: float) -> Decimal:
    """Return what an attempt needs held: enough for its whole runtime, or the cap where that is less.

    Raises ``Refusal`` E-CAPTOOSMALL, with the smallest cap that works, when the cap leaves too little time.
    """
    affordable_s = holds.seconds_affordable(terms, cap_usd)
    if affordable_s < holds.seconds_needed(terms):
        smallest = holds.smallest_cap(terms)
        raise Refusal(
            "E-CAPTOOSMALL", f"The smallest limit that works here is {human(smallest)}.", smallest=str(smallest)
        )
    # Rounding may never hold more than the cap itself.
    return min(cap_usd, holds.hold(terms, min(affordable_s, timings.start_allowance_s + max_runtime_s)))
