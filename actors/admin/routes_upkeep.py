"""Looking after what is there: machines no open job owns, and what the store need not keep."""

from __future__ import annotations

from aiohttp import web

from actors.admin.asking import Desk, answer, ask, asked, flag_value, json_body
from messages.upkeep import PruneStorage, Reconcile, ReconcileOrder


class UpkeepRoutes:
    """Handlers of ``/v1/machines/reconcile`` and ``/v1/prune``."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def table(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.post("/v1/machines/reconcile", self.reconcile),
            web.post("/v1/prune", self.prune),
        ]

    async def reconcile(self, request: web.Request) -> web.StreamResponse:
        """Judge every machine of a fresh listing and do what the body says; the same again is harmless."""
        order = await json_body(self._desk, request, ReconcileOrder)
        question = Reconcile(requester=asked(request).requester, order=order)
        found = await ask(self._desk, self._desk.services.reconciler, question, work=True)
        return answer(found, request=request)

    async def prune(self, request: web.Request) -> web.StreamResponse:
        """Delete what ``retention.*`` no longer keeps; with ``dry_run=1`` only count it."""
        question = PruneStorage(requester=asked(request).requester, dry_run=flag_value(request, "dry_run"))
        pruned = await ask(self._desk, self._desk.services.storage, question, work=True)
        return answer(pruned, request=request)
