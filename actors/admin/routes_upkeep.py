"""Looking after what is there: machines no open job owns."""

from __future__ import annotations

from aiohttp import web

from actors.admin.asking import Desk, answer, ask, asked, json_body
from messages.upkeep import Reconcile, ReconcileOrder


class UpkeepRoutes:
    """Handlers of ``/v1/machines/reconcile``."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def table(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [web.post("/v1/machines/reconcile", self.reconcile)]

    async def reconcile(self, request: web.Request) -> web.StreamResponse:
        """Judge every machine of a fresh listing and do what the body says; the same again is harmless."""
        order = await json_body(self._desk, request, ReconcileOrder)
        question = Reconcile(requester=asked(request).requester, order=order)
        found = await ask(self._desk, self._desk.services.reconciler, question, work=True)
        return answer(found, request=request)
