"""The trial with real processes: the boot program, the trial's own archive, a real volume, real calls to end the pod.

The pod lives in real time; setup's clock is quicker, so that its patience is not the test's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from actors.runtime.clock import SystemEntropy
from lastcall.config.load import load
from lastcall.setup import trial
from lastcall.setup.ground import Ground
from lastcall.setup.runpod import RunPodSetup, Wishes
from lastcall.setup.steps import Report
from providers.http import AiohttpTransport
from tests.emulators.runpod.launch import Emulator
from tests.emulators.runpod.settings import MAIN_KEY
from tests.integration.runpod_emulator.pods_kit import FAST
from tests.integration.setup.kit import ACCESS, SECRET, Someone, step
from tests.support.quick_trial import hurried

SPEED = 15.0
VOLUME = "vol1"


class QuickClock:
    """Real time, but quicker."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._now = datetime.now(UTC)

    def now(self) -> datetime:
        return self._now + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return (time.monotonic() - self._begin) * SPEED

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / SPEED)


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    with Emulator(tmp_path / "platform", settings=FAST) as running:
        yield running


@pytest.fixture(autouse=True)
def quick_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program itself, with shorter waits."""
    quick = hurried(trial.program_bytes(), uptime_s=2.2, seen_s=1.0)
    monkeypatch.setattr(trial, "program_bytes", lambda: quick)


async def set_up(emulator: Emulator, root: Path) -> Report:
    urls = emulator.urls
    environ = {
        "RUNPOD_API_KEY": MAIN_KEY,
        "RUNPOD_NETWORK_VOLUME_ID": VOLUME,
        "RUNPOD_STORAGE_ACCESS_KEY": ACCESS,
        "RUNPOD_STORAGE_SECRET_KEY": SECRET,
        "RUNPOD_STORAGE_ENDPOINT": urls["s3"],
        "LASTCALL_RUNPOD_API_URL": urls["rest"],
        "LASTCALL_RUNPOD_GRAPHQL_URL": urls["graphql"],
        "LASTCALL_RUNPOD_MOUNT_PATH": str(emulator.root / "workspace"),
        "XDG_CONFIG_HOME": str(root),
    }
    loaded = load(environ, root)
    transport = AiohttpTransport("lastcall/test")
    try:
        ground = Ground(
            loaded.settings, loaded.origins, root / "c.toml", root / "s", transport, QuickClock(), SystemEntropy()
        )
        return await RunPodSetup(ground, Wishes(), Someone()).run()
    finally:
        await transport.close()


async def test_a_real_pod_ends_itself_and_is_proven_gone(emulator: Emulator, tmp_path: Path) -> None:
    report = await set_up(emulator, tmp_path)
    found = step(report, "self-ending")
    assert found.state == "done", found
    assert "exclusive create and link hold" in found.detail
    assert "restart showed" in found.detail
    seen = await asyncio.to_thread(emulator.control)
    assert seen["alive"] == []
    ends = [one for one in seen["asked"] if one["call"] == "pods.delete" and one["status"] == 204]
    assert [one["caller"] for one in ends] == ["user_main/pod"], "nobody else ended it"


async def test_a_real_pod_whose_key_is_refused_is_ended_from_here(emulator: Emulator, tmp_path: Path) -> None:
    await asyncio.to_thread(emulator.control, {"faults": {"pod.key_403": True}})
    report = await set_up(emulator, tmp_path)
    found = step(report, "self-ending")
    assert found.state == "failed"
    assert "delete 403" in found.detail
    assert "self_ending" not in (tmp_path / "c.toml").read_text()
    assert (await asyncio.to_thread(emulator.control))["alive"] == []
