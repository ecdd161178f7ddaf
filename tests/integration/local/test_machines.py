"""Real process trees: what a machine inherits, how it is found, and that nothing else is touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from messages.machines import Alive, Gone, LaunchRequest, Machine, MachineState
from providers.interface import NotFound, Refused
from tests.support.names import FOREIGN
from tests.support.patience import wait_until
from tests.support.providers import audit, hostile
from tests.support.providers.subjects import LocalSubject, exits, proven


async def launched(local: LocalSubject, plan: str = "", number: int = 1) -> tuple[LaunchRequest, Machine]:
    request = await local.request(number, STUB_PLAN=plan)
    machine = await local.provider.training.launch(request)
    local.facts(request)
    return request, machine


async def ended(local: LocalSubject, machine: Machine) -> Gone:
    return await proven(local.provider, machine)


def hidden(local: LocalSubject, request: LaunchRequest, count: int = 1) -> set[int]:
    """Return the pids of processes that hid from their parents, once there are ``count``."""
    folder = local.folder(request)
    wait_until(lambda: len(list(folder.glob("hidden.*"))) >= count)
    return {int(path.suffix[1:]) for path in folder.glob("hidden.*")}


async def test_the_wrapper_gets_the_machines_environment_and_nothing_of_the_daemons(
    local: LocalSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUD_API_KEY", "a secret")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    request = await local.request(1, LASTCALL_TERM_LEAD_S="7", LASTCALL_MACHINE="forged", LASTCALL_JOB_FOLDER="/")
    await local.provider.training.launch(request)
    environ: dict[str, str] = local.facts(request)["environ"]
    assert environ["LASTCALL_MACHINE"] == request.name
    assert environ["LASTCALL_JOB_FOLDER"] == str(local.folder(request))
    assert environ["LASTCALL_STORAGE_ROOT"] == str(local.root / "storage")
    assert environ["LASTCALL_MACHINE_DIR"] == str(local.root / "machines" / request.name)
    assert environ["LASTCALL_TERM_LEAD_S"] == "7"
    assert environ["LASTCALL_CONTROL_INTERVAL_S"] == "0.5"
    assert float(environ["LASTCALL_HARD_DEADLINE"]) == request.hard_deadline.timestamp()
    assert float(environ["LASTCALL_SOFT_DEADLINE"]) == request.soft_deadline.timestamp()
    assert (environ["LASTCALL_ATTEMPT"], environ["LASTCALL_MAX_RUNTIME_S"]) == ("1", "600")
    others = {name for name in environ if not name.startswith("LASTCALL_")}
    assert others <= {"PATH", "HOME", "LANG", "LC_ALL"}
    assert "a secret" not in environ.values()


async def test_the_wrapper_is_a_session_of_its_own_without_rights_to_gain(local: LocalSubject) -> None:
    request, _ = await launched(local)
    facts = local.facts(request)
    assert facts["sid"] == facts["pid"]
    assert facts["parent"] != os.getpid()
    assert facts["no_new_privs"] == "1"
    assert facts["cwd"] == str(local.root / "machines" / request.name)
    lock = facts["environ"]["LASTCALL_LOCK_FD"]
    held = {number: name for number, name in facts["descriptors"].items() if "/proc/" not in name}
    assert set(held) == {"0", "1", "2", lock}
    assert held["0"] == "/dev/null"
    assert held["1"] == held["2"] == str(local.root / "machines" / request.name / "console.log")
    assert held[lock].endswith("/lock")


@pytest.mark.parametrize(("plan", "count"), [("hide", 1), ("bomb", 32)])
async def test_processes_that_hide_from_marker_and_parent_are_ended(local: LocalSubject, plan: str, count: int) -> None:
    request, machine = await launched(local, plan)
    pids = hidden(local, request, count)
    assert audit.marked(request.name).isdisjoint(pids)
    await ended(local, machine)
    assert not any(audit.running(pid) for pid in pids)
    assert audit.marked(request.name) == set()


async def test_a_chain_of_short_lived_processes_is_caught(local: LocalSubject) -> None:
    request, machine = await launched(local, "hop")
    await ended(local, machine)
    assert audit.marked(request.name) == set()


async def test_what_a_dead_wrapper_left_still_counts_as_the_machine(local: LocalSubject) -> None:
    request, machine = await launched(local, "leave")
    [pid] = hidden(local, request)
    await local.provider.training.describe(machine.id)
    await local.end_by_itself(request)
    assert await exits(local.provider).next_exit() == machine.id
    await local.reopen()
    seen = await local.provider.training.describe(machine.id)
    assert seen.state is MachineState.RUNNING
    assert "without their wrapper" in seen.raw_status
    assert isinstance(await local.provider.training.prove_gone(machine), Alive)
    await ended(local, machine)
    assert not audit.running(pid)


async def test_a_killed_wrapper_is_told_at_once_and_its_children_are_ended(local: LocalSubject) -> None:
    request, machine = await launched(local, "hide")
    [pid] = hidden(local, request)
    await local.provider.training.describe(machine.id)
    os.kill(local.facts(request)["pid"], signal.SIGKILL)
    assert await exits(local.provider).next_exit() == machine.id
    assert audit.running(pid)
    await ended(local, machine)
    assert not audit.running(pid)


async def test_a_foreign_process_tree_is_never_touched(local: LocalSubject) -> None:
    plain, marked = audit.sleeper(children=3), audit.sleeper(marker=FOREIGN, children=3)
    try:
        request, machine = await launched(local, "hide")
        wait_until(lambda: len(audit.marked(FOREIGN)) == 4)
        strangers = audit.marked(FOREIGN) | {plain.pid}
        await ended(local, machine)
        assert all(audit.running(pid) for pid in strangers)
        assert all(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T" for pid in strangers)
        listing = await local.provider.training.list_machines()
        assert len(listing.named(FOREIGN)) == 1
        assert listing.named(request.name) == ()
    finally:
        for process in (plain, marked):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


async def test_a_reused_pid_is_never_killed(local: LocalSubject) -> None:
    stranger = audit.sleeper()
    try:
        request, machine = await launched(local)
        members = local.root / "machines" / request.name / "members"
        with members.open("a") as file:
            file.write(f"{stranger.pid} {audit.start_time(stranger.pid) - 1}\n")
        await local.reopen()
        await ended(local, machine)
        assert audit.running(stranger.pid)
    finally:
        stranger.kill()
        stranger.wait()


async def test_a_process_once_seen_is_remembered_by_pid_and_start(local: LocalSubject) -> None:
    relative = audit.sleeper()
    try:
        request, machine = await launched(local)
        members = local.root / "machines" / request.name / "members"
        with members.open("a") as file:
            file.write(f"{relative.pid} {audit.start_time(relative.pid)}\n")
        await local.reopen()
        await ended(local, machine)
        assert not audit.running(relative.pid)
    finally:
        relative.kill()
        relative.wait()


async def test_a_wrapper_that_reaped_all_is_proven_gone_in_one_look(local: LocalSubject) -> None:
    request, machine = await launched(local)
    await local.end_by_itself(request)
    proof = await local.provider.training.prove_gone(machine)
    assert isinstance(proof, Gone)
    assert len(proof.evidence) == 1
    assert "reaped" in proof.evidence[0]


async def test_a_proof_removes_the_machines_directory_and_keeps_its_console(local: LocalSubject) -> None:
    request, machine = await launched(local)
    folder = local.root / "machines" / request.name
    (folder / "scratch" / "big").write_bytes(b"x" * 100)
    await ended(local, machine)
    assert not folder.exists()
    text = "".join([chunk.text async for chunk in local.provider.training.logs(machine.id)])
    assert text == "stub begins: äöü\n"
    assert (await local.provider.training.describe(machine.id)).state is MachineState.GONE


async def test_the_same_request_never_makes_a_second_machine_even_after_the_end(local: LocalSubject) -> None:
    request, machine = await launched(local)
    await ended(local, machine)
    again = await local.provider.training.launch(request)
    assert again.state is MachineState.GONE
    await local.reopen()
    assert (await local.provider.training.launch(request)).state is MachineState.GONE
    assert audit.marked(request.name) == set()


async def test_another_request_under_a_used_name_is_refused(local: LocalSubject) -> None:
    request, _ = await launched(local)
    with pytest.raises(Refused):
        await local.provider.training.launch(request.model_copy(update={"max_runtime_s": 1}))


async def test_a_machine_survives_the_sudden_death_of_the_daemon(local: LocalSubject) -> None:
    request = await local.request(1)
    script = f"""
        import asyncio, os, signal
        from pathlib import Path
        from messages.machines import LaunchRequest
        from tests.support.providers.subjects import LocalSubject
        async def main():
            subject = LocalSubject(Path({str(local.root)!r}))
            await subject.provider.training.launch(LaunchRequest.model_validate_json({request.model_dump_json()!r}))
            os.kill(os.getpid(), signal.SIGKILL)
        asyncio.run(main())
    """
    died = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], cwd=Path(__file__).parents[3], check=False)
    assert died.returncode == -signal.SIGKILL
    await local.reopen()
    [machine] = (await local.provider.training.list_machines()).named(request.name)
    assert machine.state is MachineState.RUNNING
    await local.end_by_itself(request)
    assert await exits(local.provider).next_exit() == machine.id
    await ended(local, machine)


async def test_a_wrapper_that_cannot_start_leaves_nothing(local: LocalSubject, tmp_path: Path) -> None:
    local.settings = local.settings.model_copy(update={"python": str(tmp_path / "no-python")})
    await local.reopen()
    request = await local.request(1)
    with pytest.raises(Refused):
        await local.provider.training.launch(request)
    assert list((local.root / "machines").iterdir()) == []
    assert (await local.provider.training.list_machines()).named(request.name) == ()


async def test_a_missing_wrapper_is_refused(local: LocalSubject, tmp_path: Path) -> None:
    local.settings = local.settings.model_copy(update={"wrapper": tmp_path / "none.pyz"})
    await local.reopen()
    with pytest.raises(Refused):
        await local.provider.training.launch(await local.request(1))


async def test_a_wrapper_that_dies_at_once_is_told_and_its_words_are_kept(local: LocalSubject) -> None:
    request = await local.request(1, STUB_PLAN="die")
    machine = await local.provider.training.launch(request)
    assert await exits(local.provider).next_exit() == machine.id
    await ended(local, machine)
    assert "stub begins" in "".join([c.text async for c in local.provider.training.logs(machine.id)])


async def test_a_name_that_could_become_a_path_is_refused(local: LocalSubject) -> None:
    request = await local.request(1)
    for name in ("../up", "a/b", "", "UPPER", "-a", "x" * 64, ".tmp"):
        with pytest.raises(Refused):
            await local.provider.training.launch(request.model_copy(update={"name": name}))
        with pytest.raises(Refused):
            await local.provider.training.terminate(name)
    with pytest.raises(NotFound):
        await local.provider.training.describe("../up")


async def test_ten_machines_at_once_are_ten(local: LocalSubject) -> None:
    pairs = [await launched(local, number=number) for number in range(10)]
    listing = await local.provider.training.list_machines()
    assert {m.name for m in listing.machines} >= {request.name for request, _ in pairs}
    for _, machine in pairs:
        await ended(local, machine)
    assert list((local.root / "machines").iterdir()) == []


FILES = ["console.log", "lock", "machine.json", "members", "reaped", ".machine.json.new", ".members.new"]


@pytest.mark.parametrize("thing", hostile.THINGS)
@pytest.mark.parametrize("restarted", [False, True])
async def test_what_the_work_puts_in_place_of_our_files_stops_nothing_and_hides_nothing(
    local: LocalSubject, thing: str, restarted: bool
) -> None:
    """A pipe would make a reader wait for ever, a link would lead out of the machine's directory."""
    request, machine = await launched(local, "hide")
    [hid] = hidden(local, request)
    await local.provider.training.describe(machine.id)
    folder = local.root / "machines" / request.name
    for name in FILES:
        hostile.put(thing, folder / name)
    if restarted:
        await local.reopen()
    assert (await local.provider.training.describe(machine.id)).state is MachineState.RUNNING
    assert len((await local.provider.training.list_machines()).named(request.name)) == 1
    assert hostile.OUTSIDE not in await console(local, machine)
    assert isinstance(await local.provider.training.prove_gone(machine), Alive)
    await ended(local, machine)
    assert audit.marked(request.name) == set()
    assert not audit.running(hid)
    assert hostile.OUTSIDE not in await console(local, machine)
    assert hostile.outside_is_untouched(folder / "any")
    assert not folder.exists()
    if restarted:  # its record was lost, so nobody knows any more from which request it was made
        with pytest.raises(Refused):
            await local.provider.training.launch(request)
    else:
        assert (await local.provider.training.launch(request)).state is MachineState.GONE


async def console(local: LocalSubject, machine: Machine) -> str:
    return "".join([chunk.text async for chunk in local.provider.training.logs(machine.id)])
