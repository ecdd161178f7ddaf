"""The comparison as people see it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from actors.views.comparing import compare
from lastcall.cli.compare import DIFFERENCES_SHOWN_MAX, compare_card, other_versions, reproduced, reproduction_lines
from lastcall.cli.text import width
from lastcall.cli.versions import installed
from messages.comparing import DescribedModel
from tests.integration.socket import examples


def document(second: DescribedModel) -> Any:
    jobs = (examples.succeeded().job, None)
    return json.loads(compare((examples.described(), second), jobs).model_dump_json(by_alias=True))


@pytest.mark.parametrize("columns", [80, 40])
def test_numbers_stand_whole_on_a_narrow_terminal_too(columns: int) -> None:
    lines = compare_card(document(examples.described_other()), columns)
    assert max(width(line) for line in lines) <= columns
    assert "0.828–0.863" in "\n".join(lines)
    assert "5,634 + 1,409" in "\n".join(lines)


def test_what_is_not_known_is_a_dash_and_hostile_names_steer_no_terminal() -> None:
    other = examples.described_other()
    nothing = other.model_copy(
        update={
            "making": other.making.model_copy(update={"split": None, "machine": {}}),
            "info": other.info.model_copy(update={"metrics": {}, "target": "a\x1b[31mb"}),
        }
    )
    lines = compare_card(document(nothing), 80)
    by_name = {line[:10].strip(): line.split()[-1] for line in lines}
    unknown = ("rows", "held out", "ROC AUC", "between", "guessing", "cost", "took", "machine")
    assert {name: by_name[name] for name in unknown} == dict.fromkeys(unknown, "-")
    assert not [line for line in lines if "\x1b" in line]


def test_settings_that_differ_are_listed_up_to_a_bound() -> None:
    many = {f"p{i:02}": i for i in range(DIFFERENCES_SHOWN_MAX + 3)}
    lines = compare_card(document(examples.described(hyperparameters=many)), 80)
    assert "  p00: none → 0" in lines
    assert lines[-1] == f"  and {len(many) + 1 - DIFFERENCES_SHOWN_MAX} more"


def test_what_a_rented_machine_gets_does_not_hang_on_what_is_installed_here() -> None:
    """Made with a Python that this computer does not have, and with the libraries that are locked."""
    making = {"versions": {"python": "3.99.1", "scikit-learn": installed("scikit-learn")}}
    said = {kind: other_versions({"making": making}, {"plan": {"provider": kind}}) for kind in ("local", "runpod")}
    assert (said["runpod"], "python 3.99.1, now" in said["local"]) == ("", True)


def test_a_result_that_cannot_be_compared_is_not_reproduced() -> None:
    found = document(examples.described(dataset_sha256="cd" * 32))
    assert not reproduced(found)
    assert reproduction_lines(found, 80)[0].startswith("Not reproduced. These numbers cannot be compared")


def test_metrics_that_are_the_same_to_the_last_digit_are_never_said_to_differ_by_nothing() -> None:
    found = document(examples.described()) | {"identical": False, "apart": 0.0, "comparable": True}
    said = reproduction_lines(found, 200)[0]
    assert said.startswith("Reproduced: every metric is the same to the last digit;")
