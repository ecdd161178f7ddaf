"""Which numbers may stand beside each other, and what is said of them."""

from __future__ import annotations

from typing import Any

import pytest

from actors.views.again import order_again
from actors.views.comparing import compare
from messages.comparing import DescribedModel
from messages.errors import Refusal
from messages.ids import DatasetId
from messages.jobs import HeldOut
from tests.integration.socket import examples
from tests.support.jobs import Story, plan

ONE = examples.described()
OTHER = examples.described_other()


def changed(model: DescribedModel, making: dict[str, Any] | None = None, **info: Any) -> DescribedModel:
    """Return a model of which something else is told."""
    told = model.making.model_copy(update=making or {})
    return model.model_copy(update={"info": model.info.model_copy(update=info), "making": told})


def measured(model: DescribedModel, **more: Any) -> DescribedModel:
    """Return a model with another headline."""
    top: Any = model.info.metrics["headline"]
    return changed(model, metrics=model.info.metrics | {"headline": top | more})


def said(first: DescribedModel, second: DescribedModel) -> str:
    return compare((first, second), (None, None)).verdict


@pytest.mark.parametrize(
    ("second", "why"),
    [
        (changed(OTHER, target="price"), "they predict different columns, churn and price"),
        (changed(OTHER, task="regression"), "one is a classification, the other a regression"),
        (changed(OTHER, {"dataset_sha256": "cd" * 32}), "they learnt from different data"),
        (
            changed(OTHER, {"split": HeldOut(method="group", column="customer", share=0.2, sha256="11" * 32)}),
            "their rows were held out in different ways: 20% at random, and 20% whole groups of customer",
        ),
        (
            changed(OTHER, {"split": HeldOut(method="time", column="day", share=0.2, sha256="11" * 32)}),
            "their rows were held out in different ways: 20% at random, and 20% the last by day",
        ),
        (
            changed(OTHER, {"split": HeldOut(method="random", share=0.2, sha256="99" * 32), "seed": 7}),
            "they were judged on different rows, by the seeds 42 and 7",
        ),
        (
            changed(OTHER, {"split": HeldOut(method="random", share=0.2, sha256="99" * 32)}),
            "they were judged on different rows",
        ),
        (measured(OTHER, name="f1", label="F1"), "they were judged by different metrics, ROC AUC and F1"),
        (changed(OTHER, {"split": None}), "one of them does not say on which rows it was judged"),
        (changed(OTHER, metrics={"headline": {"value": "high"}}), "one of them does not say on which rows"),
        (changed(OTHER, metrics={}), "one of them does not say on which rows"),
    ],
)
def test_numbers_that_do_not_mean_the_same_are_not_compared(second: DescribedModel, why: str) -> None:
    for pair in ((ONE, second),):
        found = compare(pair, (None, None))
        assert found.verdict.startswith(f"These numbers cannot be compared: {why}")
        assert (found.comparable, found.identical, found.apart) == (False, False, None)


def test_overlapping_intervals_are_no_clear_difference() -> None:
    found = compare((ONE, OTHER), (None, None))
    assert found.verdict == "No clear difference: ROC AUC 0.846 and 0.851, and the intervals overlap."
    assert found.apart == pytest.approx(0.005 / 0.851)


@pytest.mark.parametrize(("higher", "better"), [(True, "churn-8bc"), (False, "churn-7fa")])
def test_the_better_one_is_named(higher: bool, better: str) -> None:
    pair = [
        measured(ONE, higher_is_better=higher),
        measured(OTHER, value=0.95, low=0.94, high=0.96, higher_is_better=higher),
    ]
    best = "0.950" if higher else "0.95"  # shares have three decimals, errors those that tell
    assert said(*pair).startswith(f"{better} is clearly better: ROC AUC 0.846 and {best},")
    assert said(*reversed(pair)).startswith(f"{better} is clearly better: ROC AUC {best} and 0.846,")


def test_without_an_interval_nothing_is_called_clear() -> None:
    assert said(ONE, measured(OTHER, low=None)) == (
        "Whether ROC AUC 0.846 and 0.851 differ clearly is not known: one has no interval."
    )


def test_the_same_to_the_last_digit_is_every_metric_and_every_answer() -> None:
    again = changed(ONE, name="churn-again")
    assert compare((ONE, again), (None, None)).identical
    assert said(ONE, again).startswith("The same to the last digit")
    answered = changed(again, artifacts=ONE.info.artifacts[:-1])
    assert not compare((ONE, answered), (None, None)).identical
    assert not compare((answered, answered), (None, None)).identical, "what was not kept is not known to be the same"
    counted = changed(again, metrics=ONE.info.metrics | {"held_out": {"roc_auc": 0.846, "accuracy": 0.804}})
    assert not compare((ONE, counted), (None, None)).identical
    nothing = changed(again, metrics=ONE.info.metrics | {"held_out": {"roc_auc": 0.0}})
    assert compare((nothing, nothing), (None, None)).apart == 0.0


def test_everything_a_result_can_hang_on_is_told_where_it_differs() -> None:
    making = {
        "hyperparameters": {"n_estimators": 100, "max_depth": None, "min_samples": 2},
        "versions": {"python": "3.12.2", "scikit-learn": "1.9.1"},
        "machine": {"provider": "runpod", "machine_type": "cpu3c", "cores": 2},
        "code_sha256": "77" * 32,
    }
    found = compare((ONE, changed(ONE, making, features=("contract", "fee"))), (None, None)).differences
    assert [(one.of, one.what, one.first, one.second) for one in found] == [
        ("settings", "columns only here", "tenure", "fee"),
        ("settings", "min_samples", "none", "2"),
        ("settings", "n_estimators", "200", "100"),
        ("versions", "training program", "222222222222", "777777777777"),
        ("versions", "python", "3.12.1", "3.12.2"),
        ("machine", "provider", "local", "runpod"),
        ("machine", "machine type", "this computer", "cpu3c"),
    ]
    assert [one.what for one in compare((ONE, OTHER), (None, None)).differences] == ["model"]


def test_cost_and_time_stand_beside_the_score_where_the_job_is_known() -> None:
    first, second = compare((ONE, OTHER), (examples.succeeded().job, None)).models
    assert (str(first.cost_usd), first.runtime_s, first.dataset_name) == ("0.043500", 578.0, "customers.csv")
    assert (second.cost_usd, second.runtime_s, second.dataset_name) == (None, None, None)
    assert (first.rows_train, first.rows_test) == (5634, 1409)


# ------------------------------------------------------------------------------------------------ once more


def story(**spec: Any) -> Story:
    ordered = plan(cap="3", max_runtime_s=900)
    return Story(ordered.model_copy(update={"spec": ordered.spec.model_copy(update=spec)}))


KEPT = examples.dataset().model_copy(update={"id": DatasetId("ds_dddddddddd"), "sha256": "0" * 64})


def test_a_job_is_ordered_once_more_as_it_was() -> None:
    spec: dict[str, Any] = {
        "model": "ridge",
        "task": "regression",
        "features": ("a",),
        "parameters": {"alpha": 2},
        "test_share": 0.3,
        "seed": 7,
        "group": "customer",
    }
    found = order_again(story(**spec).job, ONE, (examples.dataset(), KEPT))
    assert (found.model_id, found.dataset_sha256) == (ONE.info.id, "0" * 64)
    order = found.order
    assert {key: getattr(order, key) for key in spec} == spec
    assert (order.dataset, order.target, order.time, order.machine, order.name) == (KEPT.id, "churn", None, None, None)
    assert (order.max_runtime_s, str(order.max_cost_usd)) == (900, "3")


def test_what_lastcall_chose_is_ordered_by_name_so_that_it_chooses_no_other() -> None:
    order = order_again(story(model="auto").job, ONE, (KEPT,)).order
    assert (order.model, order.parameters) == ("random_forest", {"n_estimators": 200, "max_depth": None})
    untold = changed(ONE, {"model_type": ""})
    assert order_again(story(model="auto").job, untold, (KEPT,)).order.model == "auto"


def test_the_same_bytes_under_another_id_do_and_other_bytes_do_not() -> None:
    sent_again = KEPT.model_copy(update={"id": DatasetId("ds_eeeeeeeeee")})
    assert order_again(story().job, ONE, (sent_again,)).order.dataset == sent_again.id
    with pytest.raises(Refusal, match="is not among your data sets") as refused:
        order_again(story().job, ONE, (examples.dataset(),))
    assert refused.value.code == "E-DATA-GONE"
