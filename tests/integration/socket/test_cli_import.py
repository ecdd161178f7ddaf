"""``models import``: shown first, then typed, then brought over; what was not typed brings nothing over."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from lastcall.cli.models import imported_words
from messages import admin
from tests.integration.socket import examples
from tests.integration.socket.live import Capture, LiveGateway, run

SHOWN = ("model.pkl", "5e" * 32, "RandomForestClassifier", "scikit-learn 1.5.2", "sklearn.tree._tree.T1", "and 10 more")


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, live: LiveGateway) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("model.pkl", "preprocessor.pkl", "metadata.json"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def asked(live: LiveGateway) -> list[Any]:
    return [q for q in live.node.storage.asked if isinstance(q, admin.LookAtImport | admin.ImportModel)]


def type_in(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    typing = io.StringIO(text)
    typing.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", typing)


def test_without_a_terminal_it_is_shown_and_the_line_with_the_confirmation_is_told(
    live: LiveGateway, old: Path, capsys: Capture
) -> None:
    code, out, err = run(capsys, "models", "import", "model.pkl", "--metadata", "metadata.json")
    assert (code, out) == (2, "")
    flat = " ".join(err.split())
    assert [text for text in (*SHOWN, "A pickle is a program that somebody else wrote") if text not in flat] == []
    assert "Beside it lies preprocessor.pkl" in flat
    line = "lastcall models import model.pkl --metadata metadata.json --name churn-5e5 --confirm 5e5e5e5e"
    assert line in flat
    assert [type(q) for q in asked(live)] == [admin.LookAtImport]


@pytest.mark.parametrize("typed", ["churn-5e5", "5e5e5e5e"])
def test_what_is_typed_brings_over_what_was_shown(
    live: LiveGateway, old: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    type_in(monkeypatch, f"{typed}\n")
    code, out, err = run(capsys, "models", "import", "model.pkl", "--preprocessor", "preprocessor.pkl")
    assert code == 0
    assert "type 'churn-5e5' or '5e5e5e5e'" in err
    assert "Beside it lies" not in err
    assert "Answers as the original did on 64 rows, bit for bit" in out
    assert "lastcall predict churn-5e5 FILE" in err
    made = asked(live)[-1]
    assert (made.confirm, made.name, made.sha256) == (typed, "churn-5e5", "5e" * 32)
    with zipfile.ZipFile(io.BytesIO(live.node.store.objects[made.grant.key])) as package:
        assert package.namelist() == ["model.pkl", "preprocessor.pkl"]
        assert package.read("model.pkl") == b"model.pkl"


@pytest.mark.parametrize("typed", ["y", "yes", "churn"])
def test_anything_else_is_refused_by_the_daemon(
    live: LiveGateway, old: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    type_in(monkeypatch, f"{typed}\n")
    code, out, err = run(capsys, "models", "import", "model.pkl")
    assert (code, out) == (7, "")
    assert "E-IMPORT-CONFIRM" in err


def test_there_is_no_way_to_say_yes_to_everything(live: LiveGateway, old: Path, capsys: Capture) -> None:
    for flag in ("--yes", "-y"):
        assert run(capsys, "models", "import", "model.pkl", flag)[0] == 2
    assert asked(live) == []


def test_an_imported_model_says_so() -> None:
    source = examples.imported(examples.import_look(None)).imported
    assert source is not None
    said = source.model_dump(mode="json")
    assert imported_words(said) == "model.pkl 5e5e5e5e5e5e…, written by scikit-learn 1.5.2"
    assert imported_words({**said, "made_with": []}) == "model.pkl 5e5e5e5e5e5e…"
