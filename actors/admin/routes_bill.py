"""A provider's bill, where seeing it costs: its price first, then the answer."""

from __future__ import annotations

import re
from datetime import date

from aiohttp import web

from actors.admin.asking import Desk, answer, asked, command_id, view_deadline
from actors.admin.deadline import Deadline
from messages.errors import Refusal

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class BillRoutes:
    """Handlers of ``/v1/costs/billed``."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._views = desk.services.views

    def table(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/v1/costs/billed", self.price, allow_head=False),
            web.post("/v1/costs/billed", self.ask),
        ]

    async def price(self, request: web.Request) -> web.StreamResponse:
        """What the question would cost; nothing is asked."""
        async with view_deadline(self._desk):
            found = await self._views.bill_price(
                asked(request).requester, _day(request, "since"), _day(request, "until")
            )
        return answer(found, request=request)

    async def ask(self, request: web.Request) -> web.StreamResponse:
        """Ask the provider, which costs, and compare. The same key again is refused, never asked twice."""
        command = command_id(self._desk, request)
        since, until = _day(request, "since"), _day(request, "until")
        async with Deadline(self._desk.clock, self._desk.limits.working_s(0)):
            found = await self._views.billed(asked(request).requester, command, since, until)
        return answer(found, request=request)


def _day(request: web.Request, name: str) -> date | None:
    raw = request.query.get(name)
    if raw is None:
        return None
    try:
        return date.fromisoformat(raw) if _DAY.fullmatch(raw) else _no_day(name)
    except ValueError:
        return _no_day(name)


def _no_day(name: str) -> date:
    raise Refusal("E-BADREQUEST", f"{name} takes a day such as 2026-11-23")
