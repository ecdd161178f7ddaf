"""What ``train`` says of an order before it sends or asks anything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from messages import admin
from messages.errors import ERRORS
from tests.integration.socket.live import Capture, LiveGateway, run


@pytest.mark.parametrize("yes", [[], ["-y"]])
def test_a_file_that_is_not_there_is_said_before_anybody_is_asked_to_confirm(
    live: LiveGateway, capsys: Capture, yes: list[str]
) -> None:
    live.node.dispatcher.answers[admin.PlanTraining] = lambda q: live.node.storage.answers[admin.FindDataset](
        admin.FindDataset(requester=q.requester, ref=q.order.dataset)
    )
    code, out, err = run(capsys, "train", "custmers.csv", "-t", "churn", *yes)
    assert (code, out) == (5, "")
    assert "There is no file custmers.csv here" in err
    assert "E-NOTFOUND" in err
    assert "--yes" not in err


@pytest.mark.parametrize("line", ["train . -t churn -y", "data add .", "predict m .", "models import ."])
def test_a_folder_is_called_one_by_every_command_that_sends(live: LiveGateway, capsys: Capture, line: str) -> None:
    live.node.dispatcher.answers[admin.PlanTraining] = lambda q: live.node.storage.answers[admin.FindDataset](
        admin.FindDataset(requester=q.requester, ref=q.order.dataset)
    )
    code, out, err = run(capsys, *line.split())
    assert (code, out, err.splitlines()[0]) == (2, "", ". is a folder.")
    assert not [q for q in live.node.storage.asked if isinstance(q, admin.BeginUpload)]


@pytest.mark.parametrize("how", ["ab", "r+b", "wb"])
def test_a_file_that_changes_while_it_is_sent_is_refused_at_once_and_nothing_of_it_kept(
    live: LiveGateway, table: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr("lastcall.cli.client.CHUNK_BYTES", 10)
    os.utime(table, (0, 0))  # a change within one tick of the file system's clock would not be seen

    def write(_: object, text: str, **__: object) -> None:
        if text.startswith("sending"):
            with table.open(how) as file:
                file.write(b"x")

    monkeypatch.setattr("lastcall.cli.screen.Screen.status", write)
    code, out, err = run(capsys, "train", "customers.csv", "-t", "churn", "-y")
    assert (code, out) == (2, "")
    assert err.splitlines()[0] == "customers.csv changed while it was sent, and nothing of it was kept."
    assert err.splitlines()[-1] == "E-FILE · docs/errors/E-FILE.md"
    assert "No data sets yet" in run(capsys, "data", "ls")[2]
    live.wait_for_nobody()
    assert not live.node.datasets


@pytest.mark.parametrize(
    ("typed", "code", "words"),
    [
        ("--max-cost ten", "E-BADREQUEST", "ten is no amount of dollars"),
        ("--max-cost 0", "E-BADREQUEST", "more than 0"),
        ("--max-cost -- -1", "E-BADREQUEST", "more than 0"),
        ("--max-cost nan", "E-BADREQUEST", "more than 0"),
        ("--max-cost 1e13", "E-BADREQUEST", "at most"),
        ("--max-cost 0.0000001", "E-BADREQUEST", "6 decimals"),
        ("--max-runtime 0", "E-BADREQUEST", "between 1s and 30d"),
        ("--max-runtime 31d", "E-BADREQUEST", "between 1s and 30d"),
        (f"--name {'n' * 41}", "E-BADREQUEST", "40 characters"),
        ("--model xgbost", "E-MODEL-UNKNOWN", "did you mean xgboost?"),
        ("--model ridge --task classification", "E-TASK", "cannot do classification"),
        ("--model logistic --param c=1", "E-PARAMETER", "did you mean C?"),
        ("--param C=1", "E-PARAMETER", "name the model you mean"),
        ("--features ,", "E-FEATURES", "empty"),
        ("--features a,churn", "E-FEATURES", "is the target"),
        ("--features a,c", "E-FEATURES", "There is no column 'c'"),
        ("--target chrun", "E-CSV-TARGET", "did you mean 'churn'?"),
        ("--group d", "E-SPLIT", "There is no column 'd'"),
        ("--time d", "E-SPLIT", "There is no column 'd'"),
    ],
)
def test_what_no_machine_could_make_right_is_refused_before_anything_is_sent(
    live: LiveGateway, table: Path, capsys: Capture, typed: str, code: str, words: str
) -> None:
    exit_code, out, err = run(capsys, "train", "customers.csv", "-t", "churn", "-y", *typed.replace("-- ", "").split())
    assert (exit_code, out) == (2 if code == "E-BADREQUEST" else ERRORS[code].exit, "")
    assert words in err
    assert err.splitlines()[-1] == f"{code} · docs/errors/{code}.md"
    assert live.node.storage.asked == []
    assert live.node.dispatcher.asked == []
