"""``logs --console``: the provider's own console, its lines put together again."""

from __future__ import annotations

import json

import pytest

from tests.integration.socket.live import Capture, LiveGateway, run


def test_a_console_is_shown_by_lines_whatever_pieces_it_comes_in(live: LiveGateway, capsys: Capture) -> None:
    code, out, _ = run(capsys, "logs", "--console", "churn-7fa")
    assert (code, out) == (0, "pulling image\nstarted\n")
    live.node.console_pieces.append(("1:12", "no end"))
    code, out, _ = run(capsys, "logs", "--console", "-f", "churn-7fa")
    assert (code, out) == (0, "pulling image\nstarted\nno end\n")


def test_a_console_as_json_is_the_daemons_pieces(live: LiveGateway, capsys: Capture) -> None:
    code, out, _ = run(capsys, "logs", "--console", "churn-7fa", "--json")
    assert code == 0
    assert [json.loads(line)["position"] for line in out.splitlines()] == ["1:5", "1:9"]


@pytest.mark.parametrize("job", ["churn-7fa", "nobody"])
def test_a_console_that_is_gone_says_what_is_left_to_read(live: LiveGateway, capsys: Capture, job: str) -> None:
    live.node.console_pieces = []
    code, out, err = run(capsys, "logs", "--console", job)
    assert (code, out) == (5, "")
    assert ("lastcall logs churn-7fa" in err) == (job == "churn-7fa")
