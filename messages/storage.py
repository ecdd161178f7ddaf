"""Storage: keys, objects, data sets and models. Who may touch which key is decided in ``actors.storage.access``."""

from __future__ import annotations

from typing import Literal

from messages.base import Instant, Record
from messages.ids import DatasetId, JobId, ModelId, UserId
from messages.machines import ProviderKind
from messages.money import Usd


class ObjectInfo(Record):
    """One stored object."""

    key: str
    size_bytes: int
    modified: Instant
    sha256: str | None = None


class Artifact(Record):
    """A file a job left, as its result marker states it."""

    name: str
    """Path inside the job folder."""
    size_bytes: int
    sha256: str


ColumnKind = Literal["number", "date", "category", "empty"]


class Column(Record):
    """What inspection saw of one column."""

    name: str
    kind: ColumnKind
    missing: int
    distinct: int | None = None
    """Distinct values, or ``None`` when there were more than were counted."""
    example: str = ""
    low: str = ""
    """Least number or date, as text."""
    high: str = ""
    """Greatest number or date, as text."""
    personal: str = ""
    """What it seems to hold of people, in words."""


class Profile(Record):
    """What inspection saw of a file, without loading it whole."""

    rows: int
    columns: tuple[Column, ...]
    delimiter: str
    encoding: str
    size_bytes: int
    sha256: str
    format: str = "csv"
    """What the table came in: ``csv``, ``csv.gz``, ``csv.zst``, ``zip``, ``parquet`` or ``xlsx``."""
    duplicates: int = 0
    """Rows equal to an earlier one in every cell, among the first ``duplicates_among``."""
    duplicates_among: int = 0
    time_column: str | None = None
    """The column that seems to say when each row was."""


class DatasetInfo(Record):
    """A stored data set."""

    id: DatasetId
    user_id: UserId
    name: str
    key: str
    size_bytes: int
    sha256: str
    added: Instant
    profile: Profile
    provider: ProviderKind | None = None
    """Whose store it was put into; ``None`` in journals from before this was noted."""


class ImportedFrom(Record):
    """Where an older model came from that was brought over instead of trained."""

    files: tuple[Artifact, ...]
    """As they came, with their digests."""
    made_with: tuple[str, ...]
    """Versions of scikit-learn that its estimators state."""
    walls: tuple[str, ...]
    """What stood around the process that loaded it."""
    rows: int
    """Rows on which it and the original answered alike, bit for bit."""


class ModelInfo(Record):
    """A stored model: visible only when its manifest exists and every digest matches."""

    id: ModelId
    user_id: UserId
    name: str
    job_id: JobId | None
    """``None``: no job made it, it was imported."""
    dataset_id: DatasetId | None
    key: str
    """Storage key of the model's folder."""
    target: str
    task: str
    model_type: str
    features: tuple[str, ...]
    metrics: dict[str, object]
    artifacts: tuple[Artifact, ...]
    size_bytes: int
    created: Instant
    provider: ProviderKind | None = None
    """Whose store it was put into; ``None`` in journals from before this was noted."""
    imported: ImportedFrom | None = None


class PredictionInfo(Record):
    """A finished prediction and where its rows are."""

    id: str
    user_id: UserId
    model_id: ModelId
    key: str
    rows: int
    size_bytes: int
    cost_usd: Usd
    created: Instant
    provider: ProviderKind | None = None
    """Whose store they are in."""
