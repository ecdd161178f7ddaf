"""A model whose library is missing here is refused where the work would run here, and else warned of."""

from __future__ import annotations

from decimal import Decimal

import pytest

from actors.dispatcher import planning
from messages.admin import CheckedTraining, TrainOrder
from messages.errors import Refusal
from messages.jobs import Plan
from providers.fake.settings import FakeSettings
from providers.image import brought_by
from tests.integration.socket.examples import dataset
from tests.support.jobs import offer

NONE: frozenset[str] = frozenset()
DEFAULTS = planning.Defaults(7200, Decimal(10), 2)


def planned(lacking: str | None, *, here: bool, image: str | None = None, brings: frozenset[str] = NONE) -> Plan:
    checked = CheckedTraining(
        dataset=dataset(), task="classification", rows_usable=100, features=("tenure",), library_missing=lacking
    ).model_copy(update={"image_library": image})
    order = TrainOrder(dataset=dataset().id, target="churn", model="xgboost")
    past = planning.PastRuns(0, 0.0, 0.0)
    timings = FakeSettings().timings
    return planning.plan(order, checked, [offer()], timings, DEFAULTS, past, "fake", "proven", here=here, brings=brings)


def test_work_on_this_computer_needs_the_library_here() -> None:
    with pytest.raises(Refusal, match="xgboost needs xgboost") as refused:
        planned("xgboost", here=True)
    assert refused.value.code == "E-LIBRARY"
    assert planned(None, here=True).warnings == ()


def test_work_elsewhere_only_warns_that_predictions_will_need_it() -> None:
    (warning,) = planned("xgboost", here=False).warnings
    assert "pip install 'lastcall[boosters]'" in warning
    assert planned(None, here=False).warnings == ()


def test_what_only_an_image_has_is_refused_where_the_image_is_another() -> None:
    with pytest.raises(
        Refusal, match=r"needs torch, which only the GPU image has: .*images build --gpu.* fake\.image"
    ) as no:
        planned("torch", here=False, image="torch")
    assert no.value.code == "E-LIBRARY"
    with pytest.raises(Refusal, match="not installed on this computer"):
        planned("torch", here=True, image="torch")
    brings = brought_by("someone/lastcall-training-gpu:0.1.0@sha256:ab")
    assert planned("torch", here=False, image="torch", brings=brings).warnings == (), "predictions need no PyTorch"


@pytest.mark.parametrize(
    ("image", "has"),
    [
        ("r.example:5000/a/lastcall-training-gpu:1", True),
        ("lastcall-training-gpu", True),
        ("someone/lastcall-training:1", False),
        ("python:3.12-slim", False),
        (None, False),
    ],
)
def test_what_an_image_has_goes_by_its_name(image: str | None, has: bool) -> None:
    assert brought_by(image) == (frozenset({"torch"}) if has else frozenset())
