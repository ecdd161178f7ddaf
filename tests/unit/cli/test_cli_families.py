"""What kinds of model there are is told without a daemon, from the table that trainings are checked against."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from containers.training.families import AUTO, FAMILIES, complete_parameters, model_names
from containers.training.libraries import GPU_LIBRARY, PACKAGES
from lastcall.cli.main import main
from messages.errors import ERRORS

ROOT = Path(__file__).parents[3]

Capture = pytest.CaptureFixture[str]


def run(capsys: Capture, *words: str) -> tuple[int, str, str]:
    code = main(["models", "families", *words])
    seen = capsys.readouterr()
    return code, seen.out, seen.err


def test_every_name_that_can_be_asked_for_is_listed(capsys: Capture) -> None:
    _, out, err = run(capsys)
    for name in model_names():
        assert name == AUTO or re.search(rf"^{name} ", out + err, re.MULTILINE)
    for family in FAMILIES.values():
        assert (family.name in err.partition("On this computer")[2]) == (family.library is not None)


def test_what_a_missing_library_needs_names_files_that_are_there() -> None:
    hint = ERRORS["E-LIBRARY"].hint
    named = re.findall(r"requirements/\S+?\.txt", hint)
    assert named
    for file in named:
        text = (ROOT / file).read_text()
        wanted = {PACKAGES[f.library] for f in FAMILIES.values() if f.library not in (None, GPU_LIBRARY)}
        assert all(f"\n{package}==" in text for package in wanted)


def test_scripts_read_tasks_ranges_and_defaults(capsys: Capture) -> None:
    families = {f["name"]: f for f in json.loads(run(capsys, "--json")[1])["families"]}
    assert set(families) == set(FAMILIES)
    assert families["ridge"]["tasks"] == ["regression"]
    for name, family in families.items():
        defaults = {p["name"]: p["default"] for p in family["parameters"]}
        assert complete_parameters(FAMILIES[name], defaults) == defaults, "what is listed is what is accepted"
        for found in family["parameters"]:
            if found["kind"] in ("int", "float") and found["default"] is not None:
                assert found["low"] <= found["default"] <= found["high"]
            if found["kind"] == "choice":
                assert found["default"] in [*found["choices"], None]


def test_one_kind_is_shown_with_its_parameters_also_by_another_name(capsys: Capture) -> None:
    code, out, _ = run(capsys, "gradient_boosting")
    assert code == 0
    assert "learning_rate" in out
    assert "a number from 0.0001 to 1" in out
    assert "Past 10,000 training rows" in run(capsys, "svm")[1]


def test_a_name_that_is_no_kind_is_refused_with_the_nearest(capsys: Capture) -> None:
    code, out, err = run(capsys, "ramdom_forest")
    assert code != 0
    assert out == ""
    assert "did you mean random_forest?" in err
    assert "name one of them" in run(capsys, "auto")[2]
