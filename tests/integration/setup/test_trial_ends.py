"""Trials that give no verdict: why, what is left, and what it cost."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lastcall.setup import trial_program
from tests.emulators.runpod.faults import Switch
from tests.emulators.runpod.runner import PodSpec
from tests.emulators.runpod.scripts import Box, TimedScript
from tests.emulators.runpod.settings import MAIN_KEY, AccountSettings, Settings
from tests.integration.setup.kit import ACCESS, SECRET, Bench, Someone, step, trial_pod

Script = Callable[[PodSpec, float], Any]


def put(spec: PodSpec, box: Box, name: str, at: float, **document: Any) -> None:
    assert box.files is not None
    folder = spec.env["LASTCALL_JOB_FOLDER"].removeprefix(f"{spec.mount_path}/")
    box.files.put(f"{folder}/{name}", json.dumps(document).encode(), at)


def vanishes(spec: PodSpec, now: float) -> TimedScript:
    """Somebody ends it before it came so far."""

    def end(at: float, box: Box) -> None:
        box.terminate(at)

    return TimedScript(now, [(5, end)])


def hangs_after_its_restart(spec: PodSpec, now: float) -> Any:
    return trial_pod(spec, now) if spec.start == 1 else TimedScript(now, [])


def does_not_link(spec: PodSpec, now: float) -> Any:
    if spec.start > 1:
        return trial_pod(spec, now)
    return TimedScript(
        now,
        [
            (2, lambda at, box: put(spec, box, trial_program.FIRST, at, exclusive=True, link=False)),
            (2 + trial_program.UPTIME_S, lambda _, box: box.exit(0)),
        ],
    )


@pytest.mark.parametrize(
    ("script", "words"),
    [(vanishes, "vanished before it ended itself"), (hangs_after_its_restart, "was not started again")],
)
async def test_a_pod_that_does_not_come_so_far_is_no_verdict(tmp_path: Path, script: Script, words: str) -> None:
    bench = Bench(tmp_path, script=script)
    report = await bench.set_up()
    found = step(report, "self-ending")
    assert found.state == "failed"
    assert words in found.detail
    assert "self_ending_proven_for" not in bench.file.read_text()
    assert bench.alive() == []
    await bench.close()


async def test_a_volume_on_which_links_do_not_hold_is_told_and_the_end_is_proven_all_the_same(tmp_path: Path) -> None:
    bench = Bench(tmp_path, script=does_not_link)
    report = await bench.set_up()
    found = step(report, "self-ending")
    assert (found.state, "DO NOT HOLD" in found.detail) == ("failed", True)
    assert "self_ending_proven_for" in bench.file.read_text()
    await bench.close()


async def test_too_little_money_for_the_pod_is_told(tmp_path: Path) -> None:
    poor = AccountSettings({MAIN_KEY: "all"}, balance=Decimal("0.01"), s3_keys={ACCESS: SECRET})
    bench = Bench(tmp_path, Settings(accounts={"user_main": poor}))
    found = step(await bench.set_up(), "self-ending")
    assert found.state == "failed"
    assert "402" in found.detail
    assert bench.alive() == []
    await bench.close()


async def test_without_machines_for_the_money_nothing_is_rented(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lastcall.setup.trial.COST_MAX_USD", Decimal("0.001"))
    person = Someone()
    found = step(await bench.set_up(person), "self-ending")
    assert (found.state, person.questions) == ("skipped", [])
    assert bench.platform.answers["pods.create 201"] == 0


async def test_a_pod_that_comes_back_is_no_proof_and_is_ended(bench: Bench) -> None:
    bench.arm(pod_resurrect=Switch(8.0, calls=1, names="lc1-*"))
    report = await bench.set_up()
    assert step(report, "self-ending").state == "failed"
    assert "self_ending_proven_for" not in bench.file.read_text()
    await bench.clock.advance(60)
    assert bench.alive() == []


async def test_a_pod_that_lists_never_show_is_still_judged(bench: Bench) -> None:
    bench.arm(list_lag=Switch(100_000.0))
    report = await bench.set_up()
    assert report.measured.get("list_lag_s", 0) is None
    assert bench.alive() == []


async def test_looks_that_fail_are_no_absence(bench: Bench) -> None:
    bench.arm(outage=Switch("503", on=("pods.get",), after_s=20.0, for_s=15.0))
    report = await bench.set_up()
    assert step(report, "self-ending").state == "done"


async def test_a_get_that_does_not_find_a_young_pod_is_no_absence(bench: Bench) -> None:
    bench.arm(get_404_for=Switch(10.0))
    report = await bench.set_up()
    assert step(report, "self-ending").state == "done"
