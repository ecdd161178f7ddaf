"""Models and predictions."""

from __future__ import annotations

from aiohttp import web

from actors.admin.asking import Desk, answer, ask, asked, command_id, part, text_value
from actors.admin.limits import NAME_CHARS_MAX, REF_CHARS_MAX
from actors.admin.streams import send_bytes
from actors.admin.uploads import declared_size, receive
from messages.admin import (
    BeginPrediction,
    FindModel,
    ListModels,
    MakePrediction,
    ReadModelFile,
    ReadPrediction,
    RemoveModel,
)
from messages.documents import ModelDocument, ModelsDocument, PredictionDocument, RemovedDocument
from messages.errors import Refusal
from messages.ids import ModelId, PredictionId
from messages.storage import ObjectInfo, PredictionInfo

_COLUMN_CHARS_MAX = 100


class ModelRoutes:
    """Handlers of ``/v1/models`` and ``/v1/predictions``."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._storage = desk.services.storage

    def table(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/v1/models", self.ls, allow_head=False),
            web.get("/v1/models/{ref}", self.show, allow_head=False),
            web.get("/v1/models/{ref}/files/{file}", self.file, allow_head=False),
            web.delete("/v1/models/{ref}", self.remove),
            web.post("/v1/predictions", self.predict),
            web.get("/v1/predictions/{id}/content", self.predicted, allow_head=False),
        ]

    async def ls(self, request: web.Request) -> web.StreamResponse:
        """Every model of the requester."""
        found = await ask(self._desk, self._storage, ListModels(requester=asked(request).requester))
        return answer(ModelsDocument(models=found), request=request)

    async def show(self, request: web.Request) -> web.StreamResponse:
        """One model and its files."""
        question = FindModel(requester=asked(request).requester, ref=part(request))
        found = await ask(self._desk, self._storage, question)
        return answer(ModelDocument(model=found, files=found.artifacts), request=request)

    async def file(self, request: web.Request) -> web.StreamResponse:
        """The bytes of one file of a model."""
        question = ReadModelFile(requester=asked(request).requester, ref=part(request), file=part(request, "file"))
        grant = await ask(self._desk, self._storage, question)
        return await send_bytes(self._desk, request, grant)

    async def remove(self, request: web.Request) -> web.StreamResponse:
        """Delete one model and its files."""
        question = RemoveModel(
            command_id=command_id(self._desk, request), requester=asked(request).requester, ref=part(request)
        )
        gone = await ask(self._desk, self._storage, question)
        return answer(RemovedDocument(id=gone.id, name=gone.name), request=request)

    async def predict(self, request: web.Request) -> web.StreamResponse:
        """Stream rows in, run them through a model, keep the result."""
        model = text_value(request, "model", chars_max=REF_CHARS_MAX)
        name = text_value(request, "name", default="rows.csv", chars_max=NAME_CHARS_MAX)
        column = text_value(request, "column", default="prediction", chars_max=_COLUMN_CHARS_MAX)
        who = asked(request).requester
        command = command_id(self._desk, request)
        declared_size(self._desk, request)
        begin = BeginPrediction(command_id=command, requester=who, model=model, name=name)
        grant = await ask(self._desk, self._storage, begin)

        async def run(stored: ObjectInfo) -> PredictionInfo:
            question = MakePrediction(command_id=command, requester=who, model=model, grant=grant, column=column)
            both_ways = 2 * stored.size_bytes
            return await ask(self._desk, self._storage, question, work=True, moved_bytes=both_ways)

        made = await receive(self._desk, request, grant, run)
        document = PredictionDocument(
            id=made.id,
            model_id=ModelId(made.model_id),
            rows=made.rows,
            size_bytes=made.size_bytes,
            cost_usd=made.cost_usd,
        )
        return answer(document, request=request, status=201)

    async def predicted(self, request: web.Request) -> web.StreamResponse:
        """The result file of one prediction."""
        try:
            prediction = PredictionId(part(request, "id"))
        except ValueError as error:
            raise Refusal("E-NOTFOUND", "no prediction has such an id") from error
        question = ReadPrediction(requester=asked(request).requester, prediction_id=prediction)
        grant = await ask(self._desk, self._storage, question)
        return await send_bytes(self._desk, request, grant)
