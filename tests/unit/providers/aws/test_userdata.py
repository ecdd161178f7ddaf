"""What an instance is started with: its end first, then the job, nothing secret. What it does runs in integration."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from messages.machines import LaunchRequest
from providers.aws.creating import USER_DATA_BYTES_MAX
from providers.aws.settings import AwsSettings
from providers.aws.userdata import BOOT_BYTES_MAX, BOOT_SOURCE, bucket_url, user_data
from providers.interface import Refused
from tests.emulators.aws.settings import MAIN_KEY, MAIN_SECRET
from tests.support.aws_cloud import Cloud
from tests.support.aws_sim import settings


async def script(**changes: object) -> str:
    return user_data(await asked(), settings(**changes)).decode()


async def asked(**environment: str) -> LaunchRequest:
    request = await Cloud().request()
    return request.model_copy(update={"environment": environment, "bundle": "bundles/abc"})


async def test_the_timer_stands_before_anything_is_fetched_or_started() -> None:
    lines = (await script()).splitlines()
    armed = lines.index("/var/lib/lastcall/timer")
    assert lines.index("systemctl enable lastcall-timer.service") < armed
    assert armed < lines.index("trap off EXIT") < next(n for n, line in enumerate(lines) if "boot.py" in line)


async def test_it_fits_and_no_placeholder_or_secret_is_left_in_it() -> None:
    for changes in ({}, {"image": "me/train:1", "kms_key": "arn:aws:kms:us-east-1:123456789012:key/" + "a" * 36}):
        text = await script(**changes)
        assert len(text.encode()) <= USER_DATA_BYTES_MAX
        assert not re.search("@[A-Z]+@", text)
        assert MAIN_KEY not in text
        assert MAIN_SECRET not in text


async def test_any_shell_can_read_it(tmp_path: Path) -> None:
    for number, changes in enumerate(({}, {"image": "me/train:1"})):
        path = tmp_path / f"user-data-{number}"
        path.write_text(await script(**changes))
        subprocess.run(["sh", "-n", str(path)], check=True, timeout=10)


@pytest.mark.parametrize("has_venv", [True, False])
async def test_a_python_that_makes_no_environments_gets_what_is_missing_before_the_job(
    tmp_path: Path, has_venv: bool
) -> None:
    """Ubuntu's image has a Python without ensurepip."""
    told = tmp_path / "told"
    stubs = {
        "python3": f'case "$*" in *ensurepip*) exit {0 if has_venv else 1};; *boot.py*) echo boot >>{told};; esac',
        "apt-get": f'echo "apt-get $*" >>{told}',
        "timeout": 'shift; "$@"',
    }
    for name, body in stubs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    lines = (await script()).splitlines()
    start = lines.index("bring() {")
    subprocess.run(
        ["sh", "-c", "\n".join(lines[start:])], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=True, timeout=10
    )
    said = told.read_text().splitlines()
    assert said[-1] == "boot"
    assert [line.split()[-1] for line in said[:-1]] == ([] if has_venv else ["update", "python3-venv"])


@pytest.mark.parametrize(
    ("there", "brings"),
    [
        (("docker",), []),
        (("apt-get", "dnf"), ["apt-get update", "apt-get update", "apt-get docker.io"]),
        (("dnf",), ["dnf docker"]),
    ],
)
async def test_an_image_that_has_no_docker_gets_it_by_its_package_manager_before_the_job(
    tmp_path: Path, there: tuple[str, ...], brings: list[str]
) -> None:
    """The lists are somebody else's at first, as on a first boot."""
    told, shell = tmp_path / "told", shutil.which("sh")
    assert shell is not None
    busy_once = f"{{ [ -e {told}.busy ] || {{ echo >{told}.busy; exit 100; }}; }}"
    stubs = {
        "timeout": 'shift; "$@"',
        "sh": f'exec {shell} "$@"',
        "sleep": "",
        "systemctl": "",
        "docker": f'[ "$1" != run ] || echo run >>{told}',
        "apt-get": f'for last; do :; done; echo "apt-get $last" >>{told}; [ "$last" != update ] || {busy_once}',
        "dnf": f'for last; do :; done; echo "dnf $last" >>{told}',
    }
    for name in (*there, "timeout", "sh", "sleep", "systemctl"):
        (tmp_path / name).write_text(f"#!{shell}\n{stubs[name]}\n")
        (tmp_path / name).chmod(0o755)
    lines = (await script(image="me/train:1")).splitlines()
    text = "\n".join(lines[lines.index("bring() {") :])
    subprocess.run([shell, "-c", text], env={"PATH": str(tmp_path)}, check=False, timeout=10, capture_output=True)
    assert [one for one in told.read_text().splitlines() if one != "run"] == brings
    assert ("run" in told.read_text().splitlines()) is ("docker" in there)


async def test_every_boot_but_the_first_powers_off() -> None:
    text = await script()
    assert "[ -e /var/lib/lastcall/booted ] && { shutdown -h now" in text
    assert text.index("\n/var/lib/lastcall/timer\n") < text.index("touch /var/lib/lastcall/booted")


async def test_the_hard_deadline_is_in_it() -> None:
    request = await asked()
    assert f"({request.hard_deadline.timestamp():.0f} - $(date +%s))" in user_data(request, settings()).decode()


async def test_an_image_runs_under_docker_with_its_log_in_cloudwatch() -> None:
    text = await script(image="me/train:1", log_group="/mine")
    assert "--log-driver awslogs --log-opt awslogs-region=us-east-1 --log-opt awslogs-group=/mine" in text
    assert "me/train:1 python3 -I /var/lib/lastcall/boot.py" in text
    assert "docker run --rm --user 0 " in text, "the machine's folder is root's, whoever the image runs as"


@pytest.mark.parametrize("value", ["a\nb", "\0"])
async def test_a_variable_that_no_shell_takes_is_refused(value: str) -> None:
    with pytest.raises(Refused):
        user_data(await asked(LASTCALL_X=value), settings())


async def test_a_value_is_never_run() -> None:
    text = user_data(await asked(LASTCALL_X="$(touch /tmp/x)'; true"), settings()).decode()
    line = next(line for line in text.splitlines() if line.startswith("LASTCALL_X="))
    done = subprocess.run(["sh", "-c", f'{line}; printf %s "$LASTCALL_X"'], capture_output=True, check=True, timeout=10)
    assert done.stdout.decode() == "$(touch /tmp/x)'; true"


def test_the_bucket_is_in_the_host_unless_its_name_has_dots() -> None:
    def at(bucket: str, region: str = "eu-central-1") -> str:
        return bucket_url(AwsSettings(region=region, bucket=bucket))

    assert at("mine") == "https://mine.s3.eu-central-1.amazonaws.com"
    assert at("my.data") == "https://s3.eu-central-1.amazonaws.com/my.data"


def test_the_boot_program_is_one_small_text_of_the_standard_library() -> None:
    assert len(BOOT_SOURCE.encode()) <= BOOT_BYTES_MAX
    tree = ast.parse(BOOT_SOURCE, feature_version=(3, 9))
    modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not [module for module in modules if module and module.startswith("containers")]
