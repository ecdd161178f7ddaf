"""Our own images: the docker commands, the Dockerfiles' rules, and what is said where docker is not there."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from containers.image import ENTRY, fill
from lastcall import __version__
from lastcall.cli.main import main
from lastcall.images import REQUIREMENTS, Wanted, build_command, check, make_context, push_command
from tests.tidy.sources import ROOT

DIGEST = "sha256:" + "ab" * 32
FILES = [ROOT / "containers" / "training" / name for name in ("Dockerfile", "Dockerfile.gpu")]


def test_an_image_is_built_for_what_clouds_rent_and_named_by_its_version() -> None:
    command = build_command(Wanted(gpu=True, registry="someone", digest=DIGEST, user_id=0), "/ctx")
    said = shlex.join(command)
    assert said.startswith("docker build --platform linux/amd64 --file /ctx/containers/training/Dockerfile.gpu")
    assert f"--tag someone/lastcall-training-gpu:{__version__}" in said
    assert f"--build-arg PYTHON_IMAGE=python:3.12-slim-bookworm@{DIGEST} --build-arg USER_ID=0 /ctx" in said
    plain = build_command(Wanted(), "/ctx")
    assert f"lastcall-training:{__version__}" in plain
    assert "--build-arg" not in plain
    assert push_command(Wanted(registry="r.example:5000/a")) == [
        *("docker", "push", f"r.example:5000/a/lastcall-training:{__version__}")
    ]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted(registry="--help"), "no account"),
        (Wanted(registry="Some One"), "no account"),
        (Wanted(digest="sha256:12"), "no digest"),
        (Wanted(registry="registry.example/some-one", digest=DIGEST), None),
    ],
)
def test_names_and_digests_are_judged_before_docker_sees_them(wanted: Wanted, words: str | None) -> None:
    said = check(wanted)
    assert (said is None) if words is None else words in str(said)


def test_the_context_has_all_that_the_dockerfiles_copy(tmp_path: Path) -> None:
    make_context(tmp_path)
    assert {p.name for p in (tmp_path / "requirements").iterdir()} == set(REQUIREMENTS)
    assert (tmp_path / "containers" / "image.py").is_file()
    assert not list(tmp_path.rglob("__pycache__"))
    for file in FILES:
        text = file.read_text()
        for source in re.findall(r"^COPY (?!--from)(\S+) ", text, re.MULTILINE):
            assert (tmp_path / source).exists()
        for name in re.findall(r"job(?:-\w+)?\.txt", text):
            assert name in REQUIREMENTS


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_dockerfiles_pin_by_argument_install_by_hash_and_run_as_nobody(file: Path) -> None:
    lines = file.read_text().replace("\\\n", " ").splitlines()
    steps = [line for line in lines if line and not line.startswith("#")]
    froms = [step for step in steps if step.startswith("FROM ")]
    assert froms == ["FROM ${PYTHON_IMAGE} AS build", "FROM ${PYTHON_IMAGE}"]
    assert re.fullmatch(r"ARG PYTHON_IMAGE=\S+:(?!latest)\S+", steps[0])
    installs = re.findall(r"pip --python \S+ install [^&;]*", file.read_text().replace("\\\n", " "))
    assert len(installs) == 2
    for install in installs:
        assert {"--no-cache-dir", "--require-hashes", "--no-deps", "--only-binary"} <= set(install.split())
    assert "apt-get" not in file.read_text()
    assert "ADD " not in file.read_text()
    user = next(step for step in steps if step.startswith("ARG USER_ID="))
    assert int(user.split("=")[1]) >= 1000
    assert steps[-2:] == ["USER ${USER_ID}", 'ENTRYPOINT ["/opt/lastcall/entry"]']


def test_an_image_starts_the_wrapper_unless_a_command_is_given(tmp_path: Path) -> None:
    (tmp_path / "lib" / "python3.12" / "site-packages").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "bin" / "python").chmod(0o755)
    fill(tmp_path)

    def said(*command: str) -> str:
        return subprocess.run([str(tmp_path / ENTRY), *command], capture_output=True, text=True, check=True).stdout

    assert said() == f"-I -S {tmp_path}/wrapper.pyz\n"
    assert said("sh", "-c", "echo 'a  b'") == "a  b\n"
    assert zipfile.is_zipfile(tmp_path / "wrapper.pyz")
    assert "containers/training/search.py" in zipfile.ZipFile(tmp_path / "code.zip").namelist()


def test_a_dry_run_prints_the_commands_and_runs_none(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(subprocess, "run", None)
    assert main(["images", "build", "--dry-run", "--registry", "someone"]) == 0
    assert capsysbinary.readouterr().out.startswith(b"docker build --platform linux/amd64 ")
    assert main(["images", "push", "--dry-run", "--registry", "someone", "--json"]) == 0
    document = json.loads(capsysbinary.readouterr().out)
    assert document == {
        "schema": "image/v1",
        "image": f"someone/lastcall-training:{__version__}",
        "commands": [["docker", "push", f"someone/lastcall-training:{__version__}"]],
    }


Answer = Callable[[Sequence[str]], Any]


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], list[list[str]]]:
    """Answers in docker's place, and notes what was run."""

    def answers(answer: Answer) -> list[list[str]]:
        ran: list[list[str]] = []

        def run(command: Sequence[str], **_: Any) -> Any:
            ran.append(list(command))
            return answer(command)

        monkeypatch.setattr(subprocess, "run", run)
        return ran

    return answers


def gone(_: Sequence[str]) -> Any:
    raise FileNotFoundError("docker")


def slow(command: Sequence[str]) -> Any:
    raise subprocess.TimeoutExpired(command, 30)


def asleep(command: Sequence[str]) -> Any:
    return subprocess.CompletedProcess(command, 1, "", "Cannot connect to the Docker daemon\n")


def broken(command: Sequence[str]) -> Any:
    return subprocess.CompletedProcess(command, int(command[1] != "version"), "", "")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (gone, "There is no docker command"),
        (slow, "did not answer within 30 s"),
        (asleep, "Cannot connect to the Docker daemon"),
        (broken, "docker ended with code 1"),
    ],
)
def test_where_docker_cannot_be_used_that_is_said_with_a_code(
    docker: Callable[[Answer], list[list[str]]], capsys: pytest.CaptureFixture[str], answer: Answer, words: str
) -> None:
    docker(answer)
    assert main(["images", "push", "--registry", "someone"]) == 1
    said = capsys.readouterr().err
    assert words in said
    assert "E-DOCKER" in said


def test_what_is_built_has_a_context_and_is_told(
    docker: Callable[[Answer], list[list[str]]], capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    def answer(command: Sequence[str]) -> Any:
        if command[1] == "build":
            assert Path(command[-1], "containers", "training", "Dockerfile").is_file()
        return subprocess.CompletedProcess(command, 0, "", "")

    ran = docker(answer)
    assert main(["images", "build", "--json"]) == 0
    assert json.loads(capsysbinary.readouterr().out) == {
        "schema": "image/v1",
        "image": f"lastcall-training:{__version__}",
        "state": "built",
    }
    assert [command[1] for command in ran] == ["version", "build"]
    assert not Path(ran[-1][-1]).exists(), "nothing is left behind"


def test_what_makes_no_sense_is_a_usage_error() -> None:
    assert main(["images", "push"]) == 2
    assert main(["images", "build", "--digest", "latest"]) == 2


def test_the_gpu_image_has_every_library_and_xgboost_with_cuda_instead_of_without() -> None:
    plain, gpu = (file.read_text() for file in FILES)
    assert "in catboost lightgbm xgboost;" in plain
    assert "in catboost lightgbm xgboost-gpu;" in gpu
    assert "job-torch.txt" in gpu
