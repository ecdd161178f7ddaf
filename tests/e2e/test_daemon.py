"""How the daemon begins and leaves: nothing that cannot be served, one line for every trouble."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import apsw
import pytest

from actors.journal.install import Install
from actors.journal.trouble import Trouble
from actors.runtime.virtual import VirtualClock, new_virtual_loop
from actors.runtime.world import World
from lastcall import daemon as daemon_module
from lastcall import holding
from lastcall.account import PAUSE_MAX_S, Stopped, account_of
from lastcall.daemon import ENDS_S, Daemon, alive_of
from lastcall.disk_watch import LOOK_S, until_unsure
from lastcall.owed import Owed, OwedNotes
from messages.machines import Listing, Machine, MachineName, MachineState
from providers.interface import Refused, Unavailable
from tests.support.house import House, a_house
from tests.support.house import Refused as Problem
from tests.support.names import FOREIGN

NOW = datetime(2030, 1, 1, tzinfo=UTC)
NONE: Any = None
INSTALL = Install("aaaaaa", "bbbb", b"k" * 32, NOW, "1")
UNSURE = f"{Trouble.UNSURE.value} (IOError)"


class FaultyHouse(House):
    """A daemon whose disk and provider fail on order."""

    entry = "tests.support.faulty_entry"


@pytest.fixture
def faulty(tmp_path: Path) -> Iterator[FaultyHouse]:
    house = FaultyHouse(tmp_path)
    try:
        yield house
    finally:
        if house.process is not None and house.process.poll() is None:
            house.kill()
        for pid in house.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextmanager
def carrying_name(name: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that carries a machine name and is no machine of ours."""
    planted = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"],
        env={**os.environ, "LASTCALL_MACHINE": name},
        start_new_session=True,
    )
    try:
        yield planted
    finally:
        planted.kill()
        planted.wait()


def lines_of(house: House) -> list[str]:
    """Return what the daemon said on its own, without log records."""
    return [line for line in house.log.read_text().splitlines() if line.startswith("lastcall: ")]


def events_in(house: House) -> int:
    connection = apsw.Connection(str(house.state / "journal.sqlite"))
    try:
        return int(next(connection.execute("SELECT count(*) FROM events"))[0])
    finally:
        connection.close()


# --- what keeps running


def machine(id_: str, name: str, state: MachineState = MachineState.RUNNING) -> Machine:
    return Machine(id=id_, name=name, account="a", state=state, first_seen=NOW)


def name_of(install: str = "aaaaaa", key: bytes = INSTALL.name_key) -> str:
    return MachineName(install, "oldg", "zzzzzzzzzz", 1, NOW + timedelta(hours=1)).text(key)


def test_only_machines_of_this_installation_that_exist_count_as_ours() -> None:
    listed = (
        machine("ours", name_of()),
        machine("gone", name_of(), MachineState.GONE),
        machine("neighbour", name_of("cccccc")),
        machine("forged", name_of(key=b"x" * 32)),
        machine("other", "somebody's notebook"),
    )
    assert alive_of(Listing(account="a", began=NOW, ended=NOW, complete=True, machines=listed), INSTALL) == {"ours"}


def test_a_foreign_machine_is_not_said_to_keep_running(tmp_path: Path) -> None:
    """It is there before the daemon looks for the first time, so it is in the listing."""
    with carrying_name(FOREIGN), a_house(tmp_path) as house:
        house.until(lambda: FOREIGN in str(house.get("/v1/machines")), "the foreign machine to be listed")
        assert house.stop() == 0
        assert lines_of(house) == []


# --- what keeps it from starting


def test_a_daemon_whose_socket_is_taken_begins_nothing_and_exits_with_the_conflict(house: House) -> None:
    """Rule 9 of the design: who cannot serve supervises nothing."""
    job_id = house.train("hang")
    house.running(job_id)
    house.kill()
    before = events_in(house)
    with tempfile.TemporaryDirectory(prefix="lc-", dir="/tmp") as folder, socket.socket(socket.AF_UNIX) as other:
        other.bind(f"{folder}/s")
        other.listen()
        house.start(wait_ready=False, LASTCALL_HOST=f"unix://{folder}/s")
        assert house.died() == 6
    assert [line[:19] for line in lines_of(house)] == ["lastcall: E-LOCKED:"]
    assert events_in(house) == before
    house.start()
    house.stop_job(job_id)
    assert house.closed(job_id)["job"]["outcome"] == "cancelled"


@pytest.mark.parametrize("how", ["too long", "open to others"])
def test_a_socket_path_that_cannot_be_used_is_a_setting_to_correct(tmp_path: Path, how: str) -> None:
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    host = f"unix://{tmp_path / ('x' * 120)}" if how == "too long" else f"unix://{open_to_all}/s"
    house = House(tmp_path)
    house.start(wait_ready=False, LASTCALL_HOST=host)
    assert house.died() == 78
    code = "E-SOCKETPATH" if how == "too long" else "E-CONFIG"
    assert [line.split(": ")[1] for line in lines_of(house)] == [code]


@pytest.mark.parametrize("taken", ["wrapper", "storage", "journal.sqlite/x"])
def test_a_file_that_is_in_the_way_is_one_line(tmp_path: Path, taken: str) -> None:
    house = House(tmp_path)
    if "/" in taken:
        (house.state / taken).mkdir(parents=True)
    else:
        house.state.mkdir()
        (house.state / taken).write_text("")
    house.start(wait_ready=False)
    assert house.died() in (1, 78)
    said = house.log.read_text()
    assert "Traceback" not in said
    assert "fault" not in said
    assert len(lines_of(house)) == 1
    assert str(house.state) in lines_of(house)[0]


@pytest.mark.parametrize(
    ("number", "status"), [(errno.ENOSPC, 1), (errno.EIO, 1), (errno.EACCES, 78), (errno.ENOTDIR, 78)]
)
def test_a_full_disk_may_heal_and_a_wrong_directory_needs_a_person(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
    status: int,
) -> None:
    async def failing(*_: Any) -> None:
        raise OSError(number, os.strerror(number), "/somewhere")

    monkeypatch.setattr(holding, "open_provider", failing)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    assert daemon_module.main(state_dir=str(tmp_path / "s")) == status
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("lastcall: ")]
    assert said == [f"lastcall: Lastcall cannot start: /somewhere: {os.strerror(number)}"]


# --- a provider that does not answer


class Account:
    """A provider that fails as told before it answers."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)

    async def fingerprint(self) -> str:
        if self.failures:
            raise self.failures.pop(0)
        return "account"


def virtually(story: Any) -> Any:
    loop = new_virtual_loop()
    try:
        return loop.run_until_complete(story(VirtualClock()))
    finally:
        loop.close()


def test_the_account_is_asked_for_until_it_is_known_with_bounded_pauses() -> None:
    waits: list[float] = []

    async def story(clock: Any) -> str:
        failures = [Unavailable("out", 5.0), *(OSError("no route") for _ in range(9)), Unavailable("out", 9999.0)]
        training = cast("Any", Account(*failures))
        return await account_of(
            training, clock, asyncio.Event(), lambda _word, **told: waits.append(told["again_in_s"])
        )

    assert virtually(story) == "account"
    assert waits[0] == 5.0
    assert waits[1:4] == [2.0, 4.0, 8.0]
    assert waits[-1] == max(waits) == PAUSE_MAX_S


def test_a_provider_that_refuses_us_is_not_asked_again() -> None:
    async def story(clock: Any) -> str:
        return await account_of(cast("Any", Account(Refused("key"))), clock, asyncio.Event(), lambda *_, **__: None)

    with pytest.raises(Refused):
        virtually(story)


def test_an_order_to_stop_ends_the_wait_for_the_account() -> None:
    async def story(clock: Any) -> str:
        stop = asyncio.Event()

        def log(*_: Any, **__: Any) -> None:
            stop.set()

        return await account_of(cast("Any", Account(Unavailable("out"))), clock, stop, log)

    with pytest.raises(Stopped):
        virtually(story)


def test_an_outage_of_the_provider_at_the_start_is_waited_for(faulty: FaultyHouse) -> None:
    faulty.start(FINGERPRINT_FAILS="2")
    assert faulty.log.read_text().count("provider_does_not_answer") == 2
    assert faulty.stop() == 0


def test_a_daemon_that_waits_for_its_provider_leaves_in_order(faulty: FaultyHouse) -> None:
    faulty.start(wait_ready=False, FINGERPRINT_FAILS="1000000")
    faulty.until(lambda: "provider_does_not_answer" in faulty.log.read_text(), "the first try")
    assert faulty.stop() == 0


# --- a journal that is unsure


def test_the_watch_tells_an_unsure_journal_from_a_full_one() -> None:
    states = iter([None, Trouble.FULL.value, Trouble.READONLY.value, None, UNSURE])

    async def story(clock: Any) -> tuple[str, float]:
        began = clock.monotonic()
        return await until_unsure(clock, lambda: next(states)), clock.monotonic() - began

    assert virtually(story) == (UNSURE, 4 * LOOK_S)


@pytest.mark.parametrize(("listings", "waited_s"), [(3, 3 * LOOK_S), (10_000, ENDS_S)])
def test_ends_under_way_get_a_bounded_time(listings: int, waited_s: float) -> None:
    left = [listings]

    async def list_machines() -> Listing:
        left[0] -= 1
        listed = (machine("other", name_of()), *([machine("ending", name_of())] if left[0] >= 0 else []))
        return Listing(account="a", began=NOW, ended=NOW, complete=True, machines=listed)

    async def story(clock: Any) -> float:
        seat = SimpleNamespace(install=INSTALL)
        daemon = Daemon(
            cast("Any", seat), World(clock, cast("Any", None), cast("Any", None), run="r"), cast("Any", None)
        )
        provider = SimpleNamespace(training=SimpleNamespace(list_machines=list_machines))
        runner = SimpleNamespace(ends_in_flight=lambda: frozenset({"ending"}))
        began = clock.monotonic()
        await daemon._let_ends_finish(
            cast("Any", SimpleNamespace(runner=runner, parts=SimpleNamespace(rented={"fake": provider})))
        )
        return float(clock.monotonic() - began)

    assert virtually(story) == pytest.approx(waited_s)


def test_a_failing_sync_ends_the_daemon_with_an_alarm_and_the_next_one_goes_on(faulty: FaultyHouse) -> None:
    """Fault 46."""
    job_id = faulty.start().train("hang")
    faulty.running(job_id)
    assert faulty.process is not None
    faulty.process.send_signal(signal.SIGUSR1)
    with pytest.raises(Problem):
        faulty.upload(b"a,b,churn\n" + b"1,2,yes\n2,3,no\n" * 20)
    assert faulty.died() == 75
    assert "E-JOURNAL" in faulty.log.read_text()
    said = lines_of(faulty)
    assert said[0].startswith("lastcall: E-JOURNAL: ")
    assert said[1].startswith("lastcall: 1 machine keeps running")
    assert faulty.processes()
    faulty.start()
    faulty.stop_job(job_id)
    assert faulty.closed(job_id)["job"]["outcome"] == "cancelled"
    assert faulty.processes() == []


# --- what a setup spent


def test_what_a_setup_spent_stands_in_the_books_once_a_daemon_runs(tmp_path: Path) -> None:
    house = House(tmp_path)
    owed = Owed(provider="aws", what="setup: a question", amount_usd=Decimal("0.02"), at=NOW)
    OwedNotes(house.state).leave("a", owed)
    try:
        house.start()
        house.until(lambda: house.get("/v1/costs?by=provider")["rows"], "the note to be booked")
        [row] = house.get("/v1/costs?by=provider")["rows"]
        assert (row["key"], Decimal(row["cost_usd"]), OwedNotes(house.state).all()) == ("aws", Decimal("0.02"), [])
    finally:
        house.stop()
