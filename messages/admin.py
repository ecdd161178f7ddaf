"""What people ask for: requests to Dispatcher and StorageActor, and their answers.

Every refusal is raised as ``messages.errors.Refusal`` with a registered code, and audited by the actor that refused.
``requester`` is who asks; what belongs to another user answers exactly as what does not exist (``E-NOTFOUND``).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from messages.base import Record, Request
from messages.ids import CommandId, DatasetId, JobId, ModelId, PredictionId
from messages.jobs import HyperParameter, LastRun, Plan, Requester, Task
from messages.machines import ProviderKind
from messages.money import Usd
from messages.storage import Artifact, DatasetInfo, ModelInfo, ObjectInfo, PredictionInfo

# ------------------------------------------------------------------------------------------------ jobs


class TrainOrder(Record):
    """What somebody wants trained, before anything is checked. Limits left out take the configured defaults."""

    dataset: str
    """Id, unique prefix of an id, or name of a data set of the requester."""
    target: str
    model: str = "auto"
    task: Task = "auto"
    features: tuple[str, ...] | None = None
    parameters: dict[str, HyperParameter] = Field(default_factory=dict)
    test_share: float = Field(default=0.2, ge=0.05, le=0.5)
    """Part of the rows that is held out to judge the model on."""
    seed: int = Field(default=42, ge=0, lt=2**32)
    group: str | None = Field(default=None, max_length=1000)
    """Column whose equal values (a customer, a patient) stay on one side of the split."""
    time: str | None = Field(default=None, max_length=1000)
    """Column by whose last values rows are held out; not together with ``group``."""
    max_runtime_s: int | None = Field(default=None, ge=1, le=30 * 86_400)
    max_cost_usd: Usd | None = Field(default=None, gt=0)
    machine: str | None = None
    name: str | None = Field(default=None, max_length=40)


class PlanTraining(Request[Plan]):
    """Check and price an order; nothing is journaled, held or rented."""

    requester: Requester
    order: TrainOrder


class JobAccepted(Record):
    """A job was queued."""

    job_id: JobId
    name: str


class SubmitTraining(Request[JobAccepted]):
    """Queue an order. The same command again gives the same answer and starts nothing."""

    command_id: CommandId
    requester: Requester
    order: TrainOrder


class StopAnswer(Record):
    """Which jobs were told to stop now; those already over are not among them."""

    stopped: tuple[JobId, ...]


class StopJob(Request[StopAnswer]):
    """End a job, whatever it is doing. Always acts, however old the command is."""

    command_id: CommandId
    requester: Requester
    job_id: JobId


class StopAll(Request[StopAnswer]):
    """End every job of the requester."""

    command_id: CommandId
    requester: Requester


# ------------------------------------------------------------------------------------------------ data


class UploadGrant(Record):
    """Where to stream a new data set; nothing is visible until ``CommitUpload`` succeeds."""

    dataset_id: DatasetId
    key: str
    bytes_max: int


class BeginUpload(Request[UploadGrant]):
    """Ask for a place to stream a data set to."""

    command_id: CommandId
    requester: Requester
    name: str = Field(min_length=1, max_length=200)
    size_bytes: int | None = None


class CommitUpload(Request[DatasetInfo]):
    """Inspect what was streamed and make it a data set, or refuse it with an ``E-CSV-…`` code and delete it.

    The same bytes under the same name of the same user give the data set that exists already.
    """

    command_id: CommandId
    requester: Requester
    grant: UploadGrant
    name: str = Field(min_length=1, max_length=200)
    stored: ObjectInfo


class AddFromAddress(Request[DatasetInfo]):
    """Make a data set of a file that lies in the store: ``runpod://<volume>/<path>`` or ``s3://<bucket>/<path>``."""

    command_id: CommandId
    requester: Requester
    address: str
    """Judged by the storage actor before anything is asked of the store."""
    name: str | None = None
    """What to call it; the file's own name when ``None``."""


class AbandonUpload(Request[None]):
    """Forget a grant whose stream broke off; what was streamed is deleted."""

    requester: Requester
    grant: UploadGrant


class ListDatasets(Request[tuple[DatasetInfo, ...]]):
    """The requester's data sets, newest first."""

    requester: Requester


class FindDataset(Request[DatasetInfo]):
    """One data set by id, unique prefix or name."""

    requester: Requester
    ref: str


class DownloadGrant(Record):
    """A key the requester may read now, and its size."""

    key: str
    size_bytes: int
    name: str
    provider: ProviderKind | None = None
    """Whose store the key is of; ``None``: the one new things go to."""


class ReadDataset(Request[DownloadGrant]):
    """Permission to stream a data set's bytes."""

    requester: Requester
    ref: str


class RemoveDataset(Request[DatasetInfo]):
    """Delete a data set that no open job uses (else ``E-INUSE``)."""

    command_id: CommandId
    requester: Requester
    ref: str


class HoldDataset(Request[None]):
    """Keep a data set from being removed while this job is open. Raises ``E-NOTFOUND`` when it is gone already."""

    job_id: JobId
    dataset_id: DatasetId


class BringDataset(Request[None]):
    """Have a data set's bytes in the store of ``provider``, copied there where they lie elsewhere. Idempotent.

    Refused: ``E-ELSEWHERE``, ``E-ARTIFACT``, ``E-BUDGET``. Raises Unavailable or Refused where the stores do.
    """

    requester: Requester
    dataset_id: DatasetId
    provider: ProviderKind
    job_id: JobId
    """For whose sake: a copy that costs is charged once for each job."""


class CheckedTraining(Record):
    """What inspection with the target found."""

    dataset: DatasetInfo
    task: Literal["classification", "regression"]
    rows_usable: int
    classes: int | None = None
    features: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    library_missing: str | None = None
    """A library the model needs that is not on this computer."""
    image_library: str | None = None
    """A library the model needs that no job can bring: its machine's image has it, or it cannot run there."""
    copied_from: ProviderKind | None = None
    """Whose store the data set lies in, where it must be copied from before it is used."""
    last_run: LastRun | None = None


class CheckTraining(Request[CheckedTraining]):
    """Look at the data with the target in mind; refuses with an ``E-CSV-…``, ``E-FEATURES`` or ``E-TASK`` code."""

    requester: Requester
    order: TrainOrder


# ------------------------------------------------------------------------------------------------ models


class ListModels(Request[tuple[ModelInfo, ...]]):
    """The requester's models, newest first."""

    requester: Requester


class FindModel(Request[ModelInfo]):
    """One model by id, unique prefix, name, or ``@last``."""

    requester: Requester
    ref: str


class ReadModelFile(Request[DownloadGrant]):
    """Permission to stream one file of a model."""

    requester: Requester
    ref: str
    file: str


class RemoveModel(Request[ModelInfo]):
    """Delete a model and its files."""

    command_id: CommandId
    requester: Requester
    ref: str


class BeginImport(Request[UploadGrant]):
    """Ask for a place to stream the package of an older model to."""

    command_id: CommandId
    requester: Requester
    size_bytes: int | None = None


class ImportLook(Record):
    """What the files of an older model are, found without loading them."""

    name: str
    """What it will be called."""
    files: tuple[Artifact, ...]
    names: tuple[str, ...]
    """Everything the pickles would import."""
    estimators: tuple[str, ...]
    made_with: tuple[str, ...]
    """Versions of scikit-learn they state."""
    confirm: tuple[str, str]
    """What has to be typed to have it loaded: either of them."""
    sha256: str
    """Of the model file."""


class LookAtImport(Request[ImportLook]):
    """Scan a streamed package, and forget it. Refuses with an ``E-IMPORT-…`` code what would not be loaded."""

    requester: Requester
    grant: UploadGrant
    name: str | None = Field(default=None, max_length=200)


class ImportModel(Request[ModelInfo]):
    """Load a streamed package in a sandbox and store the model it makes. Refuses with an ``E-IMPORT-…`` code."""

    command_id: CommandId
    requester: Requester
    grant: UploadGrant
    name: str | None = Field(default=None, max_length=200)
    confirm: str = Field(max_length=200)
    sha256: str | None = Field(default=None, max_length=64)
    """Of the model file that was looked at before; another one is refused."""


class Collected(Record):
    """What was found in the folder of an ended attempt, artifacts verified, model stored."""

    model_id: ModelId | None = None
    metrics: dict[str, object] | None = None
    code: str | None = None
    detail: str = ""


class CollectResult(Request[Collected]):
    """Verify an ended attempt's artifacts against its marker and store the model as a unit. Idempotent.

    Raises ``providers.interface.Unavailable`` while storage cannot be read.
    """

    requester: Requester
    job_id: JobId
    attempt: int
    folder: str
    name: str
    dataset_id: DatasetId
    dataset_name: str
    artifacts: tuple[Artifact, ...]
    provider: ProviderKind | None = None
    """Whose store the folder is in; ``None``: the one new jobs use."""


# ------------------------------------------------------------------------------------------------ predictions


class BeginPrediction(Request[UploadGrant]):
    """Ask for a place to stream the rows to predict to."""

    command_id: CommandId
    requester: Requester
    model: str
    name: str = Field(min_length=1, max_length=200)


class MakePrediction(Request[PredictionInfo]):
    """Run the streamed rows through the model and keep the result file."""

    command_id: CommandId
    requester: Requester
    model: str
    grant: UploadGrant
    column: str = Field(default="prediction", min_length=1, max_length=100)


class ReadPrediction(Request[DownloadGrant]):
    """Permission to stream a prediction's result file."""

    requester: Requester
    prediction_id: PredictionId
