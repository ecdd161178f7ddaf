"""``lastcall setup`` and ``lastcall doctor`` as people and scripts call them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.emulators.runpod.launch import Emulator
from tests.emulators.runpod.settings import MAIN_KEY
from tests.support.commands import asking
from tests.support.house import CHECKOUT, a_house
from tests.support.patience import PATIENCE_S, wait_until

VOLUME = "vol1"
SECRET = "rps_MAIN00000000000000000000000000"
SETTINGS: dict[str, Any] = {
    "place_s": 0.2,
    "pull_s": 0.3,
    "terminate_grace_s": 0.2,
    "quotas": {},
    "volumes": {VOLUME: {"data_center": "EU-RO-1", "size_gb": 10, "name": "lastcall"}},
}


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    with Emulator(tmp_path / "platform", settings=SETTINGS) as running:
        yield running


def environment(emulator: Emulator, root: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(CHECKOUT),
        "XDG_CONFIG_HOME": str(root / "config"),
        "LASTCALL_STATE_DIR": str(root / "s"),
        "RUNPOD_STORAGE_ENDPOINT": emulator.urls["s3"],
        "LASTCALL_RUNPOD_API_URL": emulator.urls["rest"],
        "LASTCALL_RUNPOD_GRAPHQL_URL": emulator.urls["graphql"],
        "LASTCALL_RUNPOD_MOUNT_PATH": str(emulator.root / "workspace"),
    }


def lastcall(
    environ: dict[str, str], *arguments: str, typed: str = "", anew: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a command; ``anew``: by a Python that has loaded nothing, as users do."""
    start = [sys.executable, "-m", "lastcall"] if anew else asking("lastcall")
    return subprocess.run(
        [*start, *arguments],
        env=environ, input=typed, capture_output=True, text=True, timeout=60, check=False, cwd=environ["HOME"],
    )  # fmt: skip


def test_a_script_sets_up_with_keys_from_a_pipe_and_doctor_agrees(emulator: Emulator, tmp_path: Path) -> None:
    environ = environment(emulator, tmp_path)
    keys = f"{MAIN_KEY}\nuser_main\n{SECRET}\n"
    done = lastcall(environ, "setup", "runpod", "--store-keys", "--json", typed=keys, anew=True)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    found = {step["name"]: step["state"] for step in document["steps"]}
    assert found["volume"] == "unchanged"
    assert found["self-ending"] == "skipped", "nobody agreed to its price"
    assert document["ok"]
    file = tmp_path / "config" / "lastcall" / "config.toml"
    assert tomllib.loads(file.read_text())["runpod"]["storage_secret_key"] == SECRET
    assert file.stat().st_mode & 0o777 == 0o600
    for secret in (MAIN_KEY, SECRET):
        assert secret not in done.stdout + done.stderr
    assert emulator.control()["answers"].get("pods.create 201") is None

    healthy = lastcall({**environ, "CLOUD_PROVIDER": "runpod"}, "doctor", "--json", anew=True)
    assert healthy.returncode == 0, healthy.stdout
    verdicts = {check["name"]: check["verdict"] for check in json.loads(healthy.stdout)["checks"]}
    assert verdicts["storage"] == verdicts["RunPod key"] == "ok"
    assert SECRET not in healthy.stdout + healthy.stderr


def test_another_place_that_says_something_else_and_wins_is_named(emulator: Emulator, tmp_path: Path) -> None:
    environ = environment(emulator, tmp_path) | {
        "RUNPOD_API_KEY": MAIN_KEY,
        "RUNPOD_STORAGE_ACCESS_KEY": "user_main",
        "RUNPOD_STORAGE_SECRET_KEY": SECRET,
    }
    agrees = lastcall(environ | {"RUNPOD_NETWORK_VOLUME_ID": VOLUME}, "setup", "runpod")
    assert (agrees.returncode, "✔ next" in agrees.stdout) == (0, True), agrees.stdout
    other = lastcall(environ | {"RUNPOD_NETWORK_VOLUME_ID": "other"}, "setup", "runpod", "--volume", VOLUME)
    assert other.returncode == 1
    assert "RUNPOD_NETWORK_VOLUME_ID says another runpod.network_volume_id" in other.stdout


def test_a_dry_run_changes_nothing_and_says_what_it_would_do(emulator: Emulator, tmp_path: Path) -> None:
    environ = environment(emulator, tmp_path) | {"RUNPOD_API_KEY": MAIN_KEY}
    done = lastcall(environ, "setup", "runpod", "--dry-run", "--yes")
    assert done.returncode == 0, done.stderr
    assert "would rent a pod that has to end itself" in done.stdout
    assert not (tmp_path / "config").exists()
    assert not (tmp_path / "s").exists()
    calls = emulator.control()["calls"]
    assert [call for call in calls if call.startswith(("pods.create", "pods.delete", "volumes.create", "s3."))] == []


def test_a_failed_step_is_one_line_with_the_way_on_and_exit_one(emulator: Emulator, tmp_path: Path) -> None:
    environ = environment(emulator, tmp_path) | {"RUNPOD_API_KEY": "rpa_unknown"}
    done = lastcall(environ, "setup", "runpod", "--yes")
    assert done.returncode == 1
    first, second = done.stdout.splitlines()
    assert first.startswith("✖ key")
    assert "→ make a new one" in second
    doctor = lastcall(
        {
            **environ,
            "CLOUD_PROVIDER": "runpod",
            "RUNPOD_NETWORK_VOLUME_ID": VOLUME,
            "RUNPOD_STORAGE_ACCESS_KEY": "user_main",
            "RUNPOD_STORAGE_SECRET_KEY": SECRET,
        },
        "doctor",
    )
    assert doctor.returncode == 1
    assert "✖ RunPod key" in doctor.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_trial_leaves_no_pod(emulator: Emulator, tmp_path: Path, number: signal.Signals) -> None:
    environ = environment(emulator, tmp_path) | {
        "RUNPOD_API_KEY": MAIN_KEY,
        "RUNPOD_STORAGE_ACCESS_KEY": "user_main",
        "RUNPOD_STORAGE_SECRET_KEY": SECRET,
    }
    work = subprocess.Popen(
        [sys.executable, "-m", "tests.support.live_entry", "setup", "runpod", "--yes"],
        env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    wait_until(lambda: emulator.control()["alive"], "a pod")
    work.send_signal(number)
    said, _ = work.communicate(timeout=PATIENCE_S)
    assert work.returncode == 130, said
    assert "seeing first that the machine is gone" in said
    assert "Interrupted; no pod was left running." in said
    seen = emulator.control()
    assert seen["alive"] == []
    assert len(seen["history"]) == 1, "it was really there"


def test_doctor_looks_at_a_running_daemon(tmp_path: Path) -> None:
    with a_house(tmp_path) as house:
        done = lastcall(house.environment, "doctor", "--json")
        assert done.returncode == 0, done.stdout
        found = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
        for name in ("daemon", "actors", "journal", "machines", "state"):
            assert found[name]["verdict"] == "ok", found[name]
        house.stop()
    stopped = lastcall(house.environment, "doctor", "--json")
    found = {check["name"]: check for check in json.loads(stopped.stdout)["checks"]}
    assert found["daemon"]["verdict"] == "warn"
    assert found["journal"]["detail"].startswith("whole, ")
