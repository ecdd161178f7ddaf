"""The storage actor's own streams: what stands in them, and how a fact gets in exactly once."""

from __future__ import annotations

import hashlib
import json
from typing import Generic, NamedTuple, TypeVar

from actors.journal.interface import NEW, Journal, Version, WrongVersion
from actors.storage.audit import ACTOR
from messages.admin import AddFromAddress, RemoveDataset, RemoveModel
from messages.base import Record
from messages.errors import Refusal
from messages.events import (
    CommandAccepted,
    DatasetAdded,
    DatasetRemoved,
    Event,
    ModelRemoved,
    ModelStored,
    PredictionMade,
)
from messages.ids import CommandId, DatasetId, ModelId, PredictionId
from messages.storage import DatasetInfo, ModelInfo

Info = TypeVar("Info", DatasetInfo, ModelInfo)


class Kept(NamedTuple, Generic[Info]):
    """A data set or model as its stream tells it, removed or not."""

    info: Info
    removed: bool
    version: Version


async def dataset_record(journal: Journal, dataset: DatasetId) -> Kept[DatasetInfo] | None:
    """Return what the journal holds of ``dataset``, whoever it belongs to."""
    recorded = await journal.read(f"dataset/{dataset}")
    info = next((r.event.dataset for r in recorded if isinstance(r.event, DatasetAdded)), None)
    if info is None:
        return None
    return Kept(info, any(isinstance(r.event, DatasetRemoved) for r in recorded), recorded[-1].version)


async def model_record(journal: Journal, model: ModelId) -> Kept[ModelInfo] | None:
    """Return what the journal holds of ``model``, whoever it belongs to."""
    recorded = await journal.read(f"model/{model}")
    info = next((r.event.model for r in recorded if isinstance(r.event, ModelStored)), None)
    if info is None:
        return None
    return Kept(info, any(isinstance(r.event, ModelRemoved) for r in recorded), recorded[-1].version)


async def prediction_record(journal: Journal, prediction: PredictionId) -> PredictionMade | None:
    """Return the finished prediction, whoever it belongs to."""
    recorded = await journal.read(f"prediction/{prediction}")
    return next((r.event for r in recorded if isinstance(r.event, PredictionMade)), None)


async def append_once(journal: Journal, stream: str, event: Event, cause: str | None) -> bool:
    """Append the first event of a stream; ``False`` when the stream exists. Raises JournalUnavailable."""
    try:
        await journal.append(stream, NEW, [event], actor=ACTOR, cause=cause)
    except WrongVersion:
        return False
    return True


async def append_removed(journal: Journal, stream: str, version: Version, event: Event, cause: str) -> None:
    """Append the end of a data set or model; somebody else having ended it meanwhile is as good."""
    try:
        await journal.append(stream, version, [event], actor=ACTOR, cause=cause)
    except WrongVersion:
        return


def body_digest(body: Record) -> str:
    """Return the SHA-256 of a request's canonical body, without the command's id."""
    canonical = json.dumps(body.model_dump(mode="json", exclude={"command_id"}), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


async def earlier_answer(journal: Journal, command: CommandId, digest: str) -> str | None:
    """Return the id that this command was accepted for, or ``None`` for a new command.

    Raises Refusal ``E-IDEMPOTENCY`` when the id was used for another body.
    """
    recorded = await journal.read(f"command/{command}")
    accepted = next((r.event for r in recorded if isinstance(r.event, CommandAccepted)), None)
    if accepted is None:
        return None
    if accepted.digest != digest:
        raise Refusal("E-IDEMPOTENCY")
    return str(accepted.answer["id"])


async def accept_command(
    journal: Journal, msg: AddFromAddress | RemoveDataset | RemoveModel, name: str, digest: str, target: str
) -> None:
    """Record which id a command acts on, so that its repetition never means another one (``@last``, a name)."""
    event = CommandAccepted(
        command_id=msg.command_id,
        name=name,
        digest=digest,
        answer={"id": target},
        body={"id": target, "user_id": msg.requester.user_id, "via": msg.requester.via},
    )
    await append_once(journal, f"command/{msg.command_id}", event, msg.command_id)
