"""Models and predictions."""

from __future__ import annotations

from aiohttp import web

from actors.admin.asking import Desk, answer, ask, asked, command_id, part, text_value
from actors.admin.limits import NAME_CHARS_MAX, REF_CHARS_MAX
from actors.admin.streams import send_bytes
from actors.admin.uploads import declared_size, receive
from messages.admin import (
    BeginImport,
    BeginPrediction,
    FindModel,
    ImportLook,
    ImportModel,
    ListModels,
    LookAtImport,
    MakePrediction,
    ReadModelFile,
    ReadPrediction,
    RemoveModel,
)
from messages.documents import (
    ImportLookDocument,
    ModelDocument,
    ModelsDocument,
    PredictionDocument,
    RemovedDocument,
)
from messages.errors import Refusal
from messages.ids import ModelId, PredictionId
from messages.storage import ModelInfo, ObjectInfo, PredictionInfo

_COLUMN_CHARS_MAX = 100
_SHA256_CHARS = 64


class ModelRoutes:
    """Handlers of ``/v1/models``, ``/v1/imports`` and ``/v1/predictions``."""

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
            web.post("/v1/imports", self.imports),
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

    async def imports(self, request: web.Request) -> web.StreamResponse:
        """Stream the package of an older model in: look at it, or with a confirmation bring it over."""
        who, command = asked(request).requester, command_id(self._desk, request)
        name = text_value(request, "name", chars_max=NAME_CHARS_MAX) if "name" in request.query else None
        confirm = text_value(request, "confirm", chars_max=NAME_CHARS_MAX) if "confirm" in request.query else None
        sha256 = text_value(request, "sha256", chars_max=_SHA256_CHARS) if "sha256" in request.query else None
        size = declared_size(self._desk, request)
        begin = BeginImport(command_id=command, requester=who, size_bytes=size)
        grant = await ask(self._desk, self._storage, begin)

        async def look(_: ObjectInfo) -> ImportLook:
            return await ask(self._desk, self._storage, LookAtImport(requester=who, grant=grant, name=name), work=True)

        async def make(stored: ObjectInfo) -> ModelInfo:
            question = ImportModel(
                command_id=command, requester=who, grant=grant, name=name, confirm=confirm or "", sha256=sha256
            )
            return await ask(self._desk, self._storage, question, work=True, moved_bytes=2 * stored.size_bytes)

        if confirm is None:
            return answer(ImportLookDocument(look=await receive(self._desk, request, grant, look)), request=request)
        made = await receive(self._desk, request, grant, make)
        return answer(ModelDocument(model=made, files=made.artifacts), request=request, status=201)

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
