"""Jobs as people see them: one, a page of them, one that changes, and its log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from actors.admin.limits import PS_ROWS_MAX
from actors.dispatcher.actor import DispatcherMessage, WhyQueued
from actors.fleet.messages import Live, LiveOf
from actors.journal.interface import Journal
from actors.runtime.actor import Ref
from actors.runtime.world import Clock
from actors.storage.folder import JobFolder
from actors.supervisor.state import Job, fold
from actors.views.building import NOTHING, train_document
from actors.views.console import Consoles
from actors.views.finding import find_job
from messages.documents import LogLineOut, PsDocument, PsRow, TrainDocument
from messages.errors import Refusal
from messages.ids import JobId
from messages.jobs import JobState, Outcome, Requester
from messages.machines import ProviderKind
from messages.money import from_micro
from providers.interface import Provider

ASK_S = 5.0
CHANGES_INTERVAL_S = 0.25
"""How often a followed job is looked at."""
LOG_INTERVAL_S = 0.25
"""How often a followed log is asked for its next file."""
POSITION_MAX = 1 << 62
"""Above every place in the journal, and what SQLite can hold."""

_COLUMNS = (
    "job_id, name, state, outcome, code, model_type, target, provider, machine_type, created_at, started_at,"
    " ended_at, cost_micro, max_cost_micro, detail, position"
)


class JobViews:
    """The read side of jobs."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        providers: Mapping[ProviderKind, Provider],
        dispatcher: Ref[DispatcherMessage],
        fleets: Sequence[Ref[LiveOf]],
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._providers = providers
        self._dispatcher = dispatcher
        self._fleets = fleets
        self.consoles = Consoles(journal, clock, providers, self.folded)

    async def folded(self, job_id: JobId) -> Job:
        """Return the fold of a job's stream. Raises ``Refusal`` E-NOTFOUND."""
        job = fold(r.event for r in await self._journal.read(f"job/{job_id}"))
        if job is None:
            raise Refusal("E-NOTFOUND", f"There is no job {job_id}.")
        return job

    async def document(self, job_id: JobId) -> TrainDocument:
        """Return one job, whole, as it is now."""
        job = await self.folded(job_id)
        live = await self._live((job_id,)) if not job.closed else {}
        return train_document(job, live.get(job_id, NOTHING), self._clock.now())

    async def job(self, requester: Requester, ref: str) -> TrainDocument:
        """Return the job ``ref`` names."""
        return await self.document(await find_job(self._journal, requester.user_id, ref))

    async def changes(self, requester: Requester, ref: str) -> AsyncIterator[TrainDocument]:
        """Yield the job now and after every change; the closed one is the last."""
        job_id = await find_job(self._journal, requester.user_id, ref)
        before: TrainDocument | None = None
        while True:
            now = await self.document(job_id)
            if before is None or _differs(before, now):
                yield now
                before = now
            if now.job.state is JobState.CLOSED:
                return
            await self._clock.sleep(CHANGES_INTERVAL_S)

    async def ps(self, requester: Requester, limit: int, cursor: str | None, all: bool) -> PsDocument:
        """Return a page of jobs, newest first; the closed ones only when asked for."""
        limit = max(1, min(limit, PS_ROWS_MAX))
        before = POSITION_MAX if cursor is None else _position(cursor)
        open_only = "" if all else "AND state != 'closed' "
        rows = await self._journal.query(
            f"SELECT {_COLUMNS} FROM jobs WHERE user_id = ? AND position < ? {open_only}"  # noqa: S608 (own names)
            "ORDER BY position DESC LIMIT ?",
            (requester.user_id, before, limit + 1),
        )
        page = rows[:limit]
        running = tuple(JobId(row[0]) for row in page if row[2] not in ("closed", "queued"))
        live = await self._live(running) if running else {}
        queued = any(row[2] == "queued" for row in page)
        why = await self._dispatcher.ask(WhyQueued(), ASK_S) if queued else {}
        now = self._clock.now()
        jobs = [await self._row(row, live, why, now) for row in page]
        return PsDocument(jobs=tuple(jobs), next=str(page[-1][15]) if len(rows) > limit else None)

    async def _row(
        self, row: tuple[object, ...], live: Mapping[JobId, Live], why: Mapping[JobId, str], now: datetime
    ) -> PsRow:
        (job_id, name, state, outcome, code, model, target, provider, machine, created, started, ended) = row[:12]
        cost_micro, cap_micro, detail = int(str(row[12])), int(str(row[13])), str(row[14])
        key = JobId(str(job_id))
        progress, heartbeat = live.get(key, NOTHING).progress, live.get(key, NOTHING).heartbeat
        cost = from_micro(cost_micro)
        if state not in ("closed", "queued"):
            document = await self.document(key)
            cost, detail = document.job.cost_usd, document.job.detail
        end = datetime.fromisoformat(str(ended)) if ended else now
        runtime_s = (end - datetime.fromisoformat(str(started))).total_seconds() if started else None
        return PsRow(
            id=key,
            name=str(name),
            state=JobState(str(state)),
            outcome=Outcome(str(outcome)) if outcome else None,
            code=str(code) if code else None,
            model_type=str(model),
            target=str(target),
            provider=str(provider),
            machine_type=str(machine) if machine else None,
            age_s=round((now - datetime.fromisoformat(str(created))).total_seconds(), 1),
            runtime_s=round(runtime_s, 1) if runtime_s is not None else None,
            cost_usd=cost,
            max_cost_usd=from_micro(cap_micro),
            stage=progress.stage if progress else "",
            percent=progress.percent if progress else None,
            rss_bytes=heartbeat.rss_bytes if heartbeat else None,
            memory_limit_bytes=heartbeat.memory_limit_bytes if heartbeat else None,
            gpu_use_percent=heartbeat.gpu_use_percent if heartbeat else None,
            why=why.get(key, "") or detail,
        )

    async def _live(self, job_ids: tuple[JobId, ...]) -> dict[JobId, Live]:
        """Return what running jobs last said; a watch that does not answer only means that there is no news."""
        live: dict[JobId, Live] = {}
        for fleet in self._fleets:
            with suppress(Refusal):
                known = await fleet.ask(LiveOf(job_ids=job_ids), ASK_S)
                live |= known
        return live

    async def log(
        self, requester: Requester, ref: str, after_file: int, after_line: int, follow: bool
    ) -> AsyncIterator[LogLineOut]:
        """Yield log lines past a place, from the last attempt on; with ``follow`` until the log is complete.

        Every attempt's log is numbered from file 1, line 1; a follower gets the next attempt's from its start. A
        place that the last attempt's log does not have is of an earlier one: the log is given from its start.
        """
        job_id = await find_job(self._journal, requester.user_id, ref)
        number, line = max(1, after_file), after_line
        unsure, attempt = line > 0, 0
        while True:
            job = await self.folded(job_id)
            # What the journal holds before the look decides whether the look was the last one.
            attempts = [a.number for a in job.attempts if a.request]
            attempt = attempt or (attempts[-1] if attempts else 0)
            folder = self._folder(job, attempt)
            lines = await folder.log_file(number) if folder else None
            if unsure and folder is not None:
                unsure = False
                if lines is None or len(lines) < line:
                    number, line = 1, 0
                    continue
            if lines is not None:
                for index, one in enumerate(lines, start=1):
                    if index > line:
                        yield LogLineOut(file=number, line=index, at=one.at, stream=one.stream, text=one.text)
                number, line = number + 1, 0
            elif later := [n for n in attempts if n > attempt]:
                attempt, number, line = later[0], 1, 0
            elif job.closed or not follow:
                return
            else:
                await self._clock.sleep(LOG_INTERVAL_S)

    def _folder(self, job: Job, attempt: int) -> JobFolder | None:
        """Return the folder of an attempt. Raises ``Refusal`` E-ELSEWHERE."""
        request = next((a.request for a in job.attempts if a.number == attempt), None)
        if request is None:
            return None
        provider = self._providers.get(job.binding.provider)
        if provider is None:
            raise Refusal("E-ELSEWHERE", f"The log of {job.name} lies with {job.binding.provider}.")
        return JobFolder(provider.storage, request.folder)


def _position(cursor: str) -> int:
    """Return the place a cursor of ours names. Raises ``Refusal`` E-BADREQUEST."""
    if cursor.isascii() and cursor.isdecimal() and len(cursor) <= len(str(POSITION_MAX)):
        position = int(cursor)
        if position <= POSITION_MAX:
            return position
    raise Refusal("E-BADREQUEST", "cursor takes what next of an earlier page said")


def _differs(before: TrainDocument, now: TrainDocument) -> bool:
    """Tell whether something but what grows with time alone changed."""

    def essence(document: TrainDocument) -> tuple[object, ...]:
        job, machine = document.job, document.machine
        told = (job.state, job.stage, job.percent, job.message, job.detail, job.attempts, machine.state)
        return (*told, machine.rss_bytes, machine.memory_limit_bytes, machine.gpu_use_percent)

    return essence(before) != essence(now)
