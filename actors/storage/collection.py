"""Collecting a result: verify what a marker claims, copy it into a model folder, manifest last, one event.

A crash at any point leaves no visible model, and the same request again completes it: the model's id follows from
the job's, files that are already whole are kept, and the event is appended once.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from actors.storage.access import Granted, decide_access
from actors.storage.bundle import (
    DOCUMENT_BYTES_MAX,
    METADATA_FILE,
    METRICS_FILE,
    Description,
    Fault,
    description_of,
    files_of,
    metrics_of,
)
from actors.storage.locks import NamedLocks
from actors.storage.models import MANIFEST, manifest_bytes, read_manifest
from actors.storage.parts import StorageParts
from actors.storage.reading import TooLarge, copy_verified, digest, put_bytes, read_small
from actors.storage.records import append_once, model_record
from actors.storage.references import not_found
from messages.admin import Collected, CollectResult
from messages.errors import Refusal
from messages.events import ModelStored
from messages.ids import ModelId
from messages.storage import Artifact, ModelInfo
from providers.interface import NotFound, ProviderError

COPY_TRIES: Final = 2
"""A copy whose digest is wrong is made once more: the flip may have been in the reading, not in the file."""


class Collector:
    """Turns the folder of an ended attempt into a stored model."""

    def __init__(self, parts: StorageParts) -> None:
        self._parts = parts
        self._locks = NamedLocks()

    async def collect(self, msg: CollectResult) -> Collected:
        """Verify and store. A result that does not hold is an answer with a code, not an error.

        Raises Refusal ``E-KEY`` for a folder that is not this attempt's, and what store and journal raise.
        """
        user = msg.requester.user_id
        if msg.folder != self._parts.layout.job_folder(user, msg.job_id, msg.attempt):
            raise Refusal("E-KEY", "not the folder of this attempt")
        model = ModelId.derived(msg.job_id)
        async with self._locks.held(model):
            kept = await model_record(self._parts.journal, model)
            if kept is not None:
                if kept.info.user_id != user:
                    raise not_found("job")
                return Collected(model_id=model, metrics=kept.info.metrics)
            return await self._collect(msg, model)

    async def _collect(self, msg: CollectResult, model: ModelId) -> Collected:
        settings, store = self._parts.settings, self._parts.store
        folder = self._parts.layout.model_folder(msg.requester.user_id, model)
        files = files_of(msg.artifacts, settings.artifact_files_max, settings.artifact_bytes_max)
        if isinstance(files, Fault):
            return _refused(files)
        info = await read_manifest(store, folder)
        if info is None or not _describes(info, msg, files):
            made = await self._make(msg, model, folder, files)
            if isinstance(made, Fault):
                return _refused(made)
            info = made
        if not await append_once(self._parts.journal, f"model/{model}", ModelStored(model=info), None):
            kept = await model_record(self._parts.journal, model)
            info = kept.info if kept else info
        return Collected(model_id=model, metrics=info.metrics)

    async def _make(
        self, msg: CollectResult, model: ModelId, folder: str, files: dict[str, Artifact]
    ) -> ModelInfo | Fault:
        """Copy every file, read what the copies say, and write the manifest last."""
        store = self._parts.store
        await store.delete(f"{folder}/{MANIFEST}")
        for name, artifact in files.items():
            fault = await self._copy(msg, f"{folder}/{name}", artifact)
            if fault is not None:
                await self._clean(folder, files)
                return fault
        documents = await self._documents(folder, str(msg.job_id))
        if isinstance(documents, Fault):
            await self._clean(folder, files)
            return documents
        metrics, description = documents
        info = ModelInfo(
            id=model,
            user_id=msg.requester.user_id,
            name=msg.name,
            job_id=msg.job_id,
            dataset_id=msg.dataset_id,
            key=folder,
            **description._asdict(),
            metrics=metrics,
            artifacts=tuple(Artifact(name=n, size_bytes=a.size_bytes, sha256=a.sha256) for n, a in files.items()),
            size_bytes=sum(artifact.size_bytes for artifact in files.values()),
            created=self._parts.world.clock.now(),
            provider=self._parts.kind,
        )
        await put_bytes(store, f"{folder}/{MANIFEST}", manifest_bytes(info))
        return info

    async def _copy(self, msg: CollectResult, target: str, artifact: Artifact) -> Fault | None:
        """Bring one artifact to ``target``, as long and with the digest the marker states."""
        store, user = self._parts.store, msg.requester.user_id
        source = f"{msg.folder}/{artifact.name}"
        for key in (source, target):
            if not isinstance(decide_access(self._parts.layout, user, key), Granted):
                return Fault("E-ARTIFACT", f"{artifact.name[:60]!r} is not a name a result file may have")
        stated = (artifact.size_bytes, artifact.sha256)
        try:
            with suppress(NotFound):
                if (await store.stat(target)).size_bytes == artifact.size_bytes and await digest(
                    store, target
                ) == stated:
                    return None
            if (await store.stat(source)).size_bytes != artifact.size_bytes:
                return Fault("E-ARTIFACT", f"{artifact.name} is not as long as the result says")
            for _ in range(COPY_TRIES):
                if await copy_verified(store, source, target) == stated:
                    return None
        except NotFound:
            return Fault("E-ARTIFACT", f"{artifact.name} is missing")
        return Fault("E-ARTIFACT", f"{artifact.name} has another digest than the result says")

    async def _documents(self, folder: str, job: str) -> tuple[dict[str, object], Description] | Fault:
        store = self._parts.store
        try:
            metrics = metrics_of(await read_small(store, f"{folder}/{METRICS_FILE}", DOCUMENT_BYTES_MAX))
            description = description_of(await read_small(store, f"{folder}/{METADATA_FILE}", DOCUMENT_BYTES_MAX), job)
        except (NotFound, TooLarge):
            return Fault("E-ARTIFACT", "a result file changed while it was collected")
        if isinstance(metrics, Fault):
            return metrics
        return description if isinstance(description, Fault) else (metrics, description)

    async def _clean(self, folder: str, files: dict[str, Artifact]) -> None:
        """Take back what was copied of a result that does not hold; the job folder keeps everything."""
        with suppress(ProviderError):
            for name in files:
                await self._parts.store.delete(f"{folder}/{name}")


def _refused(fault: Fault) -> Collected:
    return Collected(code=fault.code, detail=fault.detail)


def _describes(info: ModelInfo, msg: CollectResult, files: dict[str, Artifact]) -> bool:
    """Say whether a manifest that was found is the one this request would write."""
    listed = {a.name: (a.size_bytes, a.sha256) for a in info.artifacts}
    wanted = {name: (a.size_bytes, a.sha256) for name, a in files.items()}
    return (info.job_id, info.user_id, listed) == (msg.job_id, msg.requester.user_id, wanted)
