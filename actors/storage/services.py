"""Every request to the storage actor, led to the service that answers it, and audited.

Plain async code without a mailbox: the actor adds that. Requests run beside each other; what must not overlap is
serialised inside the services, per user or per thing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, assert_never

from actors.journal.interface import JournalError
from actors.storage.addressed import AddressedDatasets
from actors.storage.audit import who_of
from actors.storage.collection import Collector
from actors.storage.comparing import described
from actors.storage.datasets import DatasetService
from actors.storage.holds import JobsUsing
from actors.storage.importing import ImportService
from actors.storage.locks import NamedLocks
from actors.storage.models import ModelService
from actors.storage.parts import StorageParts
from actors.storage.predictions import PredictionService
from actors.storage.pruning import PruneService, Upkeep, added
from actors.storage.sweep import Swept, sweep
from messages.admin import (
    AbandonUpload,
    AddFromAddress,
    BeginImport,
    BeginPrediction,
    BeginUpload,
    BringDataset,
    CheckTraining,
    Collected,
    CollectResult,
    CommitUpload,
    FindDataset,
    FindModel,
    HoldDataset,
    ImportModel,
    ListDatasets,
    ListModels,
    LookAtImport,
    MakePrediction,
    ReadDataset,
    ReadModelFile,
    ReadPrediction,
    RemoveDataset,
    RemoveModel,
)
from messages.comparing import DescribedModel, DescribeModel
from messages.errors import Refusal
from messages.ids import ModelId
from messages.upkeep import PruneDocument, PruneStorage
from providers.interface import ProviderError

DatasetRequest = (
    BeginUpload
    | CommitUpload
    | AbandonUpload
    | AddFromAddress
    | ListDatasets
    | FindDataset
    | ReadDataset
    | RemoveDataset
    | CheckTraining
)
ModelRequest = ListModels | FindModel | DescribeModel | ReadModelFile | RemoveModel
ImportRequest = BeginImport | LookAtImport | ImportModel
PredictionRequests = BeginPrediction | MakePrediction | ReadPrediction
StorageMessage = (
    DatasetRequest
    | ModelRequest
    | ImportRequest
    | PredictionRequests
    | CollectResult
    | HoldDataset
    | BringDataset
    | PruneStorage
)
"""Everything the storage actor takes."""

Call = tuple[str, str, Callable[[], Awaitable[Any]], bool]
"""Verb and resource for the audit trail, the work, and whether only a refusal is recorded."""


class StorageServices:
    """The services over every provider's storage. Made once at boot; they outlive restarts of the actor."""

    def __init__(self, parts: StorageParts, jobs_using: JobsUsing, upkeep: Upkeep | None = None) -> None:
        """``parts`` are where new things go, ``upkeep`` says what may be pruned and when; without it nothing is."""
        self.parts = parts
        stores = (parts, *parts.others.values())
        self.upkeep = upkeep or Upkeep()
        self.prunings = [PruneService(one, self.upkeep, partial(self._swept, one)) for one in stores]
        staged = NamedLocks()
        self.datasets = DatasetService(parts, jobs_using, staged)
        self.addressed = AddressedDatasets(parts, self.datasets)
        self.models = ModelService(parts)
        self.imports = ImportService(parts, staged)
        self.predictions = PredictionService(parts, self.models, staged)
        self.collectors = {one.kind: Collector(one) for one in stores}

    async def answer(self, msg: StorageMessage) -> object:
        """Answer one request. Raises Refusal and the provider's errors, never the journal's."""
        match msg:
            case HoldDataset():
                await self._hold(msg)
                return None
            case CollectResult():
                return await self._collected(msg)
            case BringDataset():
                who = who_of(msg.requester)
                return await self.parts.audit.judged(
                    who, "dataset.copy", msg.dataset_id, self.datasets.bring(msg), quiet=True
                )
            case PruneStorage():
                return await self._pruned(msg)
            case (
                BeginUpload()
                | CommitUpload()
                | AbandonUpload()
                | AddFromAddress()
                | ListDatasets()
                | FindDataset()
                | ReadDataset()
                | RemoveDataset()
                | CheckTraining()
            ):
                what, resource, work, quiet = self._dataset_call(msg)
            case ListModels() | FindModel() | DescribeModel() | ReadModelFile() | RemoveModel():
                what, resource, work, quiet = self._model_call(msg)
            case BeginImport() | LookAtImport() | ImportModel():
                what, resource, work, quiet = self._import_call(msg)
            case BeginPrediction() | MakePrediction() | ReadPrediction():
                what, resource, work, quiet = self._prediction_call(msg)
            case _:
                assert_never(msg)
        return await self.parts.audit.judged(who_of(msg.requester), what, resource, work(), quiet=quiet)

    async def sweep(self) -> Swept | None:
        """Finish and clear up after processes that died; ``None`` when a store or the journal does not answer now."""
        swept = [await self._swept(one) for one in (self.parts, *self.parts.others.values())]
        found = [one for one in swept if one is not None]
        if len(found) < len(swept):
            return None
        return Swept(sum(one.staged for one in found), sum(one.removed for one in found))

    async def daily(self) -> None:
        """Prune every store for ever, once a day."""
        await asyncio.gather(*(one.daily() for one in self.prunings))

    async def _pruned(self, msg: PruneStorage) -> PruneDocument:
        """Prune every store. What one of them raises is raised once all had their turn."""
        found = await asyncio.gather(*(one.asked(msg) for one in self.prunings), return_exceptions=True)
        for one in found:
            if isinstance(one, BaseException):
                raise one
        return added([one for one in found if isinstance(one, PruneDocument)])

    async def _swept(self, parts: StorageParts) -> Swept | None:
        try:
            for removal in await self.parts.catalogue.removals_left():
                done = self.models if removal.target.startswith(f"{ModelId.prefix}_") else self.datasets
                await done.finish(removal)
            swept = await sweep(parts)
        except (ProviderError, JournalError):
            return None
        if any(swept):
            detail = f"{swept.staged} left by uploads, {swept.removed} of removed things"
            await parts.audit.record("sys", "storage.sweep", "", detail=detail)
        return swept

    def _dataset_call(self, msg: DatasetRequest) -> Call:
        user = msg.requester.user_id
        match msg:
            case BeginUpload():
                return "dataset.begin", msg.name, lambda: self.datasets.begin(msg), True
            case CommitUpload():
                return "dataset.add", msg.grant.dataset_id, lambda: self.datasets.commit(msg), False
            case AbandonUpload():
                return "dataset.abandon", msg.grant.dataset_id, lambda: self.datasets.abandon(msg), False
            case AddFromAddress():
                return "dataset.add", msg.address, lambda: self.addressed.add(msg), False
            case ListDatasets():
                return "dataset.list", "", lambda: self.datasets.all(user), True
            case FindDataset():
                return "dataset.find", msg.ref, lambda: self.datasets.find(user, msg.ref), True
            case ReadDataset():
                return "dataset.read", msg.ref, lambda: self.datasets.read(msg), False
            case RemoveDataset():
                return "dataset.remove", msg.ref, lambda: self.datasets.remove(msg), False
            case CheckTraining():
                return "dataset.check", msg.order.dataset, lambda: self.datasets.check(msg), True
            case _:
                assert_never(msg)

    def _model_call(self, msg: ModelRequest) -> Call:
        user = msg.requester.user_id
        match msg:
            case ListModels():
                return "model.list", "", lambda: self.models.all(user), True
            case FindModel():
                return "model.find", msg.ref, lambda: self.models.find(user, msg.ref), True
            case DescribeModel():
                return "model.describe", msg.ref, lambda: self._described(msg), True
            case ReadModelFile():
                return "model.read", f"{msg.ref} {msg.file}", lambda: self.models.read_file(msg), False
            case RemoveModel():
                return "model.remove", msg.ref, lambda: self.models.remove(msg), False
            case _:
                assert_never(msg)

    def _import_call(self, msg: ImportRequest) -> Call:
        match msg:
            case BeginImport():
                return "model.import.begin", "", lambda: self.imports.begin(msg), True
            case LookAtImport():
                return "model.import.look", msg.name or "", lambda: self.imports.look(msg), False
            case ImportModel():
                return "model.import", msg.name or "", lambda: self.imports.make(msg), False
            case _:
                assert_never(msg)

    def _prediction_call(self, msg: PredictionRequests) -> Call:
        match msg:
            case BeginPrediction():
                return "prediction.begin", msg.model, lambda: self.predictions.begin(msg), True
            case MakePrediction():
                return "prediction.make", msg.model, lambda: self.predictions.make(msg), False
            case ReadPrediction():
                return "prediction.read", msg.prediction_id, lambda: self.predictions.read(msg), False
            case _:
                assert_never(msg)

    async def _described(self, msg: DescribeModel) -> DescribedModel:
        return await described(self.parts, await self.models.find(msg.requester.user_id, msg.ref))

    async def _collected(self, msg: CollectResult) -> Collected:
        """Collect; a result that does not hold is an answer, and a refusal in the audit trail."""
        parts = self.parts.at(msg.provider)
        who, trail, collector = who_of(msg.requester), parts.audit, self.collectors[parts.kind]
        result = await trail.judged(who, "model.collect", msg.job_id, collector.collect(msg), quiet=True)
        await trail.record(
            who, "model.collect", msg.job_id, code=result.code, detail=result.detail, success=result.code is None
        )
        return result

    async def _hold(self, msg: HoldDataset) -> None:
        """Hold a data set; the job it is for is audited by whoever accepts that."""
        for one in self.prunings:
            one.accepting(msg.job_id)
        try:
            await self.datasets.hold(msg)
        except JournalError as error:
            raise Refusal("E-JOURNAL") from error
