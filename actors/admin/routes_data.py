"""Data sets."""

from __future__ import annotations

from aiohttp import web

from actors.admin.asking import Desk, answer, ask, asked, command_id, part, text_value
from actors.admin.limits import NAME_CHARS_MAX
from actors.admin.streams import send_bytes
from actors.admin.uploads import declared_size, receive
from messages.admin import (
    AddFromAddress,
    BeginUpload,
    CommitUpload,
    FindDataset,
    ListDatasets,
    ReadDataset,
    RemoveDataset,
)
from messages.documents import DatasetDocument, DatasetRow, DatasetsDocument, RemovedDocument
from messages.errors import Refusal
from messages.storage import DatasetInfo, ObjectInfo


def row(found: DatasetInfo) -> DatasetRow:
    """Return a data set as people see it: without keys."""
    return DatasetRow(
        id=found.id,
        name=found.name,
        rows=found.profile.rows,
        columns=found.profile.columns,
        size_bytes=found.size_bytes,
        sha256=found.sha256,
        added=found.added,
        delimiter=found.profile.delimiter,
        encoding=found.profile.encoding,
        provider=found.provider,
    )


class DataRoutes:
    """Handlers of ``/v1/datasets``."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._storage = desk.services.storage

    def table(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.post("/v1/datasets", self.add),
            web.get("/v1/datasets", self.ls, allow_head=False),
            web.get("/v1/datasets/{ref}", self.show, allow_head=False),
            web.get("/v1/datasets/{ref}/content", self.content, allow_head=False),
            web.delete("/v1/datasets/{ref}", self.remove),
        ]

    async def add(self, request: web.Request) -> web.StreamResponse:
        """Stream a file in and make it a data set, or refuse it with what is wrong with it.

        With ``?from=ADDRESS`` nothing is sent: the file lies in the store.
        """
        if "from" in request.query:
            return await self._add_from(request)
        name = text_value(request, "name", chars_max=NAME_CHARS_MAX)
        who = asked(request).requester
        command = command_id(self._desk, request)
        size = declared_size(self._desk, request)
        begin = BeginUpload(command_id=command, requester=who, name=name, size_bytes=size)
        grant = await ask(self._desk, self._storage, begin)

        async def commit(stored: ObjectInfo) -> DatasetInfo:
            question = CommitUpload(command_id=command, requester=who, grant=grant, name=name, stored=stored)
            return await ask(self._desk, self._storage, question, work=True, moved_bytes=stored.size_bytes)

        added = await receive(self._desk, request, grant, commit)
        return answer(DatasetDocument(dataset=row(added)), request=request, status=201)

    async def _add_from(self, request: web.Request) -> web.StreamResponse:
        if request.can_read_body:
            raise Refusal("E-BADREQUEST", "an address comes without bytes")
        name = text_value(request, "name", chars_max=NAME_CHARS_MAX) if "name" in request.query else None
        question = AddFromAddress(
            command_id=command_id(self._desk, request),
            requester=asked(request).requester,
            address=request.query["from"],
            name=name,
        )
        both_ways = 2 * self._desk.limits.upload_bytes
        added = await ask(self._desk, self._storage, question, work=True, moved_bytes=both_ways)
        return answer(DatasetDocument(dataset=row(added)), request=request, status=201)

    async def ls(self, request: web.Request) -> web.StreamResponse:
        """Every data set of the requester."""
        found = await ask(self._desk, self._storage, ListDatasets(requester=asked(request).requester))
        return answer(DatasetsDocument(datasets=tuple(row(d) for d in found)), request=request)

    async def show(self, request: web.Request) -> web.StreamResponse:
        """One data set."""
        question = FindDataset(requester=asked(request).requester, ref=part(request))
        found = await ask(self._desk, self._storage, question)
        return answer(DatasetDocument(dataset=row(found)), request=request)

    async def content(self, request: web.Request) -> web.StreamResponse:
        """The bytes of one data set."""
        question = ReadDataset(requester=asked(request).requester, ref=part(request))
        grant = await ask(self._desk, self._storage, question)
        return await send_bytes(self._desk, request, grant)

    async def remove(self, request: web.Request) -> web.StreamResponse:
        """Delete one data set that no open job uses."""
        question = RemoveDataset(
            command_id=command_id(self._desk, request), requester=asked(request).requester, ref=part(request)
        )
        gone = await ask(self._desk, self._storage, question)
        return answer(RemovedDocument(id=gone.id, name=gone.name), request=request)
