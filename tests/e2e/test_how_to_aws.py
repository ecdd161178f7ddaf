"""The pages for AWS are true: every command is run, every quoted line appears."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.emulators.aws.launch import Emulator
from tests.emulators.aws.settings import MAIN_KEY, MAIN_SECRET
from tests.support.aws_house import cloud_settings
from tests.support.cloud_house import OWN_IMAGE, own_image
from tests.support.commands import asking
from tests.support.forked import end_with
from tests.support.house import CHECKOUT
from tests.support.how_to import Page, Shell, said_in
from tests.support.patience import wait_until

PAGE = Page("first-training-on-aws.md")
GUIDE = Page("test-with-a-real-aws-account.md")
ROWS = [f"{i % 60},{i % 9},{'yes' if i % 60 < 20 else 'no'}" for i in range(90)]


@contextmanager
def an_account(root: Path, *, quick: bool = False) -> Iterator[Emulator]:
    """An account in which nothing was made yet, and rights hold: machines have those of their role only."""
    settings = {**cloud_settings(own_image(root / "image", empty=quick)), "enforce_iam": True}
    with Emulator(root / "em", settings=settings) as emulator:
        yield emulator


def shell_for(root: Path, emulator: Emulator, **more: str) -> Shell:
    keys = {"AWS_ACCESS_KEY_ID": MAIN_KEY, "AWS_SECRET_ACCESS_KEY": MAIN_SECRET}
    return Shell(root, {**keys, "AWS_ENDPOINT_URL": emulator.urls["aws"], "LASTCALL_AWS_IMAGE": OWN_IMAGE, **more})


def test_every_command_of_the_page_works_and_says_what_the_page_says(tmp_path: Path) -> None:
    with an_account(tmp_path) as emulator:
        expected, unsaid = PAGE.unsaid(shell_for(tmp_path, emulator))
        assert unsaid == []
        assert expected > 30
        seen = emulator.control()
        assert seen["alive"] == []
        assert len(seen["history"]) == 2, "two trainings"


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[tuple[Shell, Emulator]]:
    with an_account(tmp_path, quick=True) as emulator:
        shell = shell_for(tmp_path, emulator, CLOUD_PROVIDER="aws", QUICK_WORK="1")
        (tmp_path / "customers.csv").write_text("\n".join(["months,tickets,churn", *ROWS, ""]))
        made = shell.run("lastcall setup aws --region eu-central-1 --yes")
        assert made.returncode == 0, made.stdout
        with (tmp_path / "daemon.log").open("wb") as log:
            daemon = subprocess.Popen(
                [tmp_path / "bin" / "lastcall", "daemon"], env=shell.environment, cwd=tmp_path, stdout=log, stderr=log,
                preexec_fn=end_with(os.getpid()),
            )  # fmt: skip
        try:
            wait_until((tmp_path / "s" / "run" / "admin.sock").exists, "the daemon")  # asking costs more than looking
            shell.run("until lastcall status; do sleep 0.2; done")
            yield shell, emulator
        finally:
            daemon.terminate()
            daemon.wait(30)


def test_what_goes_wrong_reads_as_the_page_says(shell: tuple[Shell, Emulator]) -> None:
    reader, emulator = shell
    cases: list[tuple[str, dict[str, Any], int]] = [
        ("denied", {"auth.denied": ["ec2:RunInstances"]}, 7),
        ("capacity", {"capacity.none": True}, 10),
        ("spot", {"capacity.spot": True}, 0),
    ]
    for label, faults, code in cases:
        emulator.control({"faults": faults})
        done = reader.run("lastcall train customers.csv --target churn --yes --model logistic || exit $?", 90)
        assert done.returncode == code, (label, done.stdout)
        for line in PAGE.labelled(label).splitlines():
            assert said_in(line, done.stdout), (label, done.stdout)
        emulator.control({"heal": True})
        assert emulator.control()["alive"] == [], label


def test_the_guide_for_a_real_account_works_and_says_what_it_says(tmp_path: Path) -> None:
    with an_account(tmp_path) as emulator:
        shell = shell_for(tmp_path, emulator, TMPDIR=str(tmp_path))
        entry = tmp_path / "dev"  # what the checkout's own does, quicker to believe
        entry.write_text(
            f'#!/bin/sh\nshift\ncd "{CHECKOUT}"\nexec {shlex.join(asking("tests.support.live_entry"))} "$@"\n'
        )
        entry.chmod(0o755)
        expected, unsaid = GUIDE.unsaid(shell)
        assert unsaid == []
        assert expected > 20
        seen = emulator.control()
        assert seen["alive"] == []
        assert len(seen["history"]) == 3, "one instance and two trainings"
