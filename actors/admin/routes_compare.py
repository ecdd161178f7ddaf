"""Models beside each other, and a job's order once more."""

from __future__ import annotations

from aiohttp import web

from actors.admin.asking import Desk, answer, ask, asked, part, text_value, view_deadline
from actors.admin.limits import REF_CHARS_MAX
from actors.admin.problems import RefusedByActor
from messages.admin import FindDataset, ListDatasets
from messages.comparing import DescribedModel, DescribeModel
from messages.documents import JobPart
from messages.errors import Refusal
from messages.ids import DatasetId, JobId
from messages.jobs import Requester
from messages.storage import DatasetInfo


class CompareRoutes:
    """Handlers of ``/v1/compare`` and ``/v1/jobs/{ref}/order``."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._storage = desk.services.storage
        self._views = desk.services.views

    def table(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/v1/compare", self.compare, allow_head=False),
            web.get("/v1/jobs/{ref}/order", self.order, allow_head=False),
        ]

    async def compare(self, request: web.Request) -> web.StreamResponse:
        """Two models, each named by itself or by its job, beside each other."""
        who = asked(request).requester
        refs = [text_value(request, name, chars_max=REF_CHARS_MAX) for name in ("first", "second")]
        first, second = [await self._model(who, ref) for ref in refs]
        jobs = (await self._job(who, first), await self._job(who, second))
        return answer(self._views.compare((first, second), jobs), request=request)

    async def order(self, request: web.Request) -> web.StreamResponse:
        """The order that does a job's work once more. Nothing is ordered yet."""
        who, ref = asked(request).requester, part(request)
        async with view_deadline(self._desk):
            found = await self._views.job(who, ref)
        model = await self._of_job(who, found.job.id, found.job.name, found.model.id)
        datasets = await self._data(who, found.job.dataset_id)
        async with view_deadline(self._desk):
            return answer(await self._views.again(who, found.job.id, model, datasets), request=request)

    async def _data(self, who: Requester, dataset: DatasetId) -> tuple[DatasetInfo, ...]:
        """Return the data set, or all there are where it is gone: another one may have the same bytes."""
        try:
            return (await ask(self._desk, self._storage, FindDataset(requester=who, ref=dataset)),)
        except RefusedByActor as refused:
            if refused.refusal.code != "E-NOTFOUND":
                raise
        return await ask(self._desk, self._storage, ListDatasets(requester=who))

    async def _model(self, who: Requester, ref: str) -> DescribedModel:
        """Return the model that ``ref`` names, or the one that the job ``ref`` left."""
        if not ref.startswith(f"{JobId.prefix}_"):
            try:
                return await ask(self._desk, self._storage, DescribeModel(requester=who, ref=ref))
            except RefusedByActor as refused:
                if refused.refusal.code != "E-NOTFOUND":
                    raise
        async with view_deadline(self._desk):
            found = await self._views.job(who, ref)
        return await self._of_job(who, found.job.id, found.job.name, found.model.id)

    async def _of_job(self, who: Requester, job_id: JobId, name: str, model: str | None) -> DescribedModel:
        if model is None:
            raise Refusal("E-NOTFOUND", f"{name} ({job_id}) left no model to compare with")
        return await ask(self._desk, self._storage, DescribeModel(requester=who, ref=model))

    async def _job(self, who: Requester, model: DescribedModel) -> JobPart | None:
        """Return the job that made a model; a journal that was lost does not know it any more.

        An imported one was made by none.
        """
        if model.info.job_id is None:
            return None
        try:
            async with view_deadline(self._desk):
                return (await self._views.job(who, model.info.job_id)).job
        except Refusal as refused:
            if refused.code != "E-NOTFOUND":
                raise
            return None
