"""Models that are stored: finding, reading and removing them. How they come to be is in ``collection``."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Final

from pydantic import ValidationError

from actors.storage import elsewhere
from actors.storage.access import Granted, decide_access
from actors.storage.audit import who_of
from actors.storage.catalogue import MODEL_REMOVE, Removal
from actors.storage.locks import NamedLocks
from actors.storage.parts import StorageParts
from actors.storage.reading import TooLarge, parse_json, put_bytes, read_small
from actors.storage.records import (
    Kept,
    accept_command,
    append_removed,
    body_digest,
    earlier_answer,
    model_record,
)
from actors.storage.references import choose, not_found
from messages.admin import DownloadGrant, ReadModelFile, RemoveModel
from messages.errors import Refusal
from messages.events import ModelRemoved
from messages.ids import CommandId, ModelId, UserId
from messages.jobs import Requester
from messages.storage import ModelInfo
from providers.interface import CloudStorageProvider, NotFound, ProviderError

MANIFEST: Final = "manifest.json"
"""Written last: a model folder without it is no model."""
MANIFEST_SCHEMA: Final = "model/v1"
MANIFEST_BYTES_MAX: Final = 8 << 20


def manifest_bytes(info: ModelInfo) -> bytes:
    """Return the manifest of a model: its schema and every field of ``ModelInfo``."""
    body = {"schema": MANIFEST_SCHEMA, **info.model_dump(mode="json")}
    return json.dumps(body, indent=1, ensure_ascii=False).encode()


async def read_manifest(store: CloudStorageProvider, folder: str) -> ModelInfo | None:
    """Return the model that a folder's manifest describes, or ``None``. Raises Unavailable."""
    try:
        body = parse_json(await read_small(store, f"{folder}/{MANIFEST}", MANIFEST_BYTES_MAX))
        if not isinstance(body, dict) or body.pop("schema", None) != MANIFEST_SCHEMA:
            return None
        return ModelInfo.model_validate(body)
    except (NotFound, TooLarge, ValidationError, ValueError):
        return None


async def delete_model_files(store: CloudStorageProvider, info: ModelInfo) -> None:
    """Delete the manifest, then what it lists. Raises Unavailable; repeating it completes the work."""
    await store.delete(f"{info.key}/{MANIFEST}")
    for artifact in info.artifacts:
        await store.delete(f"{info.key}/{artifact.name}")


class ModelService:
    """Everything about stored models. Raises Refusal, and what store and journal raise."""

    def __init__(self, parts: StorageParts) -> None:
        self._parts = parts
        self._locks = NamedLocks()

    async def all(self, user: UserId) -> tuple[ModelInfo, ...]:
        """Return the user's models, newest first."""
        return tuple(await self._parts.catalogue.models(user, self._parts.settings.list_max))

    async def find(self, user: UserId, ref: str) -> ModelInfo:
        """Return the one model that ``ref`` means."""
        return choose(ref, await self._parts.catalogue.models_called(user, ref), "model")

    async def read_file(self, msg: ReadModelFile) -> DownloadGrant:
        """Permit streaming one file of a model, an artifact or its manifest, paid for first where its store charges.

        Raises Refusal ``E-BUDGET`` too.
        """
        user = msg.requester.user_id
        info = await self.find(user, msg.ref)
        sizes = {artifact.name: artifact.size_bytes for artifact in info.artifacts}
        if msg.file != MANIFEST and msg.file not in sizes:
            raise not_found("file in this model")
        access = decide_access(self._parts.layout, user, f"{info.key}/{msg.file}")
        if not isinstance(access, Granted):
            raise Refusal("E-KEY", access.detail)
        found = await elsewhere.locate(self._parts, info.provider, access.key, info.name)
        if found is None:
            raise Refusal("E-MODEL-DAMAGED", f"{msg.file} is not in storage")
        (parts, stored), name = found, msg.file.rsplit("/", 1)[-1]
        size = stored.size_bytes
        if size != sizes.get(msg.file, size):
            raise Refusal("E-MODEL-DAMAGED", f"{msg.file} is not as long as it was")
        await elsewhere.pay_download(self._parts, parts, size, user, f"{name} of {info.name}")
        return DownloadGrant(key=access.key, size_bytes=size, name=name, provider=parts.kind)

    async def bring(self, requester: Requester, info: ModelInfo, cause: str) -> None:
        """Have a model's files in the store new things go to: copied there, the manifest last, for ``cause``.

        Raises Refusal ``E-MODEL-DAMAGED`` without its manifest, ``E-ELSEWHERE``, ``E-ARTIFACT``, ``E-BUDGET`` where
        copying costs, and what stores raise.
        """
        parts, manifest = self._parts, f"{info.key}/{MANIFEST}"
        found = await elsewhere.locate(parts, info.provider, manifest, info.name)
        if found is None:
            raise Refusal("E-MODEL-DAMAGED", "the model's manifest is not in storage")
        if found.parts is parts:
            return
        source, copied = found.parts, 0
        async with self._locks.held(info.id):
            whole = sum(artifact.size_bytes for artifact in info.artifacts)
            await elsewhere.pay(parts, source, whole, requester.user_id, info.name, f"{info.id}:{cause}")
            for artifact in info.artifacts:
                key = f"{info.key}/{artifact.name}"
                copied += await elsewhere.copy(source, parts, key, artifact.size_bytes, artifact.sha256)
            await put_bytes(parts.store, manifest, manifest_bytes(info))
        detail = elsewhere.words(source, copied)
        await parts.audit.record(who_of(requester), "model.copy", info.id, detail=detail)

    async def remove(self, msg: RemoveModel) -> ModelInfo:
        """Remove a model. The event comes first: files that stay are swept at the next start."""
        journal, user, digest = self._parts.journal, msg.requester.user_id, body_digest(msg)
        async with self._locks.held(user):
            earlier = await earlier_answer(journal, msg.command_id, digest)
            model = ModelId(earlier) if earlier else (await self.find(user, msg.ref)).id
            kept = await model_record(journal, model)
            if kept is None or kept.info.user_id != user:
                raise not_found("model")
            if not kept.removed:
                if earlier is None:
                    await accept_command(journal, msg, MODEL_REMOVE, digest, model)
                await self._end(kept, msg.command_id)
            await self._forget(kept.info)
        return kept.info

    async def _forget(self, info: ModelInfo) -> None:
        """Delete a model's files, and every copy of them; those that stay are swept at the next start."""
        for parts in (self._parts, *self._parts.others.values()):
            with suppress(ProviderError):
                await delete_model_files(parts.store, info)
            if parts.incoming is not parts.store:
                with suppress(ProviderError):
                    await delete_model_files(parts.incoming, info)

    async def finish(self, removal: Removal) -> None:
        """Do what an accepted removal left undone."""
        kept = await model_record(self._parts.journal, ModelId(removal.target))
        if kept is not None and not kept.removed:
            await self._end(kept, removal.command)

    async def _end(self, kept: Kept[ModelInfo], command: CommandId) -> None:
        event = ModelRemoved(model_id=kept.info.id, by=kept.info.user_id)
        await append_removed(self._parts.journal, f"model/{kept.info.id}", kept.version, event, command)
