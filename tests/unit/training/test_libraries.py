"""A library that only some models need is missed before money is spent, in words that say how to get it."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import pytest

from containers.bundle import LIBRARIES
from containers.training import libraries
from containers.training.families import FAMILIES, IMAGE_ONLY, library_to_predict
from containers.training.network import TabularNetwork
from containers.training.refusal import Refused
from tests.unit.training.files import ask, people, write


def without(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == library else real(name, *more))


def test_every_library_that_a_model_needs_can_be_installed_on_a_machine() -> None:
    needed = {f.library for f in FAMILIES.values() if f.library}
    assert needed == set(libraries.PACKAGES) == {*LIBRARIES, *IMAGE_ONLY}


def test_what_only_an_image_has_is_told_with_the_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "torch")
    found = ask(write(tmp_path, people()), model="neural_network")["check"]
    assert (found["library_missing"], found["image_library"]) == ("torch", "torch")
    assert ask(write(tmp_path, people()), model="xgboost")["check"]["image_library"] is None
    assert library_to_predict("neural_network") is None
    assert library_to_predict("xgboost") == "xgboost"
    with pytest.raises(Refused, match=r"E-LIBRARY: .*torch, .*lastcall images build --gpu"):
        TabularNetwork().fit([[1.0]], [1.0])


def test_inspection_tells_what_is_missing_here_and_refuses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, people())
    assert ask(path, model="xgboost")["check"]["library_missing"] is None
    without(monkeypatch, "xgboost")
    assert ask(path, model="xgboost")["check"]["library_missing"] == "xgboost"
    assert ask(path, model="lightgbm")["check"]["library_missing"] is None
    assert ask(path, model="logistic")["check"]["library_missing"] is None


def test_a_missing_library_is_refused_with_the_command_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "catboost")
    with pytest.raises(Refused, match=r"E-LIBRARY: .*catboost, .*pip install 'lastcall\[boosters\]'"):
        libraries.need("catboost")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError("libgomp.so.1: cannot open shared object file: No such file or directory"), "install libgomp1"),
        (ImportError("half of it is gone"), "pip install"),
        (ImportError(), "ImportError"),
    ],
)
def test_a_library_that_cannot_be_loaded_is_refused_with_what_it_said(
    monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    def broken(_: str) -> Any:
        raise error

    monkeypatch.setattr(importlib, "import_module", broken)
    with pytest.raises(Refused, match=words) as refused:
        libraries.need("lightgbm")
    assert refused.value.code == "E-LIBRARY"
