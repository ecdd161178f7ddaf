"""What counts as absence on this computer: looks, locks, boots and namespaces."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from messages.machines import Alive, Gone, MachineState, Unknown
from providers.interface import NotFound, Unavailable
from providers.local.identity import Identity
from providers.local.processes import ProcessKey, Scan
from tests.support.providers.bench import EMPTY, HERE, NAME, WRAPPER, Bench
from tests.support.providers.tables import process, table_of

HIDDEN = process(11, marker=NAME)
CUT = Scan({}, complete=False)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    await made.close()


async def test_two_empty_looks_apart_are_a_proof(bench: Bench) -> None:
    machine = bench.made()
    before = bench.clock.elapsed
    proof = await bench.prove(machine)
    assert isinstance(proof, Gone)
    assert len(proof.evidence) == 2
    assert bench.clock.elapsed - before >= 0.2
    assert proof.absent_since < proof.listing_began


async def test_a_process_the_first_look_missed_is_no_proof(bench: Bench) -> None:
    machine = bench.made()
    bench.shows(EMPTY, Scan(table_of(HIDDEN), complete=True))
    assert isinstance(await bench.prove(machine), Alive)
    bench.shows(EMPTY)
    assert isinstance(await bench.prove(machine), Gone)


async def test_the_subreapers_word_saves_the_second_look(bench: Bench) -> None:
    proof = await bench.prove(bench.made(reaped=True))
    assert isinstance(proof, Gone)
    assert len(proof.evidence) == 1


async def test_the_subreapers_word_is_nothing_while_it_lives(bench: Bench) -> None:
    machine = bench.made(reaped=True)
    bench.shows(Scan(table_of(WRAPPER), complete=True))
    assert isinstance(await bench.prove(machine), Alive)


async def test_a_cut_look_proves_nothing(bench: Bench) -> None:
    machine = bench.made()
    bench.shows(CUT)
    assert isinstance(await bench.prove(machine), Unknown)
    bench.shows(EMPTY, CUT)
    assert isinstance(await bench.prove(machine), Unknown)
    assert not (await bench.training.list_machines()).complete
    bench.shows(EMPTY)
    assert isinstance(await bench.prove(machine), Gone)


async def test_a_held_lock_counts_as_alive_though_no_process_is_seen(bench: Bench) -> None:
    machine = bench.made(locked=True)
    assert isinstance(await bench.prove(machine), Alive)
    [listed] = (await bench.training.list_machines()).machines
    assert listed.state is MachineState.UNKNOWN
    with pytest.raises(Unavailable):
        await bench.training.terminate(NAME)
    bench.unlock()
    assert isinstance(await bench.prove(machine), Gone)


@pytest.mark.parametrize("elsewhere", [HERE._replace(pid_namespace="pid:[2]"), HERE._replace(boot_id="boot-0")])
async def test_in_another_namespace_or_boot_only_the_lock_speaks(bench: Bench, elsewhere: Identity) -> None:
    machine = bench.made(identity=elsewhere, locked=True)
    # Here the pid is somebody else's, and carries no marker.
    bench.shows(Scan(table_of(WRAPPER._replace(marker=None)), complete=True))
    assert isinstance(await bench.prove(machine), Unknown)
    [listed] = (await bench.training.list_machines()).machines
    assert listed.state is MachineState.UNKNOWN
    with pytest.raises(Unavailable):
        await bench.training.terminate(NAME)
    bench.unlock()
    assert (await bench.training.list_machines()).machines == ()
    await bench.training.terminate(NAME)
    assert isinstance(await bench.prove(machine), Gone)
    assert bench.table.signals == []


async def test_a_machine_known_under_another_account_is_unknown(bench: Bench) -> None:
    machine = bench.made()
    assert isinstance(await bench.prove(machine.model_copy(update={"account": "local:other:1"})), Unknown)


async def test_between_full_looks_a_listing_asks_only_for_members(bench: Bench) -> None:
    bench.made()
    alive = Scan(table_of(WRAPPER), complete=True)
    bench.shows(alive, alive, Scan(table_of(WRAPPER, process(50, marker="stray")), complete=True))
    assert len((await bench.training.list_machines()).machines) == 1
    looked = len(bench.table.scans)
    await bench.training.list_machines()
    assert len(bench.table.scans) == looked
    await bench.clock.advance(2)
    await bench.training.list_machines()
    await bench.clock.advance(2)
    assert {m.id for m in (await bench.training.list_machines()).machines} == {NAME, "stray"}


async def test_a_machine_without_a_living_member_is_looked_for_at_once(bench: Bench) -> None:
    bench.made()
    bench.shows(Scan(table_of(WRAPPER), complete=True))
    await bench.training.list_machines()
    bench.table.killed.add(WRAPPER.key)
    bench.table.scan()
    assert (await bench.training.list_machines()).machines == ()


async def test_absence_ends_the_bill_even_if_it_is_proven_later(bench: Bench) -> None:
    machine = bench.made()
    await bench.clock.advance(10)
    await bench.training.list_machines()
    await bench.clock.advance(1000)
    proof = await bench.prove(machine)
    assert isinstance(proof, Gone)
    [line] = await bench.training.billed(machine.first_seen, bench.clock.now())
    assert line.ended - line.began == timedelta(seconds=10)
    assert line.amount_usd == Decimal("0.01")


async def test_what_is_seen_again_before_the_books_close_is_not_booked(bench: Bench) -> None:
    bench.made()
    bench.shows(Scan(table_of(WRAPPER), complete=True))
    bench.machines.look(NAME)
    with pytest.raises(Unavailable):
        bench.machines.book_end(NAME, bench.clock.now())


async def test_a_terminated_machine_is_listed_as_ending_until_it_is_gone(bench: Bench) -> None:
    bench.made()
    bench.shows(Scan(table_of(WRAPPER), complete=True))
    bench.table.deaf.add(WRAPPER.key)
    with pytest.raises(Unavailable):
        await bench.training.terminate(NAME)
    assert (await bench.training.describe(NAME)).state is MachineState.ENDING


async def test_processes_of_a_machine_whose_directory_is_missing_are_found_and_ended(bench: Bench) -> None:
    bench.shows(Scan(table_of(process(20, marker="lc1-lost"), process(21, 20)), complete=True))
    [listed] = (await bench.training.list_machines()).machines
    assert (listed.id, listed.state) == ("lc1-lost", MachineState.RUNNING)
    assert (await bench.training.describe("lc1-lost")).first_seen == listed.first_seen
    assert isinstance(await bench.prove(listed), Alive)
    await bench.training.terminate("lc1-lost")
    assert bench.table.killed == {ProcessKey(20, 100), ProcessKey(21, 100)}
    assert isinstance(await bench.prove(listed), Gone)
    with pytest.raises(NotFound):
        await bench.training.describe("lc1-lost")


async def test_a_closed_provider_says_unknown_and_never_raises(bench: Bench) -> None:
    machine = bench.made()
    await bench.training.close()
    assert isinstance(await bench.prove(machine), Unknown)


async def test_a_long_console_comes_in_chunks_that_cut_no_character(bench: Bench) -> None:
    bench.made()
    text = "x" + "äöü€" * 40_000
    (bench.root / "machines" / NAME / "console.log").write_text(text)
    chunks = [chunk async for chunk in bench.training.logs(NAME)]
    assert len(chunks) > 3
    assert "".join(chunk.text for chunk in chunks) == text
    assert chunks[-1].position == len(text.encode())


async def test_a_console_of_bytes_that_are_no_text_is_read_to_its_end(bench: Bench) -> None:
    bench.made()
    (bench.root / "machines" / NAME / "console.log").write_bytes(b"\x80" * 70_000)
    assert [chunk.position async for chunk in bench.training.logs(NAME)][-1] == 70_000


async def test_trouble_while_looking_is_unavailable(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Scan:
        raise OSError(24, "Too many open files")

    machine = bench.made()
    monkeypatch.setattr(bench.table, "scan", broken)
    with pytest.raises(Unavailable):
        await bench.training.list_machines()
    with pytest.raises(Unavailable):
        await bench.training.describe(NAME)
    with pytest.raises(Unavailable):
        await bench.training.terminate(NAME)
    assert isinstance(await bench.prove(machine), Unknown)


async def test_a_daemon_that_is_process_one_says_what_that_means(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bench.training.notes == ()
    monkeypatch.setattr("providers.local.training.os.getpid", lambda: 1)
    assert "end when it ends" in " ".join(bench.training.notes)
