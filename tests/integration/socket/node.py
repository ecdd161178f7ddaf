"""A node behind the gateway that keeps everything in memory and answers from the examples."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import date
from typing import Any

from actors.admin.services import Services
from actors.views.comparing import compare
from messages import admin, comparing, upkeep
from messages.documents import (
    BilledDocument,
    BillPriceDocument,
    ConsoleOut,
    CostDocument,
    EventLine,
    JobPart,
    LogLineOut,
    MachinesDocument,
    PlanDocument,
    PsDocument,
    StatusDocument,
    TrainDocument,
)
from messages.errors import Refusal
from messages.ids import CommandId, DatasetId, JobId
from messages.jobs import JobState, Plan, Requester
from messages.storage import DatasetInfo, ModelInfo, ObjectInfo
from providers.interface import CloudStorageProvider, Conflict, NotFound
from tests.integration.socket import examples

GRANT_BYTES_MAX = 4 << 20


class MemoryStore(CloudStorageProvider):
    """Objects in a dictionary, write-once where asked, nothing kept of a put that broke off."""

    kind = "local"

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.broken_at: int | None = None
        """Reads fail after this many pieces."""

    async def put(self, key: str, chunks: AsyncIterator[bytes], *, exclusive: bool = False) -> ObjectInfo:
        if exclusive and key in self.objects:
            raise Conflict(key)
        data = b"".join([piece async for piece in chunks])
        self.objects[key] = data
        return await self.stat(key)

    async def get(self, key: str, *, offset: int = 0) -> AsyncIterator[bytes]:
        data = self.objects.get(key)
        if data is None:
            raise NotFound(key)
        for index, start in enumerate(range(offset, len(data), 64 << 10)):
            if index == self.broken_at:
                raise OSError("the disk is gone")
            yield data[start : start + (64 << 10)]

    async def stat(self, key: str) -> ObjectInfo:
        if key not in self.objects:
            raise NotFound(key)
        data = self.objects[key]
        return examples.stored(key, data, hashlib.sha256(data).hexdigest())

    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        for key in sorted(k for k in self.objects if k.startswith(prefix)):
            yield await self.stat(key)

    async def copy(self, source: str, target: str) -> ObjectInfo:
        self.objects[target] = self.objects[source]
        return await self.stat(target)

    async def delete(self, key: str) -> None:
        self.objects.pop(key, None)

    def machine_path(self, key: str) -> str:
        return f"/{key}"


class FakeActor:
    """Answers each request type with a function, and remembers what it was asked."""

    def __init__(self, answers: dict[type[Any], Callable[[Any], Any]]) -> None:
        self.answers = answers
        self.asked: list[Any] = []

    async def ask(self, request: Any, timeout_s: float) -> Any:
        self.asked.append(request)
        reply = self.answers[type(request)](request)
        if asyncio.iscoroutine(reply):
            return await reply
        return reply


class FakeNode:
    """Dispatcher, storage, store and views in one."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.audits: list[tuple[str, str, str, bool, str | None, str]] = []
        self.documents: list[TrainDocument] = [examples.running(10), examples.running(60), examples.succeeded()]
        """What a job goes through, in order."""
        self.job_now = examples.succeeded()
        self.lines = [examples.log_line(n, f"line {n}") for n in range(1, 4)]
        self.event_lines = [examples.event(n) for n in range(1, 4)]
        self.machine_list = examples.machines()
        self.status_now = examples.status()
        self.console_pieces = [("1:5", "pulling ima"), ("1:9", "ge\nstarted\n")]
        self.looking = 0
        self.bills: list[tuple[str, date | None, date | None]] = []
        """Who reads a console now."""
        self.datasets: dict[str, DatasetInfo] = {}
        self.described = [examples.described(), examples.described_other()]
        self.release = asyncio.Event()
        """Streams that follow go on when this is set."""
        self.release.set()
        self.held = 0
        """Streams that have sent what there is and wait for that."""
        self.dispatcher = FakeActor(
            {
                admin.PlanTraining: lambda _: examples.plan(),
                admin.SubmitTraining: lambda _: admin.JobAccepted(job_id=examples.JOB, name="churn-7fa"),
                admin.StopJob: lambda q: admin.StopAnswer(stopped=(q.job_id,)),
                admin.StopAll: lambda _: admin.StopAnswer(stopped=(examples.JOB, examples.OTHER_JOB)),
            }
        )
        self.storage = FakeActor(
            {
                admin.BeginUpload: self._begin,
                admin.CommitUpload: self._commit,
                admin.AddFromAddress: self._add_from,
                admin.AbandonUpload: lambda q: self.store.delete(q.grant.key),
                admin.ListDatasets: lambda _: tuple(self.datasets.values()),
                admin.FindDataset: lambda q: self._dataset(q.ref),
                admin.ReadDataset: lambda q: self._grant(self._dataset(q.ref)),
                admin.RemoveDataset: self._remove,
                admin.ListModels: lambda _: (examples.model(),),
                admin.FindModel: lambda q: self._model(q.ref),
                comparing.DescribeModel: lambda q: self._described(q.ref),
                admin.ReadModelFile: self._model_file,
                admin.RemoveModel: lambda q: self._model(q.ref),
                admin.BeginImport: self._begin,
                admin.LookAtImport: lambda q: examples.import_look(q.name),
                admin.ImportModel: self._import,
                admin.BeginPrediction: self._begin,
                admin.MakePrediction: self._predict,
                upkeep.PruneStorage: lambda q: examples.pruned(dry_run=q.dry_run),
                admin.ReadPrediction: lambda _: admin.DownloadGrant(key="predicted", size_bytes=11, name="out.csv"),
            }
        )
        self.reconciler = FakeActor(
            {upkeep.Reconcile: lambda q: examples.reconciled(acts=q.order.adopt or q.order.reap)}
        )
        self.store.objects["predicted"] = b"a,b\n1,2\n3,4"
        self.store.objects["model"] = b"model bytes"

    def services(self) -> Services:
        return Services(
            dispatcher=self.dispatcher,
            storage=self.storage,
            reconciler=self.reconciler,
            store=self.store,
            incoming=self.store,
            views=self,
            audit=self.audit,
            version="0.1.0",
        )

    async def audit(self, who: str, what: str, resource: str, success: bool, code: str | None, detail: str) -> None:
        self.audits.append((who, what, resource, success, code, detail))

    # ------------------------------------------------------------------------------------------ storage

    def _begin(self, question: Any) -> admin.UploadGrant:
        id_ = DatasetId.derived(question.command_id)
        return admin.UploadGrant(dataset_id=id_, key=f"datasets/{id_}", bytes_max=GRANT_BYTES_MAX)

    def _commit(self, question: admin.CommitUpload) -> DatasetInfo:
        if self.store.objects[question.grant.key] == b"":
            raise Refusal("E-CSV-EMPTY")
        changes = {
            "id": question.grant.dataset_id,
            "name": question.name,
            "key": question.grant.key,
            "size_bytes": question.stored.size_bytes,
            "sha256": question.stored.sha256,
        }
        added = examples.dataset().model_copy(update=changes)
        self.datasets[added.id] = added
        return added

    def _add_from(self, question: admin.AddFromAddress) -> DatasetInfo:
        if not question.address.startswith("runpod://vol123/"):
            raise Refusal("E-KEY", "your files are those below runpod://vol123/")
        name = question.name or question.address.rsplit("/", 1)[-1]
        added = examples.dataset().model_copy(update={"id": DatasetId.derived(question.command_id), "name": name})
        self.datasets[added.id] = added
        return added

    def _dataset(self, ref: str) -> DatasetInfo:
        for found in self.datasets.values():
            if ref in (found.id, found.name):
                return found
        raise Refusal("E-NOTFOUND", f"no data set {ref}")

    def _grant(self, found: DatasetInfo) -> admin.DownloadGrant:
        return admin.DownloadGrant(key=found.key, size_bytes=found.size_bytes, name=found.name)

    def _remove(self, question: admin.RemoveDataset) -> DatasetInfo:
        return self.datasets.pop(self._dataset(question.ref).id)

    def _model(self, ref: str) -> Any:
        if ref not in (examples.MODEL, "churn-7fa", "@last"):
            raise Refusal("E-NOTFOUND", f"no model {ref}")
        digest = hashlib.sha256(b"model bytes").hexdigest()
        found = examples.model()
        files = tuple(f.model_copy(update={"sha256": digest}) for f in found.artifacts)
        return found.model_copy(update={"artifacts": files})

    def _described(self, ref: str) -> comparing.DescribedModel:
        for found in self.described:
            if ref in (found.info.id, found.info.name):
                return found
        raise Refusal("E-NOTFOUND", f"no model {ref}")

    def _model_file(self, question: admin.ReadModelFile) -> admin.DownloadGrant:
        if question.file not in [a.name for a in self._model(question.ref).artifacts]:
            raise Refusal("E-NOTFOUND", "no such file")
        return admin.DownloadGrant(key="model", size_bytes=11, name=question.file)

    def _import(self, question: admin.ImportModel) -> ModelInfo:
        look = examples.import_look(question.name)
        if question.confirm not in look.confirm:
            raise Refusal("E-IMPORT-CONFIRM", "it is churn-old")
        return examples.imported(look)

    def _predict(self, question: admin.MakePrediction) -> Any:
        self._model(question.model)
        return examples.prediction()

    # ------------------------------------------------------------------------------------------ views

    async def _held(self) -> None:
        self.held += 1
        try:
            await self.release.wait()
        finally:
            self.held -= 1

    async def status(self, requester: Requester) -> StatusDocument:
        return self.status_now

    async def job(self, requester: Requester, ref: str) -> TrainDocument:
        if ref not in (examples.JOB, "churn-7fa", "@last"):
            raise Refusal("E-NOTFOUND", f"no job {ref}")
        return self.job_now

    async def ps(self, requester: Requester, limit: int, cursor: str | None, all: bool) -> PsDocument:
        return examples.ps()

    async def machines(self, requester: Requester) -> MachinesDocument:
        return self.machine_list

    async def costs(self, requester: Requester, by: str) -> CostDocument:
        return examples.cost()

    async def bill_price(self, requester: Requester, since: date | None, until: date | None) -> BillPriceDocument:
        return examples.bill_price(since, until)

    async def billed(
        self, requester: Requester, command: CommandId, since: date | None, until: date | None
    ) -> BilledDocument:
        self.bills.append((str(command), since, until))
        return examples.billed()

    async def plan(self, requester: Requester, order: admin.TrainOrder, plan: Plan) -> PlanDocument:
        return examples.plan_document()

    async def again(
        self,
        requester: Requester,
        job_id: JobId,
        model: comparing.DescribedModel,
        datasets: Sequence[DatasetInfo],
    ) -> comparing.OrderDocument:
        if not datasets:
            raise Refusal("E-DATA-GONE", "customers.csv is not among your data sets any more")
        order = admin.TrainOrder(dataset=datasets[0].id, target="churn", model="random_forest", seed=7)
        return comparing.OrderDocument(
            job_id=job_id, name="churn-7fa", model_id=model.info.id, dataset_sha256="ab" * 32, order=order
        )

    def compare(
        self,
        models: tuple[comparing.DescribedModel, comparing.DescribedModel],
        jobs: tuple[JobPart | None, JobPart | None],
    ) -> comparing.CompareDocument:
        return compare(models, jobs)

    async def config(self, requester: Requester) -> dict[str, Any]:
        return {"provider": "local"}

    async def events(self, requester: Requester, after: int, follow: bool) -> AsyncIterator[EventLine]:
        for line in self.event_lines:
            if line.position > after:
                yield line
        if follow:
            await self._held()

    async def changes(self, requester: Requester, ref: str) -> AsyncIterator[TrainDocument]:
        await self.job(requester, ref)
        for document in self.documents:
            yield document
            if document.job.state is not JobState.CLOSED:
                await self._held()

    async def log(
        self, requester: Requester, ref: str, after_file: int, after_line: int, follow: bool
    ) -> AsyncIterator[LogLineOut]:
        await self.job(requester, ref)
        for line in self.lines:
            if (line.file, line.line) > (after_file, after_line):
                yield line
        if follow:
            await self._held()

    async def console(
        self, requester: Requester, ref: str, attempt: int, position: int, follow: bool
    ) -> AsyncIterator[ConsoleOut]:
        await self.job(requester, ref)
        self.looking += 1
        try:
            if not self.console_pieces:
                await self._held()
                raise Refusal("E-NOTFOUND", "the machine is gone", hint="Read its log: lastcall logs churn-7fa")
            for place, text in self.console_pieces:
                if int(place.split(":")[1]) > position:
                    yield ConsoleOut(position=place, text=text)
            if follow:
                await self._held()
        finally:
            self.looking -= 1
