"""The daemon's view, and what doctor makes of it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lastcall import __version__, paths
from lastcall.doctor import running
from lastcall.doctor.findings import Finding, Room
from tests.tidy.sources import ROOT
from tests.unit.doctor.kit import room, status


def with_status(root: Path, **changes: Any) -> Room:
    where = room(root)
    where.status = status(**changes)
    return where


def actor(name: str = "fleet", **changes: Any) -> dict[str, Any]:
    return {"name": name, "depth": 0, "oldest_s": 0.0, "restarts": 0, "handled": 1, "parked": False, **changes}


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (actor(), "ok"),
        (actor(parked=True), "fail"),
        (actor(oldest_s=31.0, depth=1), "warn"),
        (actor(depth=501), "warn"),
    ],
)
async def test_parked_actors_fail_and_slow_ones_warn(tmp_path: Path, row: dict[str, Any], verdict: str) -> None:
    [found] = await running.actors(with_status(tmp_path, actors=[row]))
    assert found.verdict == verdict
    assert bool(found.fix) == (verdict != "ok")


async def test_safe_mode_fails_and_alarms_warn(tmp_path: Path) -> None:
    alarm = {"alarm": "clock_jump", "detail": "set by +3 s", "at": "x"}
    found = await running.safe_mode(with_status(tmp_path, safe_mode="a copy", alarms=[alarm]))
    assert [one.verdict for one in found] == ["fail", "warn"]
    assert await running.safe_mode(with_status(tmp_path)) == []


async def test_an_alarm_with_a_code_leads_to_its_page(tmp_path: Path) -> None:
    alarm = {"alarm": "end_unproven", "detail": "m1", "code": "E-UNPROVEN", "at": "x"}
    [found] = await running.safe_mode(with_status(tmp_path, alarms=[alarm]))
    assert found.fix == "docs/errors/E-UNPROVEN.md"
    assert (ROOT / found.fix).is_file()


@pytest.mark.parametrize(
    ("document", "verdict"),
    [
        ({"complete": True, "machines": [{"name": "m", "ours": "ours"}], "running": 1}, "ok"),
        ({"complete": True, "machines": [{"name": "m", "ours": "orphan"}], "running": 1}, "fail"),
        ({"complete": False, "machines": [], "running": 0}, "warn"),
        (None, "warn"),
    ],
)
async def test_machines_that_nobody_owns_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, document: dict[str, Any] | None, verdict: str
) -> None:
    where = with_status(tmp_path)
    monkeypatch.setattr(where, "ask_daemon", lambda _: document, raising=False)
    [found] = await running.machines(where)
    assert found.verdict == verdict


def served(root: Path, answer: bytes) -> Callable[[], None]:
    """Answer one connection at the daemon's socket; return how to end."""
    (root / "s" / "run").mkdir(parents=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(root / "s" / "run" / "admin.sock"))
    listener.listen()

    def once() -> None:
        link, _ = listener.accept()
        with link:
            link.recv(1 << 16)
            link.sendall(answer)

    thread = threading.Thread(target=once)
    thread.start()

    def end() -> None:
        thread.join()
        listener.close()

    return end


def http(body: str, code: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {code}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (http(f'{{"version": "{__version__}"}}'), "ok"),
        (http('{"version": "0.0.0-other"}'), "warn"),
        (http("{}", "503 Busy"), "fail"),
        (http("no json"), "fail"),
        (b"", "fail"),
    ],
)
async def test_a_daemon_is_asked_and_its_answer_judged(tmp_path: Path, answer: bytes, verdict: str) -> None:
    where = room(tmp_path)
    where.places = paths.find(where.environ, tmp_path)
    end = served(tmp_path, answer)
    [found] = await running.daemon(where)
    end()
    assert found.verdict == verdict
    assert (where.status is not None) == (verdict != "fail")


async def test_without_a_daemon_its_checks_say_nothing(tmp_path: Path) -> None:
    where = room(tmp_path)
    found: list[Finding] = []
    for look in (running.safe_mode, running.actors, running.machines):
        found += await look(where)
    assert found == []
