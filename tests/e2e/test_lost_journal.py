"""The journal is gone, the machines are not: what a person does then, with the real daemon and a real machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from tests.support.house import CHECKOUT, House


def lastcall(house: House, *words: str) -> tuple[int, Any]:
    """Run the command line as a person would; return its exit code and its document."""
    done = subprocess.run(
        [sys.executable, "-m", "lastcall", *words, "--json"],
        env=house.environment | {"PYTHONPATH": str(CHECKOUT), "PATH": os.environ["PATH"]},
        cwd=house.root,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, json.loads(done.stdout) if done.stdout.strip() else done.stderr


def lose_the_journal(house: House) -> None:
    house.kill()
    for path in house.state.iterdir():
        if path.name.startswith("journal"):
            path.unlink()
    house.start()


def ours(document: Any) -> list[dict[str, Any]]:
    """Return the machines of this installation: other tests run on this computer too."""
    return [row for row in document["machines"] if row["whose"] != "foreign"]


def test_a_job_whose_journal_was_deleted_is_taken_over_and_leaves_its_model(house: House) -> None:
    """Fault 48."""
    job_id = house.train("later")
    house.running(job_id)
    lose_the_journal(house)
    code, found = lastcall(house, "machines", "reconcile", "--adopt")
    assert (code, [(row["job_id"], row["done"]) for row in ours(found)]) == (0, [(job_id, True)])
    closed = house.closed(job_id)
    assert (closed["job"]["outcome"], bool(closed["model"]["id"])) == ("succeeded", True)
    assert closed["machine"]["terminated_confirmed_at"]
    assert house.processes() == []


def test_a_hanging_job_is_taken_over_and_stopped(house: House) -> None:
    job_id = house.train("hang")
    house.running(job_id)
    lose_the_journal(house)
    (row,) = ours(lastcall(house, "machines", "reconcile")[1])
    assert (row["whose"], row["does"], row["job_id"]) == ("other_generation", "adopt", job_id)
    code, found = lastcall(house, "machines", "reconcile", "--adopt")
    assert (code, ours(found)[0]["done"], found["unknown"]) == (0, True, 0)
    house.running(job_id)
    house.stop_job(job_id)
    closed = house.closed(job_id)
    assert closed["job"]["outcome"] == "cancelled"
    assert closed["machine"]["terminated_confirmed_at"]
    assert house.processes() == []


def test_a_machine_of_a_lost_job_is_ended_by_name(house: House) -> None:
    job_id = house.train("hang")
    house.running(job_id)
    lose_the_journal(house)
    (row,) = ours(lastcall(house, "machines", "reconcile")[1])
    code, found = lastcall(house, "machines", "reconcile", "--reap", row["name"])
    assert (code, ours(found)[0]["done"], found["unknown"]) == (0, True, 0)
    assert house.processes() == []
    assert lastcall(house, "reap")[0] == 6
    house.stop()
    assert lastcall(house, "reap")[0] == 0


def test_every_command_of_the_page_on_lost_journals_works(house: House) -> None:
    page = (CHECKOUT / "docs/how-to/lost-journal.md").read_text()
    blocks = [part.split("```", 1)[0] for part in page.split("```sh\n")[1:]]
    job_id = house.train("hang")
    house.running(job_id)
    lose_the_journal(house)
    programs = house.root / "bin"
    programs.mkdir()
    (programs / "lastcall").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m lastcall "$@"\n')
    (programs / "lastcall").chmod(0o755)
    environment = house.environment | {"PYTHONPATH": str(CHECKOUT), "PATH": f"{programs}:/usr/bin:/bin"}
    said = ""
    for block in blocks:
        done = subprocess.run(
            ["sh", "-eu"], input=block, env=environment, cwd=house.root, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        said += done.stdout
    assert "Nothing was done." in said
    assert "Taken over" in said
    house.running(job_id)


def test_a_safe_mode_of_the_start_ends_with_reconcile_and_a_restart(house: House) -> None:
    """Fault 48: the journal and install.json do not belong together."""
    house.kill()
    path = house.state / "install.json"
    install = json.loads(path.read_text())
    before = install["generation"]
    path.write_text(json.dumps(install | {"generation": "aaaa" if before != "aaaa" else "bbbb"}))
    house.start()
    assert "generation" in house.get("/v1/status")["safe_mode"]
    assert lastcall(house, "machines", "reconcile")[1]["safe_mode"]
    code, found = lastcall(house, "machines", "reconcile", "--adopt")
    assert (code, found["unknown"]) == (0, 0)
    assert "restart the daemon" in found["safe_mode"]
    assert house.stop() == 0
    house.start()
    assert house.get("/v1/status")["safe_mode"] is None
    assert json.loads(path.read_text())["generation"] not in (before, "aaaa" if before != "aaaa" else "bbbb")
    house.closed(house.train("good"))
