"""``lastcall setup aws`` in this process, from its words on the command line to its exit status, over real HTTP."""

from __future__ import annotations

import io
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lastcall.cli.main import main
from lastcall.setup.steps import Interrupted
from tests.emulators.aws.launch import Emulator
from tests.emulators.aws.settings import ACCOUNT, MAIN_KEY, MAIN_SECRET

BUCKET = f"lastcall-{ACCOUNT}-eu-central-1"


@pytest.fixture
def emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    with Emulator(tmp_path / "cloud", program="none") as running:
        variables = {
            "XDG_CONFIG_HOME": str(tmp_path / "config"),
            "LASTCALL_STATE_DIR": str(tmp_path / "s"),
            "AWS_ACCESS_KEY_ID": MAIN_KEY,
            "AWS_SECRET_ACCESS_KEY": MAIN_SECRET,
            "AWS_ENDPOINT_URL": running.urls["aws"],
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        yield running


def test_from_a_dry_run_to_the_removal(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--region", "eu-central-1", "--alarm-email", "ana@example.com"]
    assert main(["setup", "aws", "--dry-run", *options]) == 0
    shown = capsys.readouterr().out
    assert f"… bucket        would make bucket {BUCKET} in eu-central-1" in shown
    assert "Policy daemon:" in shown
    assert "Policy setup:" in shown
    assert '"Sid": "LaunchWhatIsTagged"' in shown

    assert main(["setup", "aws", "--yes", *options]) == 0
    shown = capsys.readouterr().out
    assert f"✔ bucket        made bucket {BUCKET} in eu-central-1" in shown
    assert "✔ storage       written, read and deleted a file" in shown
    assert 'write provider = "aws" above all sections' in " ".join(shown.split())
    file = tmp_path / "config" / "lastcall" / "config.toml"
    assert tomllib.loads(file.read_text())["aws"]["bucket"] == BUCKET
    assert MAIN_SECRET not in file.read_text()

    assert main(["setup", "aws", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {step["state"] for step in document["steps"] if step["name"].endswith(("role", "bucket", "group"))} == {
        "unchanged"
    }

    monkeypatch.setattr("sys.stdin", io.StringIO(f"{BUCKET}\n"))
    assert main(["setup", "aws", "--destroy", "--yes"]) == 0
    shown = capsys.readouterr().out
    assert f"✔ bucket        removed bucket {BUCKET} in eu-central-1" in shown
    assert tomllib.loads(file.read_text())["aws"] == {"region": "eu-central-1", "alarm_email": "ana@example.com"}


def test_without_a_terminal_nobody_agrees_and_nothing_is_made(
    emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["setup", "aws", "--region", "eu-central-1"]) == 1
    shown = capsys.readouterr()
    assert "✖ agreement     nothing was made or changed" in shown.out
    assert "--yes agrees" in shown.err
    assert not [call for call in emulator.control()["calls"] if ".Create" in call or ".Put" in call]


def test_a_wrong_flag_is_one_line(emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["setup", "aws", "--region", "Frankfurt"]) == 78
    assert "--region: aws.region" in capsys.readouterr().err


def test_an_interruption_says_that_nothing_bills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: object) -> None:
        raise Interrupted([])

    monkeypatch.setattr("lastcall.setup.command.set_up_aws", stopped)
    monkeypatch.chdir(tmp_path)
    assert main(["setup", "aws", "--yes"]) == 130
    assert "Interrupted; nothing of it costs by the hour. Run it again" in capsys.readouterr().err
