"""The audit and job history as a stream."""

from __future__ import annotations

from aiohttp import web

from actors.admin.asking import Desk, asked, flag_value, whole_value
from actors.admin.streams import send_lines


class EventRoutes:
    """Handler of ``/v1/events``."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def table(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [web.get("/v1/events", self.events, allow_head=False)]

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Events past position ``after``; with ``follow=1`` also those to come."""
        after = whole_value(request, "after", default=0, least=0)
        follow = flag_value(request, "follow")
        source = self._desk.services.views.events(asked(request).requester, after, follow)
        return await send_lines(self._desk, request, source)
