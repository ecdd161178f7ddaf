"""Where a card is, what computes on it says so and what does not says that; a card that fails stops nothing."""

from __future__ import annotations

import ctypes
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from containers.training import boosters, cards
from containers.training.checkpoints import Interrupted, Keeper
from containers.training.families import FAMILIES
from containers.training.progress import Progress

ROWS = np.random.default_rng(0).random((60, 3))
TARGET = (ROWS[:, 0] > 0.5).astype(int)
CUDA = SimpleNamespace(build_info=lambda: {"USE_CUDA": True})
NO_CUDA = SimpleNamespace(build_info=lambda: {"USE_CUDA": False})


class Driver:
    """NVIDIA's driver, as far as cards are counted."""

    def __init__(self, cards_seen: int = 1, begins: int = cards.DONE, counts: int = cards.DONE) -> None:
        self._seen = cards_seen
        self.cuInit = lambda _: begins
        self._counts = counts

    def cuDeviceGetCount(self, found: Any) -> int:  # noqa: N802 (the driver's name)
        found._obj.value = self._seen
        return self._counts


def with_driver(monkeypatch: pytest.MonkeyPatch, driver: Any) -> None:
    def load(name: str) -> Any:
        assert name == cards.DRIVER
        if driver is None:
            raise OSError(name)
        return driver

    monkeypatch.setattr(ctypes, "CDLL", load)


@pytest.mark.parametrize(
    ("driver", "seen"),
    [(None, 0), (Driver(2), 2), (Driver(begins=100), 0), (Driver(counts=3), 0), (SimpleNamespace(), 0)],
    ids=["no driver", "two cards", "a driver without a card", "a driver in trouble", "another library"],
)
def test_cards_are_counted_by_the_driver_and_a_driver_in_trouble_has_none(
    driver: Any, seen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_driver(monkeypatch, driver)
    assert cards.count() == seen


def test_without_a_card_everything_computes_on_the_processor_and_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_driver(monkeypatch, None)
    for library in ("xgboost", "lightgbm", "catboost"):
        assert cards.place(library, CUDA) == (cards.PROCESSOR, "")


def test_beside_a_card_only_what_has_cuda_computes_on_it_and_the_others_say_that_it_is_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_driver(monkeypatch, Driver())
    assert cards.place("xgboost", CUDA).name == cards.CARD
    places = [cards.place("xgboost", NO_CUDA), cards.place("lightgbm", CUDA), cards.place("catboost", CUDA)]
    assert all(place.name == cards.PROCESSOR and "stays idle" in place.why for place in places)
    known = {f.library for f in FAMILIES.values() if f.uses_gpu}
    assert known == {
        "torch",
        *(x for x in ("xgboost", "lightgbm", "catboost") if cards.place(x, CUDA).name == cards.CARD),
    }


def fit(keeper: Keeper) -> Any:
    model = boosters.booster("xgboost", True, {"n_estimators": 4}, 1)
    boosters.fit_booster("xgboost", model, ROWS, TARGET, keeper)
    return model


def on_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "place", lambda library, module: cards.Place(cards.CARD, "on the card"))


@pytest.mark.filterwarnings("ignore:.*(GPU|CUDA)")
def test_a_card_that_xgboost_cannot_use_is_not_claimed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_card(monkeypatch)
    keeper = Keeper(None, "", Progress(None))
    model = fit(keeper)
    assert keeper.computed_on == cards.PROCESSOR
    assert "found no graphics card that it can use" in capsys.readouterr().out
    assert model.device is None, "it answers where there is no card"


def test_a_card_that_fails_within_a_fit_is_told_of_and_the_processor_fits_as_if_it_had_not_been_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = fit(Keeper(None, "", Progress(None)))
    on_a_card(monkeypatch)
    grow = boosters._grow_xgboost

    def failing(library: Any, model: Any, prepared: Any, target: Any, keeper: Keeper) -> None:
        if model.device == "cuda":
            raise library.core.XGBoostError("[11:00] somewhere.cu:12\nout of memory on the card")
        grow(library, model, prepared, target, keeper)

    monkeypatch.setattr(boosters, "_grow_xgboost", failing)
    keeper = Keeper(tmp_path / "checkpoint", "k", Progress(None))
    model = fit(keeper)
    assert keeper.computed_on == cards.PROCESSOR
    assert "not on the graphics card, which failed: out of memory on the card" in capsys.readouterr().out
    assert np.array_equal(model.predict_proba(ROWS), plain.predict_proba(ROWS))


def test_an_interruption_on_a_card_is_no_failure_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_card(monkeypatch)

    def stopped(*_: Any) -> None:
        raise Interrupted("stopped after round 2")

    monkeypatch.setattr(boosters, "_grow_xgboost", stopped)
    keeper = Keeper(None, "", Progress(None, silent=True))
    with pytest.raises(Interrupted):
        fit(keeper)
    assert keeper.computed_on == cards.CARD
