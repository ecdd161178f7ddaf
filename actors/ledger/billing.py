"""From the provider's bill to corrections. Pure: lines, books and the time come in.

A bill arrives late, in buckets of an hour, and may change afterwards. It is the last word on what machines cost, but
only where it speaks: a job without lines keeps what was observed, and is reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from actors.ledger.requests import JobBill, OpenBill
from actors.ledger.state import ACCOUNTS_KEPT_S, Account, LedgerState
from messages import events as ev
from messages.base import seconds
from messages.ids import JobId
from messages.money import ZERO, usd
from providers.interface import BilledLine

BUCKET_S = 3_600.0
"""The finest bucket of a bill (fact sheet 6.1)."""
BILL_LAG_S = 7_200.0
"""How long after its end a bucket may still be incomplete."""
CHANGES_S = 3 * 86_400.0
"""How long after a job's end its matched bill is read again, for it may be corrected."""
PARTIAL_AFTER_S = 86_400.0
"""After this long a bill that lacks one machine of a job counts as whole: what lived for seconds may have no line."""
MISSING_ALARM_S = 7 * 86_400.0
"""A job that cost something and is on no bill for so long needs a person."""
WINDOW_MAX_S = ACCOUNTS_KEPT_S
"""The farthest a bill is read back."""
REASON = "the provider's bill"
"""What stands with a correction that follows from a bill."""


class Rented(NamedTuple):
    """A closed job whose bill is looked for, and every machine that was rented for it."""

    open: OpenBill
    began: datetime
    """No machine of the job is older."""
    machines: tuple[str, ...]
    over_at: datetime
    """No machine of the job billed later, as far as is known."""


class Reading(NamedTuple):
    """What one look at the bill says."""

    bills: tuple[JobBill, ...]
    """Jobs whose bill is complete."""
    missing: tuple[JobId, ...]
    """Jobs that cost something, should be on the bill by now and are not."""


def open_bills(accounts: Iterable[tuple[JobId, Account]], now: datetime) -> tuple[OpenBill, ...]:
    """Return those of the closed jobs whose bill may be complete, or may have changed."""
    return tuple(
        OpenBill(
            job_id=job_id,
            closed_at=account.closed_at,
            costs_usd=account.booked_usd,
            matched=account.billed_usd is not None,
        )
        for job_id, account in accounts
        if _age_s(account.closed_at, now) <= (WINDOW_MAX_S if account.billed_usd is None else CHANGES_S)
        and _is_complete(account.closed_at, now)
    )


def window_start(began: Iterable[datetime], now: datetime) -> datetime:
    """Return from when on the bill must be read to hold all of every job that is not too old for it."""
    oldest = now - seconds(WINDOW_MAX_S)
    return min((_bucket_start(at) for at in began if _bucket_start(at) >= oldest), default=_bucket_start(now))


def add_up(jobs: Sequence[Rented], lines: Iterable[BilledLine], since: datetime, now: datetime) -> Reading:
    """Match the lines of the window from ``since`` to ``now`` with jobs; lines of other machines are not ours."""
    owners = {machine: job.open.job_id for job in jobs for machine in job.machines}
    found: dict[JobId, list[BilledLine]] = {}
    for line in lines:
        if job_id := owners.get(line.machine_id):
            found.setdefault(job_id, []).append(line)
    whole = [job for job in jobs if job.began >= since]
    bills = tuple(_bill(job, found) for job in whole if _is_whole(job, found.get(job.open.job_id, []), now))
    missing = tuple(job.open.job_id for job in whole if job.open.job_id not in found and _is_expected(job.open))
    return Reading(bills, missing)


def _bill(job: Rented, found: Mapping[JobId, Sequence[BilledLine]]) -> JobBill:
    lines = found[job.open.job_id]
    billed_usd = usd(sum((line.amount_usd for line in lines), Decimal(0)))
    machines = tuple(sorted({line.machine_id for line in lines}))
    return JobBill(job_id=job.open.job_id, billed_usd=billed_usd, machines=machines)


def _is_whole(job: Rented, lines: Sequence[BilledLine], now: datetime) -> bool:
    """Nothing can come any more: every machine has lines, and the last bucket is older than the lag."""
    if not lines or not _is_complete(max(job.over_at, *(line.ended for line in lines)), now):
        return False
    absent = set(job.machines).difference(line.machine_id for line in lines)
    return not absent or _age_s(job.over_at, now) >= PARTIAL_AFTER_S


def _is_expected(job: OpenBill) -> bool:
    return not job.matched and job.costs_usd != ZERO


def _is_complete(ended: datetime, now: datetime) -> bool:
    """Whether the bucket in which something ended can be taken as complete."""
    bucket_end = ended if ended == _bucket_start(ended) else _bucket_start(ended) + seconds(BUCKET_S)
    return now >= bucket_end + seconds(BILL_LAG_S)


def _bucket_start(at: datetime) -> datetime:
    return at - timedelta(minutes=at.minute, seconds=at.second, microseconds=at.microsecond)


def _age_s(at: datetime, now: datetime) -> float:
    return (now - at).total_seconds()


def corrections(state: LedgerState, bill: JobBill, now: datetime) -> list[ev.LedgerEvent]:
    """Return what to append for the complete bill of a job; nothing when the books say the same already."""
    account = state.accounts.get(bill.job_id)
    if account is None:
        return []
    difference_usd = bill.billed_usd - account.booked_usd
    if not difference_usd and account.billed_usd == bill.billed_usd and account.machines == bill.machines:
        return []
    billed = ev.Billed(
        job_id=bill.job_id,
        user_id=account.user_id,
        billed_usd=bill.billed_usd,
        difference_usd=difference_usd,
        machines=bill.machines,
        at=now,
    )
    if not difference_usd:
        return [billed]
    corrected = ev.Corrected(
        job_id=bill.job_id,
        user_id=account.user_id,
        delta_usd=difference_usd,
        reason=REASON,
        source=f"bill:{bill.job_id}:{account.readings + 1}",
        at=now,
    )
    return [billed, corrected]
