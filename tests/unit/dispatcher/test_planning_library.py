"""A model whose library is missing here is refused where the work would run here, and else warned of."""

from __future__ import annotations

from decimal import Decimal

import pytest

from actors.dispatcher import planning
from messages.admin import CheckedTraining, TrainOrder
from messages.errors import Refusal
from messages.jobs import Plan
from providers.fake.settings import FakeSettings
from tests.integration.socket.examples import dataset
from tests.support.jobs import offer

DEFAULTS = planning.Defaults(7200, Decimal(10), 2)


def planned(lacking: str | None, *, here: bool) -> Plan:
    checked = CheckedTraining(
        dataset=dataset(), task="classification", rows_usable=100, features=("tenure",), library_missing=lacking
    )
    order = TrainOrder(dataset=dataset().id, target="churn", model="xgboost")
    past = planning.PastRuns(0, 0.0, 0.0)
    return planning.plan(order, checked, [offer()], FakeSettings().timings, DEFAULTS, past, "fake", "proven", here=here)


def test_work_on_this_computer_needs_the_library_here() -> None:
    with pytest.raises(Refusal, match="xgboost needs xgboost") as refused:
        planned("xgboost", here=True)
    assert refused.value.code == "E-LIBRARY"
    assert planned(None, here=True).warnings == ()


def test_work_elsewhere_only_warns_that_predictions_will_need_it() -> None:
    (warning,) = planned("xgboost", here=False).warnings
    assert "pip install 'lastcall[boosters]'" in warning
    assert planned(None, here=False).warnings == ()
