"""The two commands in this process, from their words on the command line to their exit status."""

from __future__ import annotations

import io
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lastcall.cli.main import main
from lastcall.setup.steps import Interrupted
from tests.emulators.runpod.launch import Emulator
from tests.emulators.runpod.settings import MAIN_KEY
from tests.integration.runpod_emulator.pods_kit import FAST
from tests.integration.setup.kit import ACCESS, SECRET


@pytest.fixture
def emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    with Emulator(tmp_path / "platform", settings=FAST, program="none") as running:
        variables = {
            "XDG_CONFIG_HOME": str(tmp_path / "config"),
            "LASTCALL_STATE_DIR": str(tmp_path / "s"),
            "RUNPOD_STORAGE_ENDPOINT": running.urls["s3"],
            "LASTCALL_RUNPOD_API_URL": running.urls["rest"],
            "LASTCALL_RUNPOD_GRAPHQL_URL": running.urls["graphql"],
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        yield running


def unwrapped(text: str) -> str:
    """Return the words of ``text`` on one line: how it wraps depends on how long a path is."""
    return " ".join(text.split())


def typed(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))


def test_keys_are_read_from_a_pipe_and_kept_in_the_file_that_was_named(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(monkeypatch, MAIN_KEY, ACCESS, SECRET)
    file = tmp_path / "mine.toml"
    assert main(["--config", str(file), "setup", "runpod", "--volume", "vol1", "--store-keys"]) == 0
    shown = capsys.readouterr()
    assert "✔ volume        ready-made (vol1), 10 GB in EU-RO-1" in shown.out
    assert "– self-ending   not tried" in shown.out
    assert "--yes agrees" in shown.err
    assert f"✔ configuration written to {file}" in unwrapped(shown.out)
    assert SECRET not in shown.out + shown.err
    assert tomllib.loads(file.read_text())["runpod"]["api_key"] == MAIN_KEY
    assert main(["--config", str(file), "setup", "runpod"]) == 0
    assert f"nothing to change in {file}" in unwrapped(capsys.readouterr().out)
    monkeypatch.setenv("CLOUD_PROVIDER", "runpod")
    assert main(["--config", str(file), "doctor"]) == 0
    assert "All works; 2 to look at." in capsys.readouterr().out
    assert main(["--config", str(file), "doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True


def test_without_keys_the_first_step_fails_and_json_says_so(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(monkeypatch)
    assert main(["setup", "runpod", "--json"]) == 1
    shown = capsys.readouterr()
    document = json.loads(shown.out)
    assert [step["state"] for step in document["steps"]] == ["failed"]
    assert "✖ key" in shown.err
    assert emulator.control()["calls"] == {}


def test_a_wrong_file_is_refused_with_its_lines(
    emulator: Emulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.toml").write_text("[runpod]\nvolume = 1\n")
    assert main(["setup", "runpod"]) == 78
    assert "unknown setting runpod.volume" in capsys.readouterr().err
    assert main(["doctor"]) == 1
    assert "runpod.volume" in capsys.readouterr().out


def test_yes_agrees_to_prices_and_never_to_keeping_keys(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", MAIN_KEY)
    monkeypatch.setenv("RUNPOD_STORAGE_ACCESS_KEY", ACCESS)
    monkeypatch.setattr("lastcall.setup.trial.COST_MAX_USD", 0)
    typed(monkeypatch, SECRET)
    assert main(["setup", "runpod", "--data-center", "eu-ro-1", "--size", "10", "--yes"]) == 0
    shown = capsys.readouterr().out
    assert "made lastcall" in shown
    assert "→ set RUNPOD_STORAGE_SECRET_KEY where lastcall daemon runs" in shown
    assert SECRET not in (tmp_path / "config" / "lastcall" / "config.toml").read_text()
    assert "provider 'runpod' needs runpod.api_key" not in shown


@pytest.mark.parametrize(
    ("stop", "words"),
    [
        (KeyboardInterrupt(), ["no pod was left running"]),
        (Interrupted([]), ["no pod was left running"]),
        (Interrupted(["pod lc1-x may still run and cost money"]), ["not sure", "! pod lc1-x may still run"]),
    ],
)
def test_an_interruption_says_what_is_known(
    stop: BaseException,
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stopped(*_: object) -> None:
        raise stop

    monkeypatch.setattr("lastcall.setup.command.set_up_runpod", stopped)
    monkeypatch.chdir(tmp_path)
    assert main(["setup", "runpod", "--yes"]) == 130
    said = capsys.readouterr().err
    assert all(word in said for word in words)
    assert ("nothing was left" in said, "no pod was left" in said) == (False, len(words) == 1)
