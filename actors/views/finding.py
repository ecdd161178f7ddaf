"""Which job does a person mean? A full id, a unique prefix of one, a name, or ``@last``."""

from __future__ import annotations

from actors.journal.interface import Journal
from messages.errors import Refusal
from messages.ids import JobId, UserId

PREFIX_CHARS_MIN = 5
"""Fewest characters of an id (with ``job_``) that are taken for a prefix."""


async def find_job(journal: Journal, user: UserId, ref: str) -> JobId:
    """Return the job of ``user`` that ``ref`` names. Raises ``Refusal`` E-NOTFOUND, E-AMBIGUOUS.

    Another user's job answers exactly as one that does not exist.
    """
    if ref == "@last":
        sql = "SELECT job_id FROM jobs WHERE user_id = ? ORDER BY position DESC LIMIT 1"
        found = await journal.query(sql, (user,))
    else:
        found = await _named(journal, user, ref)
    if not found:
        raise Refusal("E-NOTFOUND", f"There is no job {ref[:60]!r} of yours.")
    if len(found) > 1:
        several = ", ".join(str(row[0]) for row in found[:5])
        raise Refusal("E-AMBIGUOUS", f"{ref[:60]!r} can be any of {several}.")
    return JobId(found[0][0])


async def _named(journal: Journal, user: UserId, ref: str) -> list[tuple[str, ...]]:
    exact = await journal.query("SELECT job_id FROM jobs WHERE user_id = ? AND job_id = ?", (user, ref))
    if exact:
        return exact
    by_name = await journal.query("SELECT job_id FROM jobs WHERE user_id = ? AND name = ? LIMIT 6", (user, ref))
    if by_name or len(ref) < PREFIX_CHARS_MIN or not ref.startswith("job_"):
        return by_name
    return await journal.query(
        "SELECT job_id FROM jobs WHERE user_id = ? AND substr(job_id, 1, ?) = ? LIMIT 6", (user, len(ref), ref)
    )
