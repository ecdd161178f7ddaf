"""Jobs, machines and money."""

from __future__ import annotations

import re
from typing import get_args

from aiohttp import web

from actors.admin.asking import (
    Desk,
    answer,
    ask,
    asked,
    command_id,
    flag_value,
    json_body,
    part,
    seconds_value,
    text_value,
    view_deadline,
    whole_value,
)
from actors.admin.deadline import Deadline
from actors.admin.limits import CURSOR_CHARS_MAX, PS_ROWS_DEFAULT, PS_ROWS_MAX
from actors.admin.streams import close_source, send_lines
from messages.admin import PlanTraining, StopAll, StopJob, SubmitTraining, TrainOrder
from messages.documents import AcceptedDocument, CostDocument, StopDocument, TrainDocument
from messages.errors import Refusal
from messages.jobs import JobState

_GROUPINGS = get_args(CostDocument.model_fields["by"].annotation)
_LOG_POSITION = re.compile(r"([0-9]{1,9}):([0-9]{1,9})")
_CONSOLE_PLACE = re.compile(r"([0-9]{1,3}):([0-9]{1,40})")


class JobRoutes:
    """Handlers of ``/v1/jobs``, ``/v1/stop``, ``/v1/machines`` and ``/v1/costs``."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._dispatcher = desk.services.dispatcher
        self._views = desk.services.views

    def table(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.post("/v1/jobs", self.submit),
            web.get("/v1/jobs", self.ps, allow_head=False),
            web.get("/v1/jobs/{ref}", self.job, allow_head=False),
            web.post("/v1/jobs/{ref}/stop", self.stop),
            web.post("/v1/stop", self.stop_all),
            web.get("/v1/jobs/{ref}/wait", self.wait, allow_head=False),
            web.get("/v1/jobs/{ref}/follow", self.follow, allow_head=False),
            web.get("/v1/jobs/{ref}/logs", self.logs, allow_head=False),
            web.get("/v1/jobs/{ref}/console", self.console, allow_head=False),
            web.get("/v1/machines", self.machines, allow_head=False),
            web.get("/v1/costs", self.costs, allow_head=False),
        ]

    async def submit(self, request: web.Request) -> web.StreamResponse:
        """Queue an order, or only price it with ``?dry_run=1``."""
        dry = flag_value(request, "dry_run")
        command = command_id(self._desk, request)
        order = await json_body(self._desk, request, TrainOrder)
        who = asked(request).requester
        if dry:
            plan = await ask(self._desk, self._dispatcher, PlanTraining(requester=who, order=order), work=True)
            async with view_deadline(self._desk):
                return answer(await self._views.plan(who, order, plan), request=request)
        question = SubmitTraining(command_id=command, requester=who, order=order)
        accepted = await ask(self._desk, self._dispatcher, question, work=True)
        response = answer(AcceptedDocument(job_id=accepted.job_id, name=accepted.name), request=request, status=202)
        response.headers["Location"] = f"/v1/jobs/{accepted.job_id}"
        return response

    async def ps(self, request: web.Request) -> web.StreamResponse:
        """One page of jobs."""
        limit = whole_value(request, "limit", default=PS_ROWS_DEFAULT, least=1, most=PS_ROWS_MAX)
        cursor = None
        if "cursor" in request.query:
            cursor = text_value(request, "cursor", chars_max=CURSOR_CHARS_MAX)
        all_of_them = flag_value(request, "all")
        async with view_deadline(self._desk):
            page = await self._views.ps(asked(request).requester, limit, cursor, all_of_them)
        return answer(page, request=request)

    async def job(self, request: web.Request) -> web.StreamResponse:
        """One job."""
        return answer(await self._find(request), request=request)

    async def stop(self, request: web.Request) -> web.StreamResponse:
        """End one job, whatever it is doing."""
        found = await self._find(request)
        question = StopJob(
            command_id=command_id(self._desk, request), requester=asked(request).requester, job_id=found.job.id
        )
        stopped = await ask(self._desk, self._dispatcher, question)
        return answer(StopDocument(stopped=stopped.stopped), request=request)

    async def stop_all(self, request: web.Request) -> web.StreamResponse:
        """End every job of the requester."""
        question = StopAll(command_id=command_id(self._desk, request), requester=asked(request).requester)
        stopped = await ask(self._desk, self._dispatcher, question)
        return answer(StopDocument(stopped=stopped.stopped), request=request)

    async def wait(self, request: web.Request) -> web.StreamResponse:
        """Answer when the job is over, or with ``E-WAIT`` when the time given is."""
        most = self._desk.limits.wait_s
        span = seconds_value(request, "timeout_s", default=most, most=most)
        found = await self._find(request)
        try:
            async with Deadline(self._desk.clock, span):
                closed = await self._closed(request, found)
        except TimeoutError as late:
            raise Refusal("E-WAIT", f"{found.job.name} is not over after {span:g} s") from late
        return answer(closed, request=request)

    async def _closed(self, request: web.Request, found: TrainDocument) -> TrainDocument:
        if found.job.state is JobState.CLOSED:
            return found
        source = self._views.changes(asked(request).requester, found.job.id)
        try:
            async for now in source:
                if now.job.state is JobState.CLOSED:
                    return now
        finally:
            await close_source(source)
        raise Refusal("E-BUSY", f"{found.job.name} can not be followed any more")

    async def follow(self, request: web.Request) -> web.StreamResponse:
        """One document per change of the job; the closed one is the last."""
        return await send_lines(self._desk, request, self._views.changes(asked(request).requester, part(request)))

    async def logs(self, request: web.Request) -> web.StreamResponse:
        """The job's log, from ``after=FILE:LINE`` on."""
        position = _LOG_POSITION.fullmatch(request.query.get("after", "0:0"))
        if position is None:
            raise Refusal("E-BADREQUEST", "after takes FILE:LINE as each log line carries it")
        follow = flag_value(request, "follow")
        who = asked(request).requester
        source = self._views.log(who, part(request), int(position[1]), int(position[2]), follow)
        return await send_lines(self._desk, request, source)

    async def console(self, request: web.Request) -> web.StreamResponse:
        """The console of the job's machine as the provider keeps it, from ``after=ATTEMPT:PLACE`` on."""
        place = _CONSOLE_PLACE.fullmatch(request.query.get("after", "0:0"))
        if place is None:
            raise Refusal("E-BADREQUEST", "after takes ATTEMPT:PLACE as each piece of a console carries it")
        follow = flag_value(request, "follow")
        who = asked(request).requester
        source = self._views.console(who, part(request), int(place[1]), int(place[2]), follow)
        return await send_lines(self._desk, request, source, first_s=self._desk.limits.view_s)

    async def machines(self, request: web.Request) -> web.StreamResponse:
        """The provider's own listing, begun after this request."""
        async with view_deadline(self._desk):
            return answer(await self._views.machines(asked(request).requester), request=request)

    async def costs(self, request: web.Request) -> web.StreamResponse:
        """The cost report."""
        by = request.query.get("by", "day")
        if by not in _GROUPINGS:
            raise Refusal("E-BADREQUEST", f"by takes one of {', '.join(_GROUPINGS)}")
        async with view_deadline(self._desk):
            return answer(await self._views.costs(asked(request).requester, by), request=request)

    async def _find(self, request: web.Request) -> TrainDocument:
        async with view_deadline(self._desk):
            return await self._views.job(asked(request).requester, part(request))
