"""Models beside each other: how they were made, what they reach, and whether the numbers can be compared at all."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from messages.admin import TrainOrder
from messages.base import Instant, Record, Request
from messages.documents import Document
from messages.ids import DatasetId, JobId, ModelId
from messages.jobs import HeldOut, Requester
from messages.money import Usd
from messages.storage import ModelInfo


class Making(Record):
    """How a model was made, as its ``metadata.json`` says it; what an older one does not say is empty."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    model_type: str = ""
    hyperparameters: dict[str, object] = Field(default_factory=dict)
    dataset_sha256: str = ""
    split: HeldOut | None = None
    seed: int | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    """Of Python and the libraries that decide what a model is."""
    code_sha256: str = ""
    """Of the training program."""
    machine: dict[str, object] = Field(default_factory=dict)


class DescribedModel(Record):
    """A stored model, and how it was made."""

    info: ModelInfo
    making: Making


class DescribeModel(Request[DescribedModel]):
    """One model with its ``metadata.json`` read; raises ``E-MODEL-DAMAGED`` without it."""

    requester: Requester
    ref: str


class Score(Record):
    """The metric that speaks first, on the held-out rows."""

    name: str
    label: str
    value: float
    low: float | None = None
    """The interval, 95 %."""
    high: float | None = None
    baseline: float | None = None
    """What guessing reaches."""
    higher_is_better: bool = True


class ComparedModel(Record):
    """One of the two."""

    id: ModelId
    name: str
    job_id: JobId | None
    created: Instant
    dataset_id: DatasetId | None
    dataset_name: str | None = None
    target: str
    task: str
    model_type: str
    features: tuple[str, ...]
    rows_train: int | None = None
    rows_test: int | None = None
    making: Making
    score: Score | None = None
    metrics: dict[str, float]
    """Every metric on the held-out rows."""
    answers_sha256: str | None = None
    """Of its answers to the held-out rows, where it kept them."""
    cost_usd: Usd | None = None
    runtime_s: float | None = None


class Difference(Record):
    """Something that is not alike in both."""

    of: Literal["data", "settings", "versions", "machine"]
    what: str
    first: str
    second: str


class RowByRow(Record):
    """Two models held against each other on each row both were judged on: the paired bootstrap, 95 %."""

    rows: int
    value: float
    """How much better the second scores than the first; negative where it is worse."""
    low: float
    high: float
    clear: bool
    """Whether chance alone hardly does that: the interval leaves zero out."""
    verdict: str
    """One sentence."""


class CompareDocument(Document):
    """Two models beside each other: ``lastcall compare``, ``GET /v1/compare``."""

    schema_: Literal["compare/v1"] = Field(alias="schema", default="compare/v1")
    models: tuple[ComparedModel, ComparedModel]
    comparable: bool
    """Whether both numbers mean the same: same data, target and held-out rows, same metric."""
    identical: bool
    """Every metric and every answer to the held-out rows is the same to the last digit."""
    apart: float | None = None
    """The largest difference between two of their metrics, as a share of the larger; null where not comparable."""
    verdict: str
    """One sentence."""
    differences: tuple[Difference, ...] = ()
    row_by_row: RowByRow | None = None
    """``lastcall compare`` adds it from the rows that both left; null over HTTP, and where they left none."""


class OrderDocument(Document):
    """What would do a job's work once more: ``GET /v1/jobs/{id}/order``; it is ordered as any other."""

    schema_: Literal["order/v1"] = Field(alias="schema", default="order/v1")
    job_id: JobId
    name: str
    model_id: ModelId
    """The model it left, to compare with."""
    dataset_sha256: str
    order: TrainOrder
