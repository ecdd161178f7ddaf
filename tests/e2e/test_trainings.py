"""What a training can do to us, through a real daemon and real processes: right outcome and code, nothing left."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.house import House, commanded

CASES = [
    ("good", {}, "succeeded", None),
    ("deaf", {"max_runtime_s": 4}, "timed_out", "E-TIMEOUT"),
    ("hang", {"max_runtime_s": 3}, "timed_out", "E-TIMEOUT"),
    ("forks", {}, "succeeded", None),
    ("eats", {}, "failed", "E-OOM"),
    ("floods", {}, "succeeded", None),
    ("empty", {}, "failed", "E-NORESULT"),
    ("nan", {}, "failed", "E-METRICS"),
    ("fails", {}, "failed", "E-WORK"),
]


@pytest.mark.parametrize(("how", "order", "outcome", "code"), CASES, ids=[case[0] for case in CASES])
def test_whatever_a_training_does_its_end_is_told_right_and_nothing_of_it_is_left(
    house: House, how: str, order: dict[str, Any], outcome: str, code: str | None
) -> None:
    """Faults 22, 23, 30, 31 and 33."""
    document = house.closed(house.train(how, **order))
    assert (document["job"]["outcome"], document["job"]["code"]) == (outcome, code)
    assert document["machine"]["terminated_confirmed_at"]
    assert (document["model"]["id"] is not None) == (outcome == "succeeded")
    assert house.processes() == []
    assert commanded(b"lastcall-test-grandchild in " + bytes(house.root.resolve())) == []
    assert house.get("/v1/machines")["running"] == 0
    assert not any((house.state / "machines").iterdir())


def test_the_log_is_kept_whole_with_its_last_line(house: House) -> None:
    job_id = house.train("fails")
    house.closed(job_id)
    texts = [line["text"] for line in house.lines(f"/v1/jobs/{job_id}/logs")]
    assert texts[0] == "begin"
    assert "no soul" in texts[-1]
