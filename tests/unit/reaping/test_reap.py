"""``lastcall reap``: from names, install.json and a listing alone; only what is ours and overdue, with proof."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from configparser import ConfigParser
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from actors.journal import install as installs
from actors.journal.lock import StateLock
from actors.runtime.clock import SystemClock, SystemEntropy
from actors.runtime.virtual import VirtualClock
from actors.supervisor.ends import PROVEN_WITHIN_S
from lastcall import reaping
from lastcall.cli.main import main
from messages.machines import Listing, Machine, MachineName, MachineState
from messages.upkeep import ReapDocument
from providers.fake.cloud import FakeCloud
from providers.fake.scripts import Script
from providers.fake.settings import FakeSettings
from providers.fake.training import FakeTraining
from providers.interface import ProviderError, Refused, Unavailable
from tests.support.virtual import virtual
from tests.tidy.sources import ROOT

KEY = b"k" * 32
OURS = installs.Install("instal", "gene", KEY, datetime(2026, 1, 1, tzinfo=UTC), "1")
DAY = timedelta(days=1)


class Yard:
    """A cloud that nobody's daemon looks after."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.cloud = FakeCloud(FakeSettings(), self.clock)
        self.training = FakeTraining(self.cloud)

    def plant(
        self,
        overdue: timedelta = timedelta(minutes=5),
        *,
        install: str = "instal",
        generation: str = "gene",
        key: bytes = KEY,
        job: str = "zzzzzzzzzz",
        script: Script | None = None,
    ) -> str:
        name = MachineName(install, generation, job, 1, self.clock.now() - overdue).text(key)
        self.cloud.plant(name, script)
        return name

    async def reap(self, *, dry_run: bool = False) -> ReapDocument:
        return await reaping.reap(self.training, OURS, self.clock, dry_run=dry_run, tell=reaping.say)

    def billing(self) -> list[str]:
        return [line.name for line in self.cloud.billing()]


@virtual
async def test_only_what_is_ours_and_overdue_is_ended_whatever_its_generation() -> None:
    """Faults 16 and 17; rule 4."""
    yard = Yard()
    overdue = {yard.plant(), yard.plant(generation="olde", job="yyyyyyyyyy")}
    kept = [
        yard.plant(-timedelta(seconds=60), job="xxxxxxxxxx"),
        yard.plant(install="others"),
        yard.plant(key=b"another key", job="wwwwwwwwww"),
        "somebody-elses",
        f"{yard.plant(DAY, job='vvvvvvvvvv')}x",
    ]
    overdue.add(kept[-1][:-1])
    for name in kept[3:]:
        yard.cloud.plant(name)
    await yard.clock.sleep(30)
    found = await yard.reap()
    assert sorted(yard.billing()) == sorted(kept)
    assert {row.name for row in found.machines} == overdue
    assert all(row.gone and "proven gone" in row.detail for row in found.machines)
    assert (found.left, found.running, found.complete) == (0, 1, True)
    assert reaping.exit_code(found) == 0


@virtual
async def test_a_dry_run_ends_nothing_and_its_exit_says_that_something_is_left() -> None:
    yard = Yard()
    name = yard.plant()
    found = await yard.reap(dry_run=True)
    assert yard.billing() == [name]
    assert [(row.name, row.gone, row.detail) for row in found.machines] == [(name, False, "would be ended")]
    assert reaping.exit_code(found) == 1


@virtual
async def test_an_end_that_is_ignored_is_asked_for_again() -> None:
    yard = Yard()
    yard.plant(script=Script(terminates_ignored=4))
    found = await yard.reap()
    assert found.machines[0].gone
    assert yard.billing() == []


@virtual
async def test_what_is_not_proven_gone_in_time_is_said_and_left_to_the_next_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    yard = Yard()
    yard.plant()
    yard.cloud.faults.fail_next("terminate", error=Unavailable("down"), times=10_000)
    began = yard.clock.monotonic()
    found = await yard.reap()
    assert yard.clock.monotonic() - began < PROVEN_WITHIN_S + 2 * reaping.PAUSE_S_MAX + 60
    assert not found.machines[0].gone
    assert "the last call failed: down" in found.machines[0].detail
    [told] = capsys.readouterr().err.splitlines()
    assert told.startswith("lastcall: E-UNPROVEN: Machine lc1-instalgene-zzzzzzzzzz")
    assert "the last call failed: down" in told
    assert reaping.exit_code(found) == 1


@virtual
async def test_a_listing_that_is_cut_is_asked_for_again_and_an_outage_is_waited_out() -> None:
    yard = Yard()
    name = yard.plant()
    yard.cloud.fault_next_listing("incomplete", "incomplete")
    yard.cloud.faults.fail_next("list_machines", error=Unavailable("down"))
    found = await yard.reap()
    assert [row.name for row in found.machines] == [name]
    assert found.complete


@virtual
async def test_a_listing_that_stays_cut_is_no_success() -> None:
    yard = Yard()
    for _ in range(reaping.LISTINGS_MAX):
        yard.cloud.fault_next_listing("incomplete")
    found = await yard.reap()
    assert (found.complete, found.left) == (False, 0)
    assert reaping.exit_code(found) == 75


@virtual
async def test_a_provider_that_refuses_is_not_asked_again() -> None:
    yard = Yard()
    yard.cloud.faults.fail_next("list_machines", error=Refused("this key may not"), times=2)
    with pytest.raises(Refused):
        await yard.reap()
    with pytest.raises(Refused):  # the second of two: the first call used up one
        await yard.training.list_machines()
    assert (await yard.reap()).complete


def test_what_is_gone_already_is_not_overdue() -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    name = MachineName("instal", "gene", "zzzzzzzzzz", 1, now - DAY).text(KEY)
    machine = Machine(id="m", name=name, account="a", state=MachineState.GONE, first_seen=now)
    listing = Listing(account="a", began=now, ended=now, complete=True, machines=(machine,))
    assert reaping.judged(listing, OURS, now) == ([], 0)


# ------------------------------------------------------------------------------------------------ the command


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory that has been an installation once; nothing else is in it."""
    for name in list(os.environ):
        if name.startswith(("LASTCALL_", "CLOUD_", "RUNPOD_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    directory = tmp_path / "state"
    directory.mkdir(mode=0o700)
    installs.load_or_create(directory, journal_exists=False, entropy=SystemEntropy().bytes, now=SystemClock().now())
    return directory


def command(state: Path, *words: str) -> int:
    return main(["--state-dir", str(state), "reap", *words])


def rented(monkeypatch: pytest.MonkeyPatch, *names: str) -> FakeCloud:
    """Let the configured provider be a cloud in memory with these machines."""
    clock = SystemClock()
    cloud = FakeCloud(
        FakeSettings.model_validate({"timings": FakeSettings().timings.model_copy(update=_NO_WAITS)}), clock
    )
    for name in names:
        cloud.plant(name)

    @asynccontextmanager
    async def opened(*_: Any) -> AsyncIterator[FakeTraining]:
        yield FakeTraining(cloud)

    monkeypatch.setattr(reaping, "OPENERS", {"local": opened})
    return cloud


_NO_WAITS = {"absence_gap_s": 0.0, "min_age_s": 0.0}


def test_the_command_ends_says_and_proves(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install = reaping.read_install(state)
    hard = SystemClock().now() - timedelta(minutes=10)
    name = MachineName(install.installation, "olde", "zzzzzzzzzz", 1, hard).text(install.name_key)
    cloud = rented(monkeypatch, name)
    assert command(state, "--dry-run") == 1
    assert f"{name} · would be ended · should be gone since " in capsys.readouterr().out
    assert command(state) == 0
    said = capsys.readouterr().out
    assert f"{name} · ended, and proven gone at " in said
    assert "0 overdue machines left, 0 others running" in said
    assert cloud.billing() == ()
    assert command(state, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["left"], document["machines"]) == ("reap/v1", 0, [])


def test_it_changes_nothing_in_the_state_directory(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rented(monkeypatch)
    before = {path.name: path.read_bytes() for path in state.iterdir()}
    command(state)
    assert {path.name: path.read_bytes() for path in state.iterdir()} == before
    assert list(before) == [installs.INSTALL_FILE]


@pytest.mark.parametrize("content", [None, "", "{}"])
def test_without_a_sound_install_json_it_refuses_and_makes_none(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], content: str | None
) -> None:
    cloud = rented(monkeypatch, "lc1-whatever")
    path = state / installs.INSTALL_FILE
    path.unlink()
    if content is not None:
        path.write_text(content)
    assert command(state) == 78
    assert "E-NOINSTALL" in capsys.readouterr().err
    assert path.exists() is (content is not None)
    assert len(cloud.billing()) == 1


@pytest.mark.parametrize(("error", "code"), [(Refused("no such key"), 78), (Unavailable("down"), 75)])
def test_a_provider_that_does_not_let_it_is_said(
    state: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: ProviderError,
    code: int,
) -> None:
    cloud = rented(monkeypatch)
    cloud.faults.fail_next("list_machines", error=error, times=100)
    monkeypatch.setattr(reaping, "LISTING_PAUSE_S", 0.0)
    assert command(state) == code
    assert str(error) in capsys.readouterr().err


def test_a_provider_that_only_a_daemon_reaches_is_refused(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reaping, "OPENERS", {})
    assert command(state) == 78
    assert "E-CONFIG" in capsys.readouterr().err


def test_machines_of_this_computer_are_the_running_daemons(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(state) == 0
    assert "0 overdue machines left" in capsys.readouterr().out
    lock = StateLock.take(state)
    try:
        assert command(state) == 6
    finally:
        lock.release()
    assert "E-LOCKED" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------ the page


def test_every_command_of_the_page_on_timers_works(state: Path, tmp_path: Path) -> None:
    page = (ROOT / "docs/how-to/reap-timer.md").read_text()
    blocks = [part.split("```", 1)[0] for part in page.split("```sh\n")[1:]]
    programs, home = tmp_path / "bin", tmp_path / "home"
    programs.mkdir()
    home.mkdir()
    _program(programs / "lastcall", f'exec "{sys.executable}" -m lastcall "$@"')
    _program(programs / "systemctl", f'echo "$@" >> "{tmp_path}/asked"')
    shutil.copy(state / installs.INSTALL_FILE, tmp_path / "install.json")
    environment = {
        "PATH": f"{programs}:/usr/bin:/bin",
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "CLOUD_PROVIDER": "local",
    }
    for block in blocks:
        done = subprocess.run(
            ["sh", "-eu"], input=block, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
    assert (home / ".local/state/lastcall/install.json").stat().st_mode & 0o777 == 0o600
    assert (home / ".config/lastcall/config.toml").stat().st_mode & 0o077 == 0
    assert (tmp_path / "asked").read_text().splitlines() == [
        "--user daemon-reload",
        "--user enable --now lastcall-reap.timer",
    ]
    service = _unit(home, "lastcall-reap.service")
    assert subprocess.run(service["Service"]["ExecStart"].split(), env=environment, timeout=60).returncode == 0
    assert _unit(home, "lastcall-reap.timer")["Timer"]["OnUnitInactiveSec"] == "10min"


def _program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def _unit(home: Path, name: str) -> ConfigParser:
    parser = ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(home / ".config/systemd/user" / name)
    return parser
