"""Older models: looked at and brought over by a program of their own, made visible by one event.

The daemon reads none of their files. The program scans them, loads them in a sandbox and checks what came out of it
(``containers.importing``); what it leaves is copied into a model folder like any result, manifest last.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from actors.storage.bundle import DOCUMENT_BYTES_MAX
from actors.storage.locks import NamedLocks, Room
from actors.storage.models import MANIFEST, manifest_bytes
from actors.storage.parts import StorageParts
from actors.storage.reading import bring, digest, parse_json, put_bytes
from actors.storage.records import append_once, model_record
from actors.storage.references import checked_label, not_found
from actors.storage.staging import IMPORTED_FILES, staged_for
from messages.admin import BeginImport, ImportLook, ImportModel, LookAtImport, UploadGrant
from messages.errors import ERRORS, Refusal
from messages.events import ModelStored
from messages.ids import DatasetId, ModelId, UserId
from messages.storage import Artifact, ImportedFrom, ModelInfo
from providers.interface import NotFound, ProviderError

PROGRAM: Final = "containers.importing"
PACKAGE_BYTES_MAX: Final = 1 << 30
LIMIT_S: Final = 800.0
"""For all that the program does: two scans, the sandbox and the check, each with limits of its own."""
MEMORY_BYTES: Final = 4 << 30
"""Of each of its processes."""
DIGITS: Final = 8
"""So many characters of the digest confirm as well as the name does."""
DETAIL_CHARS_MAX: Final = 500
_CODES: Final = ("E-IMPORT-", "E-CSV-", "E-LIBRARY", "E-MODEL-DAMAGED", "E-TOOLARGE")
MODEL_FILE: Final = "model.pkl"


class _Looked(BaseModel):
    """What the program found without loading anything."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    files: tuple[Artifact, ...]
    target: str = Field(max_length=1000)
    estimators: tuple[str, ...]
    names: tuple[str, ...]
    versions: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """Of the model file."""
        return next(file.sha256 for file in self.files if file.name == MODEL_FILE)


class _Made(BaseModel):
    """What the program says of the bundle it made."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    model_type: str = Field(max_length=100)
    task: Literal["classification", "regression"]
    target_column: str = Field(min_length=1, max_length=1000)
    feature_columns: tuple[str, ...] = Field(min_length=1)
    metrics: dict[str, object]
    rows: int
    walls: tuple[str, ...]


class _Answer(BaseModel):
    """The one line the program prints."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    ok: bool
    looked: _Looked | None = None
    made: _Made | None = None
    code: str = ""
    detail: str = ""


class ImportService:
    """Everything about older models. Raises Refusal, and what store and journal raise."""

    def __init__(self, parts: StorageParts, staged: NamedLocks) -> None:
        self._parts = parts
        self._staged = staged
        self._room = Room(1, parts.settings.waiting_max)

    async def begin(self, msg: BeginImport) -> UploadGrant:
        """Name the place to stream the package to; the same command names the same place."""
        user = msg.requester.user_id
        model = ModelId.derived("import", user, msg.command_id)
        return UploadGrant(
            dataset_id=DatasetId.derived("import", user, msg.command_id),
            key=self._parts.layout.incoming_import_key(user, model, "zip"),
            bytes_max=min(PACKAGE_BYTES_MAX, self._parts.settings.upload_bytes_max),
        )

    async def look(self, msg: LookAtImport) -> ImportLook:
        """Say what the streamed files are and what their pickles name; nothing is loaded, and nothing kept."""
        user = msg.requester.user_id
        model = self._model_of(user, msg.grant)
        async with self._staged.held(model):
            try:
                looked = await self._looked(user, model)
            finally:
                await self._forget(user, model)
        name = self._name(msg.name, looked)
        return ImportLook(
            name=name,
            files=looked.files,
            names=looked.names,
            estimators=looked.estimators,
            made_with=looked.versions,
            confirm=(name, looked.sha256[:DIGITS]),
            sha256=looked.sha256,
        )

    async def make(self, msg: ImportModel) -> ModelInfo:
        """Bring the streamed model over, once it was confirmed. Repeating it gives the same model."""
        user = msg.requester.user_id
        model = self._model_of(user, msg.grant)
        async with self._staged.held(model):
            try:
                return await self._known(user, model) or await self._make(msg, model)
            finally:
                await self._forget(user, model)

    def _model_of(self, user: UserId, grant: UploadGrant) -> ModelId:
        """Return the model a grant was given for. Raises Refusal ``E-KEY``."""
        model = staged_for(self._parts.layout, user, grant.key)
        if isinstance(model, ModelId):
            return model
        raise Refusal("E-KEY", "not a place this package was given")

    async def _known(self, user: UserId, model: ModelId) -> ModelInfo | None:
        kept = await model_record(self._parts.journal, model)
        if kept is None:
            return None
        if kept.removed or kept.info.user_id != user:
            raise not_found("model")
        return kept.info

    def _name(self, asked: str | None, looked: _Looked) -> str:
        """Return what the model is to be called: as asked, or its target and the beginning of its digest."""
        if asked is not None:
            return checked_label(asked)
        plain = "".join(c if c.isalnum() or c in "_-" else "-" for c in looked.target)[:30]
        return checked_label(f"{plain.strip('-') or 'imported'}-{looked.sha256[:3]}")

    async def _looked(self, user: UserId, model: ModelId) -> _Looked:
        answer = await self._run(user, model, {})
        if answer.looked is None:
            raise Refusal("E-INTERNAL", "looking at the model left its answer incomplete")
        return answer.looked

    async def _make(self, msg: ImportModel, model: ModelId) -> ModelInfo:
        parts, user = self._parts, msg.requester.user_id
        looked = await self._looked(user, model)
        name = self._name(msg.name, looked)
        if msg.confirm.strip() not in (name, looked.sha256[:DIGITS]) or msg.sha256 not in (None, looked.sha256):
            raise Refusal("E-IMPORT-CONFIRM", f"It is {name}, SHA-256 {looked.sha256[:DIGITS]}…")
        prefix = parts.incoming.machine_path(parts.layout.incoming_import_key(user, model, "")) + "."
        answer = await self._run(user, model, {"out": prefix, "sha256": looked.sha256})
        if answer.made is None or answer.looked is None:
            raise Refusal("E-INTERNAL", "bringing the model over left its answer incomplete")
        folder = parts.layout.model_folder(user, model)
        try:
            artifacts = [await self._keep(user, model, folder, file) for file in IMPORTED_FILES]
            info = self._info(user, model, name, answer.looked, answer.made, artifacts)
            await put_bytes(parts.store, f"{folder}/{MANIFEST}", manifest_bytes(info))
            await append_once(parts.journal, f"model/{model}", ModelStored(model=info), msg.command_id)
        except BaseException:
            for file in (MANIFEST, *IMPORTED_FILES):
                with suppress(ProviderError):
                    await parts.store.delete(f"{folder}/{file}")
            raise
        return info

    def _info(
        self, user: UserId, model: ModelId, name: str, looked: _Looked, made: _Made, artifacts: list[Artifact]
    ) -> ModelInfo:
        return ModelInfo(
            id=model,
            user_id=user,
            name=name,
            job_id=None,
            dataset_id=None,
            key=self._parts.layout.model_folder(user, model),
            target=made.target_column,
            task=made.task,
            model_type=made.model_type,
            features=made.feature_columns,
            metrics=made.metrics,
            artifacts=tuple(artifacts),
            size_bytes=sum(artifact.size_bytes for artifact in artifacts),
            created=self._parts.world.clock.now(),
            provider=self._parts.kind,
            imported=ImportedFrom(files=looked.files, made_with=looked.versions, walls=made.walls, rows=made.rows),
        )

    async def _keep(self, user: UserId, model: ModelId, folder: str, name: str) -> Artifact:
        parts = self._parts
        source = parts.layout.incoming_import_key(user, model, name)
        try:
            stated = await digest(parts.incoming, source)
            kept = await bring(parts.incoming, source, parts.store, f"{folder}/{name}")
        except NotFound:
            raise Refusal("E-INTERNAL", f"bringing the model over left no {name}") from None
        if kept != stated:
            raise Refusal("E-ARTIFACT", f"{name} is not what was written")
        return Artifact(name=name, size_bytes=kept[0], sha256=kept[1])

    async def _run(self, user: UserId, model: ModelId, asked: dict[str, Any]) -> _Answer:
        """Run the program on a package. Raises Refusal with its code, ``E-IMPORT-LIMIT``, or ``E-INTERNAL``."""
        parts = self._parts
        package, question = (parts.layout.incoming_import_key(user, model, end) for end in ("zip", "json"))
        try:
            await parts.incoming.stat(package)
        except NotFound:
            raise Refusal("E-BADREQUEST", "nothing was streamed") from None
        request = {"package": parts.incoming.machine_path(package), **asked}
        await put_bytes(parts.incoming, question, json.dumps(request).encode())
        argv = [parts.settings.python, "-m", PROGRAM, parts.incoming.machine_path(question)]
        async with self._room.entered():
            try:
                result = await parts.world.spawner.run(
                    argv, timeout_s=LIMIT_S, memory_limit_bytes=MEMORY_BYTES, output_limit_bytes=DOCUMENT_BYTES_MAX
                )
            except TimeoutError:
                raise Refusal("E-IMPORT-LIMIT", f"It took more than {LIMIT_S:g} s") from None
            except OSError as error:
                raise Refusal("E-BUSY", "no process could be started to look at the model") from error
        return _parsed(result.exit_code, result.stdout)

    async def _forget(self, user: UserId, model: ModelId) -> None:
        """Delete all that was streamed or made on the way; what stays is swept at the next start."""
        for end in ("zip", "json", *IMPORTED_FILES):
            with suppress(ProviderError):
                await self._parts.incoming.delete(self._parts.layout.incoming_import_key(user, model, end))


def _parsed(exit_code: int, stdout: bytes) -> _Answer:
    try:
        answer = _Answer.model_validate(parse_json(stdout))
    except (ValidationError, ValueError):
        raise Refusal("E-INTERNAL", f"the program for older models ended with {exit_code} and no answer") from None
    if not answer.ok:
        if answer.code in ERRORS and answer.code.startswith(_CODES):
            raise Refusal(answer.code, answer.detail[:DETAIL_CHARS_MAX])
        raise Refusal("E-INTERNAL", f"the program for older models answered {answer.code[:40]!r}")
    return answer
