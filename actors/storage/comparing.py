"""Models beside each other: which was the last one on the same data, and how each was made."""

from __future__ import annotations

import hashlib
from typing import Final

from pydantic import ValidationError

from actors.storage import elsewhere
from actors.storage.bundle import DOCUMENT_BYTES_MAX, METADATA_FILE
from actors.storage.catalogue import Catalogue
from actors.storage.parts import StorageParts
from actors.storage.reading import TooLarge, parse_json, read_small
from messages.comparing import DescribedModel, Making
from messages.errors import Refusal
from messages.ids import DatasetId, UserId
from messages.jobs import HeldOut, LastRun
from messages.storage import ModelInfo

LOOKED_AT_MAX: Final = 50
"""Newest models among which the last one on the same data is looked for."""


async def last_run(catalogue: Catalogue, user: UserId, dataset: DatasetId, target: str) -> LastRun | None:
    """Return the headline of the user's newest model of this data set and target; ``None`` where there is none."""
    for model in await catalogue.models(user, LOOKED_AT_MAX):
        if (model.dataset_id, model.target) == (dataset, target):
            return headline_of(model)
    return None


def headline_of(model: ModelInfo) -> LastRun | None:
    """Return a model's headline; ``None`` where its metrics have none with an interval."""
    top = model.metrics.get("headline")
    if not isinstance(top, dict) or not isinstance(top.get("name"), str):
        return None
    numbers = [top.get(key) for key in ("value", "low", "high")]
    value, low, high = (float(n) if isinstance(n, int | float) else None for n in numbers)
    if value is None or low is None or high is None:
        return None
    held_out = held_out_of(model)
    return LastRun(model=model.name, name=top["name"], value=value, low=low, high=high, held_out=held_out)


def held_out_of(model: ModelInfo) -> HeldOut | None:
    """Return how the rows were chosen that a model was judged on; ``None`` where its metrics do not say it."""
    try:
        return HeldOut.model_validate(model.metrics.get("split"))
    except ValidationError:
        return None


async def described(parts: StorageParts, model: ModelInfo) -> DescribedModel:
    """Return a model with what its ``metadata.json`` says of how it was made.

    Raises Refusal ``E-MODEL-DAMAGED`` where that is gone or is another one, ``E-ELSEWHERE``, and what stores raise.
    """
    key = f"{model.key}/{METADATA_FILE}"
    found = await elsewhere.locate(parts, model.provider, key, model.name)
    if found is None:
        raise Refusal("E-MODEL-DAMAGED", f"{METADATA_FILE} is not in storage")
    try:
        raw = await read_small(found.parts.store, key, DOCUMENT_BYTES_MAX)
    except TooLarge as large:
        raise Refusal("E-MODEL-DAMAGED", f"{METADATA_FILE} is not as long as it was") from large
    if hashlib.sha256(raw).hexdigest() not in {a.sha256 for a in model.artifacts if a.name == METADATA_FILE}:
        raise Refusal("E-MODEL-DAMAGED", f"{METADATA_FILE} has another digest than it had")
    return DescribedModel(info=model, making=making_of(raw))


def making_of(raw: bytes) -> Making:
    """Return how a model was made, by its ``metadata.json``; one that says it in other words says nothing."""
    try:
        return Making.model_validate(parse_json(raw))
    except ValueError:
        return Making()
