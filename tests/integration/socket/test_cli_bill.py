"""``cost --billed`` against the real gateway: no question before its price was said and agreed to."""

from __future__ import annotations

import io
import json
import sys
from datetime import date

import pytest

from tests.integration.socket.live import Capture, LiveGateway, run


def test_the_bill_is_asked_for_only_after_its_price_was_said_and_agreed_to(live: LiveGateway, capsys: Capture) -> None:
    code, _, err = run(capsys, "cost", "--billed")
    assert (code, live.node.bills) == (2, [])
    assert "lastcall cost --billed --yes" in err
    code, out, err = run(capsys, "cost", "--billed", "--since", "2026-11-01", "--yes")
    assert code == 0
    assert "costs $0.010 a page, $0.10 at most" in err.replace("$0.100", "$0.10")
    assert [since for _, since, _ in live.node.bills] == [date(2026, 11, 1)]
    assert "-$0.003" in out
    assert "without a machine's name: Amazon Simple Storage Service $0.12" in out.replace("$0.120", "$0.12")
    assert out.splitlines()[-1] == "Asking cost $0.010, booked"
    document = json.loads(run(capsys, "cost", "--billed", "--yes", "--json")[1])
    assert document["schema"] == "billed/v1"
    assert run(capsys, "cost", "--since", "2026-11-01")[0] == 2


@pytest.mark.parametrize(("typed", "asked"), [("y\n", 1), ("n\n", 0)])
def test_on_a_terminal_the_price_of_the_bill_is_agreed_to_first(
    live: LiveGateway, capsys: Capture, monkeypatch: pytest.MonkeyPatch, typed: str, asked: int
) -> None:
    typing = io.StringIO(typed)
    typing.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", typing)
    code, _, err = run(capsys, "cost", "--billed")
    assert code == 0
    assert "Ask?" in err
    assert len(live.node.bills) == asked
