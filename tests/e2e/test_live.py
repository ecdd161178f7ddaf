"""``./dev live``: only where it is asked for, never past its cap; here against an emulated account.

The whole round on AWS is a step of its guide (``test_how_to_aws``), with a real training; here it is a quick one.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.emulators.aws.launch import Emulator as AwsEmulator
from tests.emulators.runpod.launch import Emulator
from tests.emulators.runpod.settings import MAIN_KEY
from tests.support.aws_house import variables
from tests.support.cloud_house import own_image
from tests.support.commands import asking
from tools import live

CHECKOUT = Path(__file__).parents[2]
VOLUME = "vol1"
SETTINGS: dict[str, Any] = {
    "place_s": 0.2,
    "pull_s": 0.3,
    "restart_s": 0.5,
    "terminate_grace_s": 0.2,
    "quotas": {},
    "billing_lag_s": 0.0,
    "volumes": {VOLUME: {"data_center": "EU-RO-1", "size_gb": 10}},
}
LIMIT_S = 100


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    own = own_image(tmp_path / "image", empty=True)
    with Emulator(tmp_path / "platform", settings={**SETTINGS, "images": {"*": {"env": own}}}) as running:
        yield running


def environment(emulator: Emulator, root: Path) -> dict[str, str]:
    urls = emulator.urls
    return {
        **os.environ,
        "QUICK_WORK": "1",
        "PYTHONPATH": str(CHECKOUT),
        "TMPDIR": str(root),
        "XDG_CONFIG_HOME": str(root / "none"),
        "RUNPOD_API_KEY": MAIN_KEY,
        "RUNPOD_NETWORK_VOLUME_ID": VOLUME,
        "RUNPOD_STORAGE_ACCESS_KEY": "user_main",
        "RUNPOD_STORAGE_SECRET_KEY": "rps_MAIN00000000000000000000000000",
        "RUNPOD_STORAGE_ENDPOINT": urls["s3"],
        "LASTCALL_RUNPOD_API_URL": urls["rest"],
        "LASTCALL_RUNPOD_GRAPHQL_URL": urls["graphql"],
        "LASTCALL_RUNPOD_MOUNT_PATH": str(emulator.root / "workspace"),
    }


def run(environ: dict[str, str], *arguments: str, cloud: str = "runpod") -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in environ.items() if name != "CI" or value == "forced"}
    return subprocess.run(
        [*asking("tests.support.live_entry"), cloud, *arguments],
        env=environ, cwd=CHECKOUT, capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip


def test_the_whole_round_on_an_emulated_account(emulator: Emulator, tmp_path: Path) -> None:
    done = run(environment(emulator, tmp_path), "--mib", "1,12")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✖" not in done.stdout
    for words in ("create lag", "list lag", "delete lag", "settled", "for 3 of 3 pods", "proven gone", "0 of this run"):
        assert words in done.stdout, (words, done.stdout)
    seen = emulator.control()
    assert seen["alive"] == []
    assert list(tmp_path.glob("lc-live-*")) == []


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[AwsEmulator]:
    with AwsEmulator(tmp_path / "aws", program="none", moto=False) as running:
        yield running


def environment_of_aws(emulator: AwsEmulator, root: Path) -> dict[str, str]:
    known = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    more = {"PYTHONPATH": str(CHECKOUT), "TMPDIR": str(root), "XDG_CONFIG_HOME": str(root / "none")}
    return {**known, **more, **variables(emulator)}


def test_aws_is_not_tried_with_a_key_that_nobody_named(aws: AwsEmulator, tmp_path: Path) -> None:
    environ = environment_of_aws(aws, tmp_path)
    refused = run({**environ, "CI": "forced"}, cloud="aws")
    assert (refused.returncode, "never runs in CI" in refused.stderr) == (2, True)
    refused = run({name: value for name, value in environ.items() if name != "AWS_SECRET_ACCESS_KEY"}, cloud="aws")
    assert (refused.returncode, "AWS_PROFILE" in refused.stderr) == (2, True)
    refused = run({name: value for name, value in environ.items() if name != "LASTCALL_AWS_BUCKET"}, cloud="aws")
    assert (refused.returncode, "aws.bucket" in refused.stderr) == (2, True)
    assert list(tmp_path.glob("lc-live-*")) == []
    assert aws.control()["history"] == []


def test_it_refuses_ci_and_missing_keys(emulator: Emulator, tmp_path: Path) -> None:
    environ = environment(emulator, tmp_path)
    refused = run({**environ, "CI": "forced"})
    assert (refused.returncode, "never runs in CI" in refused.stderr) == (2, True)
    del environ["RUNPOD_STORAGE_SECRET_KEY"]
    refused = run(environ)
    assert (refused.returncode, "RUNPOD_STORAGE_SECRET_KEY" in refused.stderr) == (2, True)
    assert emulator.control()["calls"] == {}


def test_the_cap_is_counted_before_a_step_begins() -> None:
    purse = live.Purse()
    for _ in range(4):
        purse.take(Decimal("0.5"))
    with pytest.raises(live.TooDear):
        purse.take(Decimal("0.01"))
    assert purse.promised == Decimal(2)


def test_all_steps_together_stay_under_the_cap() -> None:
    assert 2 * live.JOB_USD + live.MACHINE_USD <= live.CAP_USD == Decimal(2)
