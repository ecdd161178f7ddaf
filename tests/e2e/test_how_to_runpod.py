"""The page for a first training on RunPod is true: every command is run, every quoted line appears."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.emulators.runpod.launch import Emulator
from tests.emulators.runpod.settings import MAIN_KEY
from tests.support.cloud_house import OWN_IMAGE, own_image
from tests.support.forked import end_with
from tests.support.how_to import Page, Shell, said_in
from tests.support.patience import wait_until
from tests.support.runpod_house import ACCESS, PLACE, SECRET, VOLUME, platform_settings

PAGE = Page("first-training-on-runpod.md")
ROWS = [f"{i % 60},{i % 9},{'yes' if i % 60 < 20 else 'no'}" for i in range(90)]


class PodShell(Shell):
    """A shell on an emulated account."""

    def __init__(self, root: Path, emulator: Emulator, **more: str) -> None:
        urls = emulator.urls
        self.emulator = emulator
        super().__init__(
            root,
            {
                "RUNPOD_API_KEY": MAIN_KEY,
                "RUNPOD_STORAGE_ACCESS_KEY": ACCESS,
                "RUNPOD_STORAGE_SECRET_KEY": SECRET,
                "RUNPOD_STORAGE_ENDPOINT": urls["s3"],
                "LASTCALL_RUNPOD_API_URL": urls["rest"],
                "LASTCALL_RUNPOD_GRAPHQL_URL": urls["graphql"],
                "LASTCALL_RUNPOD_SERVERLESS_URL": urls["serverless"],
                "LASTCALL_RUNPOD_MOUNT_PATH": str(emulator.root / "workspace"),
                "LASTCALL_RUNPOD_IMAGE": OWN_IMAGE,
                **more,
            },
        )


@contextmanager
def a_platform(root: Path, volumes: Mapping[str, Any], *, quick: bool = False) -> Iterator[Emulator]:
    own = own_image(root / "image", empty=quick)
    settings = platform_settings(own, volumes=volumes, terminate_grace_s=0.2)
    with Emulator(root / "em", settings=settings) as emulator:
        yield emulator


def test_every_command_of_the_page_works_and_says_what_the_page_says(tmp_path: Path) -> None:
    with a_platform(tmp_path, {}) as emulator:
        expected, unsaid = PAGE.unsaid(PodShell(tmp_path, emulator))
        assert unsaid == []
        assert expected > 15
        seen = emulator.control()
        assert seen["alive"] == []
        assert len(seen["history"]) == 3, "setup's trial and two trainings"


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[PodShell]:
    with a_platform(tmp_path, {VOLUME: {"data_center": PLACE}}, quick=True) as emulator:
        known = {"RUNPOD_NETWORK_VOLUME_ID": VOLUME, "CLOUD_PROVIDER": "runpod", "QUICK_WORK": "1"}
        shell = PodShell(tmp_path, emulator, **known)
        (tmp_path / "customers.csv").write_text("\n".join(["months,tickets,churn", *ROWS, ""]))
        with (tmp_path / "daemon.log").open("wb") as log:
            daemon = subprocess.Popen(
                [tmp_path / "bin" / "lastcall", "daemon"], env=shell.environment, cwd=tmp_path, stdout=log, stderr=log,
                preexec_fn=end_with(os.getpid()),
            )  # fmt: skip
        try:
            wait_until((tmp_path / "s" / "run" / "admin.sock").exists, "the daemon")  # asking costs more than looking
            shell.run("until lastcall status; do sleep 0.2; done")
            yield shell
        finally:
            daemon.terminate()
            daemon.wait(30)


@pytest.mark.parametrize(
    ("label", "change", "options", "code"),
    [
        ("lost", {"faults": {"create.fail": {"value": 500, "calls": 1}}}, "", 0),
        ("capacity", {"faults": {"capacity.none": True}}, "--machine 'NVIDIA RTX A5000'", 10),
        ("balance", {"balance": {"user_main": "0"}}, "", 7),
    ],
)
def test_what_goes_wrong_reads_as_the_page_says(
    shell: PodShell, label: str, change: dict[str, Any], options: str, code: int
) -> None:
    shell.emulator.control(change)
    done = shell.run(f"lastcall train customers.csv --target churn --yes {options} || exit $?", 90)
    assert done.returncode == code, done.stdout
    for line in PAGE.labelled(label).splitlines():
        assert said_in(line, done.stdout), done.stdout
    assert shell.emulator.control()["alive"] == []


def test_an_image_that_cannot_be_fetched_shows_in_the_console(shell: PodShell) -> None:
    shell.emulator.control({"faults": {"pod.pull_fail": "starting"}})
    shell.run("lastcall train customers.csv --target churn --yes --no-follow")
    wait_until(lambda: "cannot fetch image" in shell.run(PAGE.labelled("pull")).stdout, "the pull's error", step_s=0.5)
    shell.run("lastcall stop @last; lastcall wait @last || test $? = 11")
    assert shell.emulator.control()["alive"] == []
