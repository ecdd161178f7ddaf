"""The training image's own install steps, run into a bare folder without docker: what comes out trains.

Bounded: one library of the three is installed (the others' wheels are not kept for tests), once, within ``STEP_S``.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from lastcall.images import make_context
from tests.support.cloud_house import ROWS, WHEELS
from tests.tidy.sources import ROOT

STEP_S = 300
HOME = "/opt/lastcall"


def steps(text: str) -> list[str]:
    """Return the shell commands of the stage that builds."""
    stage = text.replace("\\\n", " ").split("AS build\n")[1].split("\nFROM ")[0]
    return re.findall(r"^RUN (.+)$", stage, re.MULTILINE)


def test_what_the_dockerfile_installs_trains_where_nothing_else_is(tmp_path: Path) -> None:
    text = (ROOT / "containers" / "training" / "Dockerfile").read_text()
    make_context(tmp_path)
    home = tmp_path / "image"
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "python").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    (tools / "python").chmod(0o755)
    bare = {"PATH": f"{tools}:/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    # Compiling all of it takes three times as long as what the training itself then compiles.
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(WHEELS), "PIP_COMPILE": "0"}
    found = steps(text)
    assert len(found) == 2
    for step in found:
        command = step.replace(HOME, str(home)).replace("in catboost lightgbm xgboost;", "in lightgbm;")
        done = subprocess.run(
            ["sh", "-c", command], cwd=tmp_path, env=bare | offline, capture_output=True, text=True, timeout=STEP_S
        )
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-1000:]
    entry = json.loads(re.findall(r"^ENTRYPOINT (.+)$", text, re.MULTILINE)[0])
    assert all((home / Path(part).relative_to(HOME)).exists() for part in entry if part.startswith("/"))
    train(tmp_path, home, bare)


def train(folder: Path, home: Path, bare: dict[str, str]) -> None:
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "data.csv").write_bytes(ROWS)
    work = {"input": "data.csv", "target": "churn", "model": "lightgbm", "plots": False}
    (elsewhere / "work.json").write_text(json.dumps({**work, "parameters": {"n_estimators": 5}}))
    command = [str(home / "bin" / "python"), "-m", "containers.training", "work.json", "out"]
    environment = bare | {"PYTHONPATH": str(home / "code.zip"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True, timeout=STEP_S)
    assert done.returncode == 0, done.stderr[-1000:]
    assert json.loads((elsewhere / "out" / "metadata.json").read_text())["model_type"] == "lightgbm"
    made = (elsewhere / "out" / "requirements.lock").read_text()
    assert "lightgbm==" in made
    assert "pytest" not in made, "nothing of this checkout is seen"


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.gpu"])
def test_both_images_are_made_by_steps_that_can_be_run_alone(name: str) -> None:
    assert len(steps((ROOT / "containers" / "training" / name).read_text())) == 2
