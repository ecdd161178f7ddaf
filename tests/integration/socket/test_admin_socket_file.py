"""The socket file: private, never stolen, never left behind, never removed when it is somebody else's (fault 73)."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from pathlib import Path

import pytest

from actors.admin.address import bind, still_ours, unbind
from messages.errors import Refusal
from tests.integration.socket.conftest import MakeSite


def refusal(path: Path, *, lock_held: bool = True, private: bool = True) -> str:
    with pytest.raises(Refusal) as caught:
        bind(path, lock_held=lock_held, backlog=1, private_directory=private)
    return caught.value.code


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_file_and_directory_are_private_whatever_the_umask(folder: Path) -> None:
    before = os.umask(0)
    try:
        bound = bind(folder / "run" / "s", lock_held=True, backlog=1)
    finally:
        os.umask(before)
    assert mode(folder / "run" / "s") == 0o600
    assert mode(folder / "run") == 0o700
    assert still_ours(bound)
    assert unbind(bound)
    assert not (folder / "run" / "s").exists()


def test_an_existing_directory_is_made_private(folder: Path) -> None:
    (folder / "run").mkdir(mode=0o755)
    unbind(bind(folder / "run" / "s", lock_held=True, backlog=1))
    assert mode(folder / "run") == 0o700


def test_a_directory_somebody_chose_is_left_as_it_is_but_not_when_others_can_write_in_it(folder: Path) -> None:
    chosen = folder / "chosen"
    chosen.mkdir()
    chosen.chmod(0o755)
    unbind(bind(chosen / "s", lock_held=True, backlog=1, private_directory=False))
    assert mode(chosen) == 0o755
    chosen.chmod(0o777)
    assert refusal(chosen / "s", private=False) == "E-CONFIG"


def test_nothing_is_bound_without_the_state_lock(folder: Path) -> None:
    assert refusal(folder / "s", lock_held=False) == "E-LOCKED"
    assert not (folder / "s").exists()


def test_a_path_past_the_systems_limit_is_explained(folder: Path) -> None:
    assert refusal(folder / ("x" * 107)) == "E-SOCKETPATH"


def test_a_stale_socket_is_replaced(folder: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(os.fspath(folder / "s"))
    left.close()
    unbind(bind(folder / "s", lock_held=True, backlog=1))


def test_a_socket_that_answers_is_never_taken(folder: Path) -> None:
    first = bind(folder / "s", lock_held=True, backlog=1)
    assert refusal(folder / "s") == "E-LOCKED"
    assert still_ours(first)
    unbind(first)


def test_a_socket_with_a_full_queue_counts_as_answering(folder: Path) -> None:
    first = bind(folder / "s", lock_held=True, backlog=0)
    waiting = []
    for _ in range(3):
        client = socket.socket(socket.AF_UNIX)
        client.setblocking(False)
        client.connect_ex(os.fspath(folder / "s"))
        waiting.append(client)
    assert refusal(folder / "s") == "E-LOCKED"
    for client in waiting:
        client.close()
    unbind(first)


def test_a_symbolic_link_is_never_followed_nor_removed(folder: Path) -> None:
    target = folder / "target"
    target.write_text("precious")
    (folder / "s").symlink_to(target)
    assert refusal(folder / "s") == "E-CONFIG"
    assert target.read_text() == "precious"
    assert (folder / "s").is_symlink()


def test_a_file_in_the_way_is_kept(folder: Path) -> None:
    (folder / "s").write_text("precious")
    assert refusal(folder / "s") == "E-CONFIG"
    assert (folder / "s").read_text() == "precious"


def test_a_directory_that_is_none_is_refused(folder: Path) -> None:
    (folder / "real").mkdir()
    (folder / "run").symlink_to(folder / "real")
    assert refusal(folder / "run" / "s") == "E-CONFIG"
    (folder / "file").write_text("")
    assert refusal(folder / "file" / "deeper" / "s") == "E-CONFIG"


def test_what_belongs_to_somebody_else_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "run").mkdir()
    left = socket.socket(socket.AF_UNIX)
    left.bind(os.fspath(folder / "run" / "s"))
    left.close()
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert refusal(folder / "run" / "s", private=False) == "E-CONFIG"


def test_a_stolen_address_is_left_to_the_thief(folder: Path) -> None:
    mine = bind(folder / "s", lock_held=True, backlog=1)
    (folder / "s").unlink()
    theirs = bind(folder / "s", lock_held=True, backlog=1)
    assert not still_ours(mine)
    assert not unbind(mine)
    assert still_ours(theirs)
    unbind(theirs)
    assert not still_ours(theirs)
    assert not unbind(theirs)


async def test_a_gateway_whose_file_was_replaced_stops_without_removing_it(make_site: MakeSite) -> None:
    site = await make_site()
    site.path.unlink()
    site.path.write_text("not ours")
    await site.gateway.stop()
    assert site.path.read_text() == "not ours"


async def test_a_gateway_leaves_no_file_and_no_task(make_site: MakeSite) -> None:
    site = await make_site()
    assert (await site.get("/healthz")).status == 200
    await site.http.close()
    await site.gateway.stop()
    assert not site.path.exists()
    assert [t.get_name() for t in asyncio.all_tasks() if t is not asyncio.current_task()] == []
