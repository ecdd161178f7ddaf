"""What the trial's pod does on its volume, start by start."""

from __future__ import annotations

import ast
import io
import json
import os
import zipfile
from pathlib import Path

import pytest

from containers.job.runpod import Pod
from lastcall.setup import trial_program
from lastcall.setup.trial import program_bytes

KEY = "rpa_KEYOFTHISPOD"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("lastcall.setup.trial_program.time.sleep", lambda _: None)
    return tmp_path / "trials" / "job_1"


def read(folder: Path, name: str) -> object:
    return json.loads((folder / name).read_text())


def test_the_first_start_tries_the_volume_and_exits(folder: Path) -> None:
    assert trial_program.main({"LASTCALL_JOB_FOLDER": str(folder)}) == 0
    assert read(folder, trial_program.FIRST) == {"exclusive": True, "link": True}
    assert not (folder / trial_program.SECOND).exists()


def test_the_second_start_ends_the_pod_with_its_own_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []

    def end(pod: Pod, told: object) -> None:
        ended.append(pod.key)
        told("delete", 403, "denied", False)  # type: ignore[operator]

    monkeypatch.setattr(trial_program, "end_pod", end)
    environ = {"LASTCALL_JOB_FOLDER": str(folder), "RUNPOD_POD_ID": "pod1"}
    trial_program.main(environ)
    out, into = os.pipe()
    os.write(into, KEY.encode())
    os.close(into)
    assert trial_program.main({**environ, "LASTCALL_KEY_FD": str(out)}) == 1
    assert ended == [KEY]
    assert read(folder, trial_program.CALLS) == {"calls": [{"route": "delete", "status": 403, "accepted": False}]}
    assert KEY not in "".join(path.read_text() for path in folder.iterdir())


def test_a_volume_that_cannot_link_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(1, "no links here")

    monkeypatch.setattr("lastcall.setup.trial_program.os.link", refuse)
    trial_program.main({"LASTCALL_JOB_FOLDER": str(folder)})
    assert read(folder, trial_program.FIRST) == {"exclusive": True, "link": False}


def test_a_volume_where_links_replace_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "lastcall.setup.trial_program.os.link", lambda source, target: Path(target).write_text(source.read_text())
    )
    trial_program.main({"LASTCALL_JOB_FOLDER": str(folder)})
    assert read(folder, trial_program.FIRST) == {"exclusive": True, "link": False}


def test_the_archive_needs_nothing_but_python_3_9_and_itself() -> None:
    archive = zipfile.ZipFile(io.BytesIO(program_bytes()))
    names = set(archive.namelist())
    assert names == {"__main__.py", "containers/__init__.py", "containers/job/__init__.py", "containers/job/runpod.py"}
    for name in names:
        ast.parse(archive.read(name), feature_version=(3, 9))
    assert program_bytes() == program_bytes()
