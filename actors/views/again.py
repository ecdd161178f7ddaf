"""A job's order once more. Pure: the job's fold and what is stored come in."""

from __future__ import annotations

from collections.abc import Sequence

from actors.supervisor.state import Job
from messages.admin import TrainOrder
from messages.comparing import DescribedModel, OrderDocument
from messages.errors import Refusal
from messages.ids import DatasetId
from messages.jobs import HyperParameter
from messages.storage import DatasetInfo

AUTO = "auto"


def order_again(job: Job, model: DescribedModel, datasets: Sequence[DatasetInfo]) -> OrderDocument:
    """Return the order that does ``job``'s work once more, within the same limits, on any machine.

    Where the model was chosen by Lastcall, it is the chosen one with its parameters that is ordered. Raises
    ``Refusal`` E-DATA-GONE where none of ``datasets``, the user's, has the same bytes.
    """
    spec, limits = job.plan.spec, job.plan.limits
    chosen = spec.model == AUTO and bool(model.making.model_type)
    return OrderDocument(
        job_id=job.id,
        name=job.name,
        model_id=model.info.id,
        dataset_sha256=spec.dataset_sha256,
        order=TrainOrder(
            dataset=_same_data(job, datasets),
            target=spec.target,
            model=model.making.model_type if chosen else spec.model,
            task=spec.task,
            features=spec.features,
            parameters=_parameters(model.making.hyperparameters) if chosen else spec.parameters,
            test_share=spec.test_share,
            seed=spec.seed,
            group=spec.group,
            time=spec.time,
            max_runtime_s=limits.max_runtime_s,
            max_cost_usd=limits.max_cost_usd,
        ),
    )


def _same_data(job: Job, datasets: Sequence[DatasetInfo]) -> DatasetId:
    """Return the job's own data set where it is still there, else another one of the same bytes."""
    spec = job.plan.spec
    same = [info.id for info in datasets if info.sha256 == spec.dataset_sha256]
    if not same:
        raise Refusal(
            "E-DATA-GONE",
            f"{job.dataset_name} with SHA-256 {spec.dataset_sha256} is not among your data sets any more",
        )
    return spec.dataset_id if spec.dataset_id in same else same[0]


def _parameters(found: dict[str, object]) -> dict[str, HyperParameter]:
    return {key: value for key, value in found.items() if value is None or isinstance(value, bool | int | float | str)}
