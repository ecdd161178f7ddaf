"""Whatever the work puts into its machine's directory, no call waits for it, and the machine is never forgotten."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from messages.machines import Alive, Gone, MachineState, Unknown
from providers.interface import Ambiguous, Unavailable
from providers.local.plain import is_plain, read_plain, write_whole
from providers.local.processes import ProcessKey, Scan
from providers.local.training import LOG_CALL_BYTES
from tests.support.patience import PATIENCE_S
from tests.support.providers.bench import EMPTY, NAME, WRAPPER, Bench
from tests.support.providers.hostile import OUTSIDE, THINGS, outside_is_untouched, put
from tests.support.providers.subjects import build_request
from tests.support.providers.tables import process, table_of

FILES = ["machine.json", "lock", "members", "console.log", "reaped", ".members.new", ".machine.json.new"]
RUNNING = Scan(table_of(WRAPPER, process(11, 10)), complete=True)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path / "root")
    yield made
    await made.close()


async def said(bench: Bench) -> str:
    return "".join([chunk.text async for chunk in bench.training.logs(NAME)])


@pytest.mark.parametrize("thing", THINGS)
@pytest.mark.parametrize("name", FILES)
async def test_nothing_in_the_place_of_a_file_stops_a_call(bench: Bench, name: str, thing: str) -> None:
    machine = bench.made()
    bench.shows(RUNNING)
    hostile = bench.root / "machines" / NAME / name
    put(thing, hostile)
    async with asyncio.timeout(PATIENCE_S):
        assert [m.state for m in (await bench.training.list_machines()).machines] == [MachineState.RUNNING]
        assert (await bench.training.describe(NAME)).state is MachineState.RUNNING
        assert isinstance(await bench.prove(machine), Alive)
        text = await said(bench)
        assert OUTSIDE not in text
        assert len(text) <= LOG_CALL_BYTES
        await bench.training.terminate(NAME)
        assert isinstance(await bench.prove(machine), Gone)
        assert OUTSIDE not in await said(bench)
        assert (await bench.training.describe(NAME)).state is MachineState.GONE
    assert outside_is_untouched(hostile)
    assert list((bench.root / "machines").glob("lc1-*")) == []


@pytest.mark.parametrize("thing", THINGS)
@pytest.mark.parametrize("name", FILES)
async def test_nothing_in_the_place_of_a_file_hides_a_machine_from_the_next_daemon(
    bench: Bench, name: str, thing: str
) -> None:
    machine = bench.made()
    bench.shows(RUNNING)
    await bench.training.list_machines()
    put(thing, bench.root / "machines" / NAME / name)
    await bench.restart()
    async with asyncio.timeout(PATIENCE_S):
        assert [(m.id, m.state) for m in (await bench.training.list_machines()).machines] == [
            (NAME, MachineState.RUNNING)
        ]
        assert isinstance(await bench.prove(machine), Alive)
        await bench.training.terminate(NAME)
        assert isinstance(await bench.prove(machine), Gone)
    assert {key for key, _ in bench.table.signals} >= {WRAPPER.key, ProcessKey(11, 100)}


@pytest.mark.parametrize("thing", THINGS)
async def test_all_files_at_once_replaced_hide_no_machine_that_carries_its_name(bench: Bench, thing: str) -> None:
    machine = bench.made()
    bench.shows(RUNNING)
    for name in FILES:
        put(thing, bench.root / "machines" / NAME / name)
    await bench.restart()
    async with asyncio.timeout(PATIENCE_S):
        assert len((await bench.training.list_machines()).named(NAME)) == 1
        assert isinstance(await bench.prove(machine), Alive)
        await bench.training.terminate(NAME)
        assert isinstance(await bench.prove(machine), Gone)


async def test_a_damaged_machine_is_found_by_its_members_without_a_marker(bench: Bench) -> None:
    machine = bench.made()
    bare = WRAPPER._replace(marker=None)
    bench.shows(Scan(table_of(bare), complete=True))
    (bench.root / "machines" / NAME / "members").write_text(f"{bare.pid} {bare.start}\n")
    put("pipe", bench.root / "machines" / NAME / "machine.json")
    await bench.restart()
    [listed] = (await bench.training.list_machines()).machines
    assert (listed.id, listed.account, listed.state) == (NAME, machine.account, MachineState.RUNNING)
    assert "damaged" in listed.raw_status
    await bench.training.terminate(NAME)
    assert isinstance(await bench.prove(machine), Gone)


async def test_a_damaged_machine_of_which_nothing_is_seen_counts_while_its_lock_is_held(bench: Bench) -> None:
    machine = bench.made(locked=True)
    (bench.root / "machines" / NAME / "machine.json").write_text("{")
    bench.registry.entries.clear()
    [listed] = (await bench.training.list_machines()).machines
    assert listed.state is MachineState.UNKNOWN
    assert not isinstance(await bench.prove(machine), Gone)
    bench.unlock()
    assert isinstance(await bench.prove(machine), Gone)


@pytest.mark.parametrize("forged", [{"boot_id": "another"}, {"pid_namespace": "pid:[9]"}])
async def test_a_record_that_says_it_is_elsewhere_proves_nothing_while_its_name_is_seen(
    bench: Bench, forged: dict[str, str]
) -> None:
    machine = bench.made()
    record = bench.root / "machines" / NAME / "machine.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | forged))
    bench.shows(RUNNING)
    await bench.restart()
    [listed] = (await bench.training.list_machines()).machines
    assert listed.state is MachineState.RUNNING
    assert isinstance(await bench.prove(machine), Alive)
    bench.shows(Scan({}, complete=False))
    assert isinstance(await bench.prove(machine), Unknown)
    bench.shows(RUNNING)
    await bench.training.terminate(NAME)
    assert bench.table.killed == {WRAPPER.key, ProcessKey(11, 100)}
    assert isinstance(await bench.prove(machine), Gone)


async def test_a_name_with_a_damaged_record_is_never_launched_again(bench: Bench) -> None:
    machine = bench.made()
    (bench.root / "none").touch()
    put("directory", bench.root / "machines" / NAME / "machine.json")
    await bench.restart()
    request = (await build_request(bench, 1, bench.clock.now(), {})).model_copy(update={"name": NAME})
    with pytest.raises(Ambiguous):
        await bench.training.launch(request)
    bench.shows(EMPTY)
    assert isinstance(await bench.prove(machine), Gone)


async def test_the_daemon_is_never_a_member_of_a_machine(bench: Bench) -> None:
    bench.made()
    own = process(os.getpid())
    bench.shows(Scan(table_of(WRAPPER, own), complete=True))
    bench.registry.entries[NAME].members.add(own.key)
    await bench.training.terminate(NAME)
    assert own.key not in {key for key, _ in bench.table.signals}


async def test_a_console_that_cannot_be_read_for_trouble_of_ours_is_unavailable(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> bytes:
        raise OSError(24, "Too many open files")

    bench.made()
    monkeypatch.setattr("providers.local.registry.read_plain", broken)
    with pytest.raises(Unavailable):
        await said(bench)


async def test_a_folder_deeper_than_the_stack_delays_no_proof(bench: Bench) -> None:
    machine = bench.made()
    descriptor = os.open(bench.root / "machines" / NAME, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=descriptor)
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    assert isinstance(await bench.prove(machine), Gone)
    for _ in range(3):
        await bench.clock.advance(2)
        assert (await bench.training.list_machines()).machines == ()
    assert not (bench.root / "machines" / NAME).exists()


@pytest.mark.parametrize("thing", ["pipe", "link", "device", "loop", "huge", "no rights"])
def test_replacing_a_file_replaces_whatever_is_there(tmp_path: Path, thing: str) -> None:
    folder = tmp_path / "machines"
    folder.mkdir()
    put(thing, folder / "file")
    write_whole(folder, "file", b"ours")
    assert (folder / "file").read_bytes() == b"ours"
    assert [path.name for path in folder.iterdir()] == ["file"]
    assert outside_is_untouched(folder / "file")


def test_a_file_that_cannot_be_replaced_leaves_no_other(tmp_path: Path) -> None:
    put("directory", tmp_path / "file")
    with pytest.raises(OSError, match="directory"):
        write_whole(tmp_path, "file", b"ours")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("thing", THINGS)
def test_only_regular_files_are_read_and_no_further_than_asked(tmp_path: Path, thing: str) -> None:
    folder = tmp_path / "machines"
    folder.mkdir()
    put(thing, folder / "file")
    plain = thing in ("huge", "no rights")
    assert is_plain(folder, "file") == plain
    if plain:
        assert len(read_plain(folder, "file", 10, 5)) == (10 if thing == "huge" else 0)
    else:
        with pytest.raises(OSError):  # noqa: PT011 (which one depends on the thing)
            read_plain(folder, "file", 10)


def test_a_directory_that_is_a_link_is_not_entered(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_text(OUTSIDE)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert not is_plain(tmp_path / "link", "file")
    with pytest.raises(OSError, match=r"link|directory"):
        read_plain(tmp_path / "link", "file", 10)
