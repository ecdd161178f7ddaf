"""The wheels of the training libraries: fetched once, by their hashes, and one line where that fails."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.tidy.sources import ROOT
from tools import wheels


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "requirements").mkdir()
    (tmp_path / ".dev").mkdir()
    shutil.copy(ROOT / "requirements" / wheels.REQUIREMENTS, tmp_path / "requirements")
    return tmp_path


def installer(folder: Path, body: str) -> str:
    """A program that stands in for a Python with pip; notes how it was called."""
    script = folder / "python"
    script.write_text(f'#!/bin/sh\necho "$@" >>"{folder}/calls"\n{body}\n')
    script.chmod(0o755)
    return str(script)


def test_wheels_are_fetched_once_with_their_hashes(checkout: Path) -> None:
    python = installer(checkout, f'mkdir "{checkout}/.dev/wheels.new"')
    assert wheels.ensure(checkout, python) is None
    assert wheels.ensure(checkout, python) is None
    (call,) = (checkout / "calls").read_text().splitlines()
    assert call.startswith("-m pip download")
    assert "--require-hashes" in call
    assert "--only-binary :all:" in call
    with (checkout / "requirements" / wheels.REQUIREMENTS).open("a") as file:
        file.write("# changed\n")
    assert wheels.ensure(checkout, python) is None
    assert len((checkout / "calls").read_text().splitlines()) == 2
    assert [path.name for path in (checkout / ".dev" / "wheels").iterdir()] == ["stamp"]


def test_a_download_that_fails_is_one_line_and_keeps_what_was_there(checkout: Path) -> None:
    (checkout / ".dev" / "wheels").mkdir()
    (checkout / ".dev" / "wheels" / "old.whl").touch()
    python = installer(checkout, "echo 'ERROR: no index' >&2; exit 1")
    assert wheels.ensure(checkout, python) == "the wheels for tests could not be fetched: ERROR: no index"
    assert (checkout / ".dev" / "wheels" / "old.whl").exists()
