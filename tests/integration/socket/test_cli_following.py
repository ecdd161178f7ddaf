"""Following a job or a log on a line that breaks: nothing is lost, and nothing is stopped by who only looks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lastcall.cli import follow
from messages import admin
from tests.integration.socket import examples
from tests.integration.socket.live import Capture, LiveGateway, run


def test_a_log_that_breaks_off_goes_on_where_it_was(live: LiveGateway, capsys: Capture) -> None:
    live.node.lines = [examples.log_line(n, f"line {n}") for n in range(1, 3)]
    live.call(live.node.release.clear)

    def restart() -> None:
        live.close()
        live.node.lines.append(examples.log_line(3, "line 3"))
        live.call(live.node.release.set)
        live.open()

    with live.once_followed(restart):
        code, out, _ = run(capsys, "logs", "-f", "churn-7fa")
    assert code == 0
    assert out == "line 1\nline 2\nline 3\n"


def test_a_job_is_followed_across_a_restart_of_the_daemon(live: LiveGateway, capsys: Capture) -> None:
    live.call(live.node.release.clear)

    def restart() -> None:
        live.close()
        live.call(live.node.release.set)
        live.open()

    with live.once_followed(restart):
        code, out, _ = run(capsys, "train", "x", "-t", "churn", "-y", "--json")
    assert code == 0
    assert json.loads(out)["job"]["outcome"] == "succeeded"


def test_when_the_daemon_stays_away_the_job_is_said_to_go_on(
    live: LiveGateway, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "PATIENCE_S", 0.2)
    live.call(live.node.release.clear)
    with live.once_followed(live.close):
        code, _, err = run(capsys, "train", "x", "-t", "churn", "-y")
    assert code == 3
    assert "churn-7fa goes on" in err
    assert "lastcall wait churn-7fa" in err


def test_ctrl_c_while_following_leaves_the_job_running_and_says_so(
    live: LiveGateway, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(follow.Follower, "run", interrupted)
    code, _, err = run(capsys, "train", "x", "-t", "churn", "-y")
    assert code == 130
    assert "churn-7fa keeps running" in err
    assert "lastcall logs -f churn-7fa" in err
    assert admin.StopJob not in [type(q) for q in live.node.dispatcher.asked]


def test_train_can_show_the_log_while_it_follows(live: LiveGateway, capsys: Capture) -> None:
    _, _, err = run(capsys, "train", "x", "-t", "churn", "-y", "--logs")
    assert "line 3" in err
