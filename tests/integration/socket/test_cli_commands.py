"""Every command against the real gateway: documents unchanged, exit codes, words, and what a broken line does."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shlex
import sys
import types
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click
import pytest

from lastcall.cli import jobs
from lastcall.cli.app import LazyGroup, Leaf
from lastcall.cli.main import cli
from messages import admin, upkeep
from messages.errors import ERRORS, OUTCOME_EXIT, Refusal
from messages.jobs import Outcome
from tests.integration.socket import examples
from tests.integration.socket.live import CSV, Capture, LiveGateway, run

GOLDEN = Path(__file__).parents[2] / "golden"


def leaves(group: LazyGroup, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, LazyGroup):
            yield from leaves(command, (*path, name))
        elif command is not None:
            yield (*path, name), command


TREE = list(leaves(cli))
ARGUMENTS = {
    "train": ("customers.csv", "--target", "churn", "--yes"),
    "predict": ("churn-7fa", "customers.csv"),
    "logs": ("churn-7fa",),
    "wait": ("churn-7fa",),
    "stop": ("churn-7fa",),
    "compare": ("churn-7fa", "churn-8bc"),
    "reproduce": ("churn-7fa", "--yes"),
    "models show": ("churn-7fa",),
    "models get": ("churn-7fa",),
    "models rm": ("churn-7fa",),
    "models import": ("customers.csv", "--confirm", "churn-5e5"),
    "data add": ("customers.csv",),
    "data get": ("customers.csv",),
    "data rm": ("customers.csv",),
    "images build": ("--registry", "me", "--dry-run"),
    "images push": ("--registry", "me", "--dry-run"),
}
STREAMS = {"logs", "events"}


@pytest.fixture
def fake_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    def program(**options: Any) -> int:
        print(json.dumps({"schema": "ran/v1", "json": options["json_output"]}))
        return 0

    for name in ("daemon", "demo"):
        module = types.ModuleType(f"lastcall.{name}")
        module.main = program  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, f"lastcall.{name}", module)
    setup = types.ModuleType("lastcall.setup.command")
    report = types.SimpleNamespace(document=lambda: {"schema": "setup/v1"}, exit_code=0)
    setup.Place = lambda *_: None  # type: ignore[attr-defined]
    setup.set_up_runpod = setup.set_up_aws = lambda *_: report  # type: ignore[attr-defined]
    setup.needed_library = nullcontext  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lastcall.setup.command", setup)
    reaping = types.ModuleType("lastcall.reaping")
    reaping.main = lambda **_: (0, {"schema": "reap/v1"})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lastcall.reaping", reaping)


@pytest.mark.parametrize(("path", "command"), TREE, ids=[" ".join(p) for p, _ in TREE])
def test_every_leaf_command_prints_its_document_with_json(
    live: LiveGateway,
    table: Path,
    fake_programs: None,
    capsys: Capture,
    path: tuple[str, ...],
    command: click.Command,
) -> None:
    name = " ".join(path)
    if name in ("data get", "data rm", "reproduce"):
        assert run(capsys, "data", "add", "customers.csv")[0] == 0
        if name == "data get":
            table.unlink()
    code, out, _ = run(capsys, *path, *ARGUMENTS.get(name, ()), "--json")
    assert code == 0
    lines = out.splitlines()
    assert len(lines) == (3 if name in STREAMS else 1)
    for line in lines:
        document = json.loads(line)
        assert "schema" in document or name in STREAMS


@pytest.mark.parametrize(("path", "command"), TREE, ids=[" ".join(p) for p, _ in TREE])
def test_every_help_begins_with_examples_and_ends_with_the_docs(
    capsys: Capture, path: tuple[str, ...], command: click.Command
) -> None:
    assert isinstance(command, Leaf)
    assert command.examples
    code, out, _ = run(capsys, *path, "-h")
    assert code == 0
    assert out.startswith(f"Examples:\n  lastcall {' '.join(path)}")
    assert out.rstrip().endswith("Docs: docs/reference/cli.md")


@pytest.mark.parametrize("group", ["", "machines", "models", "data", "config"])
def test_listing_commands_says_of_each_what_it_does(capsys: Capture, group: str) -> None:
    code, out, _ = run(capsys, *group.split(), "--help")
    assert code == 0
    assert "Commands:" in out
    found: Any = cli
    if group:
        found = cli.get_command(click.Context(cli), group)
    for name, lazy in found.lazy.items():
        assert name in out
        assert lazy.summary in out
        command = found.get_command(click.Context(found), name)
        assert command.name == name


@pytest.mark.parametrize(
    ("command", "golden"), [("ps", "ps"), ("cost", "cost"), ("machines ls", "machines"), ("wait @last", "train")]
)
def test_json_is_the_daemons_document_unchanged(live: LiveGateway, capsys: Capture, command: str, golden: str) -> None:
    code, out, err = run(capsys, *command.split(), "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == json.loads((GOLDEN / f"{golden}.json").read_text())


def test_train_sends_the_file_shows_the_plan_follows_and_ends_with_the_proof(
    live: LiveGateway, table: Path, capsys: Capture
) -> None:
    options = ["-m", "svm", "--param", "C=10", "--param", "kernel=linear"]
    code, out, err = run(capsys, "train", "customers.csv", "-t", "churn", "-y", *options)
    assert code == 0
    assert "Plan: random forest on customers.csv" in err
    assert "training · 10 %" in err
    assert out.splitlines()[0] == "churn-7fa finished in 9 min 38 s · cost $0.044 (est. $0.002–$0.007)"
    assert "Machine terminated 14:09:41, confirmed · 0 machines running" in out
    order = live.node.dispatcher.asked[-1].order
    assert order.parameters == {"C": 10, "kernel": "linear"}
    assert order.dataset in live.node.datasets


def test_train_with_json_prints_exactly_one_document_and_nothing_else(
    live: LiveGateway, table: Path, capsys: Capture
) -> None:
    code, out, err = run(capsys, "train", "customers.csv", "-t", "churn", "-y", "--json", "--logs")
    assert code == 0
    document = json.loads(out)
    assert document["job"]["outcome"] == "succeeded"
    assert document["machine"]["terminated_confirmed_at"]
    assert "training" not in err


def test_the_same_bytes_are_not_sent_twice(live: LiveGateway, table: Path, capsys: Capture) -> None:
    run(capsys, "data", "add", "customers.csv")
    code, _, err = run(capsys, "train", "customers.csv", "-t", "churn", "-y", "--no-follow")
    assert code == 0
    assert "is known as customers.csv" in err
    assert len([q for q in live.node.storage.asked if isinstance(q, admin.BeginUpload)]) == 1


def test_every_option_of_train_reaches_the_order(live: LiveGateway, capsys: Capture) -> None:
    arguments = (
        "train customers -t churn -m ridge --features a,b --task regression --max-runtime 1h30m "
        "--max-cost $2.50 --machine big --name mine --test-share 0.3 --seed 7 --group customer --no-follow -y --json"
    )
    code, out, _ = run(capsys, *arguments.split())
    assert code == 0
    assert json.loads(out)["schema"] == "accepted/v1"
    order = live.node.dispatcher.asked[-1].order
    assert order.model_dump(mode="json", exclude={"parameters"}) == {
        "dataset": "customers",
        "target": "churn",
        "model": "ridge",
        "task": "regression",
        "features": ["a", "b"],
        "test_share": 0.3,
        "seed": 7,
        "group": "customer",
        "time": None,
        "max_runtime_s": 5400,
        "max_cost_usd": "2.50",
        "machine": "big",
        "name": "mine",
    }


def test_rows_are_held_out_by_group_or_by_time_and_not_by_both(live: LiveGateway, capsys: Capture) -> None:
    assert run(capsys, *["train", "customers", "-t", "churn", "--time", "day", "--no-follow", "-y"])[0] == 0
    assert live.node.dispatcher.asked[-1].order.time == "day"
    code, _, err = run(capsys, *["train", "customers", "-t", "churn", "--time", "day", "--group", "customer", "-y"])
    assert (code, "--group and --time" in err) == (2, True)


def test_a_line_that_is_to_be_copied_has_every_option_that_was_typed(
    live: LiveGateway, table: Path, capsys: Capture
) -> None:
    run(capsys, "data", "add", "customers.csv")
    table.unlink()
    typed = "--target churn --model ridge --test-share 0.3 --group 'customer id' --seed 7 --param alpha=1"
    code, _, err = run(capsys, "train", "customers.csv", *shlex.split(typed))
    assert code == 2
    assert f"lastcall train customers.csv {typed} --yes" in err


def test_without_a_terminal_spending_needs_yes(live: LiveGateway, table: Path, capsys: Capture) -> None:
    code, out, err = run(capsys, "train", "customers.csv", "--target", "churn")
    assert (code, out) == (2, "")
    assert "lastcall train customers.csv --target churn --yes" in err
    assert live.node.dispatcher.asked == []


@pytest.mark.parametrize(("typed", "started"), [("y\n", True), ("n\n", False)])
def test_on_a_terminal_the_plan_is_confirmed_first(
    live: LiveGateway, table: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, typed: str, started: bool
) -> None:
    typing = io.StringIO(typed)
    typing.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", typing)
    code, _, err = run(capsys, "train", "customers.csv", "--target", "churn", "--no-follow")
    assert code == 0
    assert "Start?" in err
    assert (admin.SubmitTraining in [type(q) for q in live.node.dispatcher.asked]) is started


@pytest.mark.parametrize("outcome", list(Outcome))
def test_the_exit_code_of_wait_and_train_is_the_outcome(live: LiveGateway, capsys: Capture, outcome: Outcome) -> None:
    document = examples.failed(outcome=outcome) if outcome != Outcome.SUCCEEDED else examples.succeeded()
    live.node.job_now = document
    live.node.documents = [examples.running(), document]
    assert run(capsys, "wait", "@last")[0] == OUTCOME_EXIT[outcome]
    assert run(capsys, "train", "x", "-t", "churn", "-y")[0] == OUTCOME_EXIT[outcome]


def test_wait_gives_up_after_its_time_and_says_the_job_goes_on(live: LiveGateway, capsys: Capture) -> None:
    live.node.job_now = examples.running()
    live.call(live.node.release.clear)
    code, _, err = run(capsys, "wait", "churn-7fa", "--timeout", "0")
    assert code == 8
    assert "goes on" in err
    assert "lastcall wait churn-7fa" in err


def test_wait_asks_again_until_the_job_is_over(
    live: LiveGateway, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "WAIT_CALL_S", 0.05)
    live.node.job_now = examples.running()
    live.call(live.node.release.clear)
    live._loop.call_soon_threadsafe(lambda: live._loop.call_later(0.15, live.node.release.set))
    assert run(capsys, "wait", "churn-7fa")[0] == 0


def test_a_failed_job_says_what_it_cost_and_that_the_machine_is_gone(live: LiveGateway, capsys: Capture) -> None:
    live.node.job_now = examples.failed()
    code, out, _ = run(capsys, "wait", "@last")
    assert code == 10
    assert "Cost $0.044. Machine terminated 14:09:41, confirmed · 0 machines running." in " ".join(out.split())


def test_without_a_daemon_the_line_to_type_is_said(capsys: Capture, folder: Path) -> None:
    code, out, err = run(capsys, "--host", f"unix://{folder}/none.sock", "ps")
    assert (code, out) == (3, "")
    assert "lastcall daemon" in err
    assert "lastcall demo" in err


@pytest.mark.parametrize("code", ["E-CAPTOOSMALL", "E-BUDGET", "E-CSV-TARGET", "E-BUSY", "E-SAFEMODE", "E-NOTFOUND"])
def test_a_refusal_has_four_parts_and_its_registered_exit_code(
    live: LiveGateway, table: Path, capsys: Capture, code: str
) -> None:
    def refuse(_: Any) -> Any:
        raise Refusal(code, "this one")

    live.node.dispatcher.answers[admin.PlanTraining] = refuse
    exit_code, out, err = run(capsys, "train", table.name, "-t", "churn", "-y")
    assert (exit_code, out) == (ERRORS[code].exit, "")
    happened, money, todo, page = err.splitlines()
    assert "this one" in happened
    assert money == "Nothing was started and nothing was spent."
    assert ERRORS[code].hint in todo
    assert page.startswith(f"{code} · docs/errors/{code}.md · req_")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("trian", "Did you mean train?"),
        ("models shw", "Did you mean show?"),
        ("xyzzy", "There is no command"),
        ("ps --nonsense", "No such option"),
        ("train", "Missing"),
        ("train x -t y -y --param nonsense", "KEY=VALUE"),
        ("train x -t y -y --max-runtime soon", "is not a time"),
        ("wait x --timeout soon", "is not a time"),
        ("stop", "Name the jobs"),
        ("stop x --all", "Name the jobs"),
        ("stop --all", "lastcall stop --all --yes"),
    ],
)
def test_a_wrong_command_is_usage_and_says_what_is_right(
    live: LiveGateway, capsys: Capture, typed: str, words: str
) -> None:
    code, out, err = run(capsys, *typed.split())
    assert (code, out) == (2, "")
    assert words in err


def test_stop_all_is_typed_out_on_a_terminal(
    live: LiveGateway, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import io

    for typed, code in (("stop all\n", 0), ("yes\n", 2)):
        typing = io.StringIO(typed)
        typing.isatty = lambda: True  # type: ignore[method-assign]
        monkeypatch.setattr(sys, "stdin", typing)
        assert run(capsys, "stop", "--all")[0] == code
    assert len(live.node.dispatcher.asked) == 1
    assert run(capsys, "stop", "--all", "-y")[1] == "Stopping 2 jobs.\n"


def test_stopping_what_is_over_says_so(live: LiveGateway, capsys: Capture) -> None:
    live.node.dispatcher.answers[admin.StopJob] = lambda _: admin.StopAnswer(stopped=())
    assert run(capsys, "stop", "@last")[1] == "Nothing was running.\n"


def test_a_planted_second_machine_is_counted(live: LiveGateway, capsys: Capture) -> None:
    live.node.machine_list = examples.machines(1)
    _, out, _ = run(capsys, "wait", "@last")
    assert "1 machine running" in out
    _, listed, _ = run(capsys, "machines", "ls")
    assert "1 machine running" in listed
    assert examples.MACHINE_NAME in listed


@pytest.mark.parametrize(
    "changes", [{"complete": False}, {"listed_at": examples.at(580)}], ids=["incomplete", "older than the proof"]
)
def test_no_count_of_machines_is_shown_without_a_whole_listing_begun_after_the_proof(
    live: LiveGateway, capsys: Capture, changes: dict[str, Any]
) -> None:
    live.node.machine_list = examples.machines().model_copy(update=changes)
    _, out, _ = run(capsys, "wait", "@last")
    assert "0 machines running" not in out
    assert "not known" in out


def test_an_incomplete_listing_is_said_loudly(live: LiveGateway, capsys: Capture) -> None:
    live.node.machine_list = examples.machines().model_copy(update={"complete": False})
    assert "NOT COMPLETE" in run(capsys, "machines", "ls")[1]


def test_reconcile_judges_and_does_nothing_unless_told(live: LiveGateway, capsys: Capture) -> None:
    code, out, _ = run(capsys, "machines", "reconcile")
    assert code == 0
    assert live.node.reconciler.asked[-1].order == upkeep.ReconcileOrder()
    assert examples.STRANGER_NAME in out
    assert "an open job's · running · 1 min 33 s old · $0.27/h · $0.007 so far · gone by 2026-11-23 16:05" in out
    assert "ours, of another journal" in out
    assert f"Take it over: --adopt; or end it: --reap {examples.STRANGER_NAME}" in out
    assert "3 machines, 1 of ours unknown to the journal" in out
    assert "Nothing was done." in out
    assert "\x1b[31m" not in out


def test_reconcile_sends_what_it_is_told_and_says_what_was_done(live: LiveGateway, capsys: Capture) -> None:
    code, out, _ = run(capsys, "machines", "reconcile", "--adopt", "--reap", "--all-ours", examples.STRANGER_NAME)
    assert code == 0
    order = live.node.reconciler.asked[-1].order
    assert (order.adopt, order.reap, order.all_ours, order.names) == (True, True, True, (examples.STRANGER_NAME,))
    assert "Taken over" in out
    assert "0 of ours unknown" in out
    assert "Nothing was done" not in out
    document = json.loads(run(capsys, "machines", "reconcile", "--adopt", "--json")[1])
    assert document["schema"] == "reconcile/v1"


def test_reconcile_fails_when_something_asked_for_was_not_done(live: LiveGateway, capsys: Capture) -> None:
    found = examples.reconciled(acts=True)
    undone = found.machines[1].model_copy(update={"done": False, "detail": "Not taken over: no folder."})
    safe = found.model_copy(
        update={"machines": (found.machines[0], undone), "unknown": 1, "safe_mode": "a reason", "complete": False}
    )
    live.node.reconciler.answers[upkeep.Reconcile] = lambda _: safe
    code, out, _ = run(capsys, "machines", "reconcile", "--adopt")
    assert code == 1
    assert "Not taken over: no folder." in out
    assert "SAFE MODE, nothing is launched: a reason" in out
    assert "NOT COMPLETE" in out


def test_all_ours_alone_ends_nothing(live: LiveGateway, capsys: Capture) -> None:
    code, _, err = run(capsys, "machines", "reconcile", "--all-ours")
    assert code == 2
    assert "--reap" in err
    assert live.node.reconciler.asked == []


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_reconcile_is_readable_at_any_width(columns: int) -> None:
    from lastcall.cli.machines import reconcile_lines

    for acts in (False, True):
        document = json.loads(examples.reconciled(acts=acts).model_dump_json(by_alias=True))
        lines = [line for line, _ in reconcile_lines(document, columns)]
        names = [examples.MACHINE_NAME, examples.STRANGER_NAME]
        assert [line for line in lines if len(line) > columns and not any(name in line for name in names)] == []


def test_prune_says_what_went_and_what_stayed(live: LiveGateway, capsys: Capture) -> None:
    code, out, _ = run(capsys, "data", "prune")
    assert (code, live.node.storage.asked[-1].dry_run) == (0, False)
    assert out.splitlines() == [
        "Deleted 3 job folders of jobs that are over, 1.5 MB",
        "Deleted 1 environment that no job used, 410 MB",
        "Deleted 2 leftovers of uploads and removals",
        "1 environment or bundle kept: a job is open",
        "There is more: once again goes on.",
    ]


def test_a_dry_prune_says_what_would_go(live: LiveGateway, capsys: Capture) -> None:
    _, out, _ = run(capsys, "data", "prune", "--dry-run")
    assert live.node.storage.asked[-1].dry_run is True
    assert "Would delete 3 job folders" in out
    assert json.loads(run(capsys, "data", "prune", "--json")[1])["schema"] == "prune/v1"
    nothing = upkeep.Pruned()
    live.node.storage.answers[upkeep.PruneStorage] = lambda _: examples.pruned().model_copy(
        update={
            "job_folders": nothing,
            "environments": nothing,
            "leftovers": nothing,
            "kept_in_use": 0,
            "complete": True,
        }
    )
    assert run(capsys, "data", "prune")[1] == "Nothing is older than the settings keep.\n"


def test_files_come_whole_and_are_never_written_over(live: LiveGateway, table: Path, capsys: Capture) -> None:
    run(capsys, "data", "add", "customers.csv", "--name", "../../evil.csv")
    assert run(capsys, "data", "get", "../../evil.csv")[0] == 0
    assert Path("evil.csv").read_bytes() == CSV
    code, _, err = run(capsys, "data", "get", "../../evil.csv")
    assert code == 2
    assert "is there already" in err
    assert run(capsys, "data", "get", "../../evil.csv", "--force")[0] == 0
    assert run(capsys, "data", "get", "../../evil.csv", "-o", "-")[1].encode() == CSV
    assert sorted(p.name for p in Path().iterdir()) == ["customers.csv", "evil.csv", "run"]


def test_predictions_go_to_a_file_beside_the_input_or_to_standard_output(
    live: LiveGateway, table: Path, capsys: Capture
) -> None:
    code, out, _ = run(capsys, "predict", "churn-7fa", "customers.csv", "--column", "p")
    assert code == 0
    assert out == "2 rows predicted into customers.predictions.csv · cost $0.00\n"
    assert Path("customers.predictions.csv").read_bytes() == b"a,b\n1,2\n3,4"
    assert run(capsys, "predict", "churn-7fa", "customers.csv", "-o", "-")[1] == "a,b\n1,2\n3,4"
    assert run(capsys, "predict", "churn-7fa", "customers.csv")[0] == 2


def test_a_models_files_are_checked_against_their_digests(live: LiveGateway, capsys: Capture) -> None:
    assert run(capsys, "models", "get", "@last", "-o", "out")[0] == 0
    files = sorted(p.as_posix() for p in Path("out").rglob("*") if p.is_file())
    assert files == ["out/metrics.json", "out/model.skops", "out/plots/roc.png"]
    live.node.store.objects["model"] = b"changed byt"
    code, _, err = run(capsys, "models", "get", "@last", "model.skops", "-o", "other")
    assert code == ERRORS["E-MODEL-DAMAGED"].exit
    assert "digest" in err
    assert list(Path("other").iterdir()) == []
    assert run(capsys, "models", "get", "@last", "nothing")[0] == 5


def test_a_post_whose_answer_is_lost_is_repeated_with_the_same_key(
    live: LiveGateway, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault 76: the same command twice, never a second job."""
    from lastcall.cli.client import UnixConnection

    real = UnixConnection.getresponse
    lost: list[int] = []

    def lose_the_first_submit(self: UnixConnection) -> Any:
        response = real(self)
        if live.node.dispatcher.asked and isinstance(live.node.dispatcher.asked[-1], admin.SubmitTraining) and not lost:
            lost.append(1)
            response.close()
            raise ConnectionResetError
        return response

    monkeypatch.setattr(UnixConnection, "getresponse", lose_the_first_submit)
    assert run(capsys, "train", "x", "-t", "y", "-y", "--no-follow")[0] == 0
    submits = [q.command_id for q in live.node.dispatcher.asked if isinstance(q, admin.SubmitTraining)]
    assert len(submits) == 2
    assert len(set(submits)) == 1


def test_a_lost_answer_that_stays_lost_is_said_to_be_unknown(
    live: LiveGateway, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lastcall.cli.client import UnixConnection

    real = UnixConnection.getresponse

    def lose(self: UnixConnection) -> Any:
        response = real(self)
        if isinstance(live.node.dispatcher.asked[-1], admin.SubmitTraining):
            response.close()
            raise ConnectionResetError
        return response

    monkeypatch.setattr(UnixConnection, "getresponse", lose)
    code, _, err = run(capsys, "train", "x", "-t", "y", "-y")
    assert code == 75
    assert "not known" in err
    assert "lastcall ps" in err


def test_tables_and_lists_that_are_empty_say_what_to_do(live: LiveGateway, capsys: Capture, monkeypatch: Any) -> None:
    assert "lastcall data add FILE" in run(capsys, "data", "ls")[2]
    live.node.storage.answers[admin.ListModels] = lambda _: ()
    assert "lastcall train FILE" in run(capsys, "models", "ls")[2]


def test_readable_output_of_the_rest(live: LiveGateway, table: Path, capsys: Capture) -> None:
    assert "running" in run(capsys, "ps")[1]
    assert "Budget day: $19.96 left of $20.00" in run(capsys, "cost")[1]
    assert "1 machine running · $0.27/h" in run(capsys, "status")[1]
    assert "ROC AUC 0.846" in run(capsys, "models", "show", "@last")[1]
    assert "churn-7fa" in run(capsys, "models", "ls")[1]
    assert "contract: category" in run(capsys, "data", "add", "customers.csv")[1]
    assert "customers.csv" in run(capsys, "data", "ls")[1]
    assert "Deleted customers.csv" in run(capsys, "data", "rm", "customers.csv")[1]
    assert "Deleted churn-7fa" in run(capsys, "models", "rm", "@last")[1]
    assert "job.started" in run(capsys, "events")[1]
    assert "daemon   0.1.0 (API 1 to 1)" in run(capsys, "version")[1]


def test_config_is_shown_and_checked_without_a_daemon(
    folder: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for name in [n for n in os.environ if n.startswith(("LASTCALL_", "RUNPOD_", "CLOUD_", "AWS_", "TELEGRAM_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(folder))
    code, out, _ = run(capsys, "config", "show", "--origin")
    assert code == 0
    assert "default" in out
    assert run(capsys, "config", "check")[0] == 0
    Path("config.toml").write_text("surprise = 1\n")
    code, _, err = run(capsys, "config", "check")
    assert code == 78
    assert "surprise" in err
    assert "Traceback" not in err


def test_a_fault_of_ours_is_one_line_and_a_traceback_only_on_request(
    live: LiveGateway, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("insides")

    monkeypatch.setattr(jobs, "show_jobs", fail)
    code, _, err = run(capsys, "ps")
    assert code == 1
    assert "E-INTERNAL" in err
    assert "Traceback" not in err
    monkeypatch.setenv("LASTCALL_DEBUG", "1")
    assert "Traceback" in run(capsys, "ps")[2]


def test_a_document_from_a_stranger_is_not_understood_but_said_so(folder: Path, capsys: Capture) -> None:
    import socket
    import threading

    path = folder / "s"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.fspath(path))
    listener.listen(4)

    def serve() -> None:
        for body in (b"nonsense", b"[]"):
            link, _ = listener.accept()
            link.recv(65536)
            link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            link.close()
        for _ in range(2):
            link, _ = listener.accept()
            link.close()

    thread = threading.Thread(target=serve)
    thread.start()
    for _ in range(2):
        code, _, err = run(capsys, "--host", f"unix://{path}", "ps")
        assert (code, "E-INTERNAL" in err) == (1, True)
    code, _, err = run(capsys, "--host", f"unix://{path}", "ps")
    assert (code, "connection to Lastcall broke" in err) == (75, True)
    thread.join()
    listener.close()


def test_the_digest_of_what_was_sent_is_what_is_stored(live: LiveGateway, table: Path, capsys: Capture) -> None:
    _, out, _ = run(capsys, "data", "add", "customers.csv", "--json")
    assert json.loads(out)["dataset"]["sha256"] == hashlib.sha256(CSV).hexdigest()


def test_watching_looks_again_until_ctrl_c(live: LiveGateway, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []

    def pause(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("lastcall.cli.jobs.time.sleep", pause)
    code, out, _ = run(capsys, "ps", "--watch", "--json")
    assert code == 130
    assert [json.loads(line)["schema"] for line in out.splitlines()] == ["ps/v1", "ps/v1"]
    assert looks == [jobs.WATCH_S, jobs.WATCH_S]


def test_a_page_that_is_not_the_last_says_how_to_see_more(
    live: LiveGateway, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def page(*_: Any) -> Any:
        return examples.ps().model_copy(update={"next": "cursor"})

    monkeypatch.setattr(live.node, "ps", page)
    assert "lastcall ps -n 4" in run(capsys, "ps")[2]

    async def nothing(*_: Any) -> Any:
        return examples.ps().model_copy(update={"jobs": ()})

    monkeypatch.setattr(live.node, "ps", nothing)
    assert "lastcall ps --all" in run(capsys, "ps")[2]
    assert run(capsys, "ps", "--all")[2] == "No jobs.\n"


def test_the_result_is_shown_also_when_machines_can_not_be_listed(
    live: LiveGateway, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> Any:
        raise Refusal("E-BUSY")

    monkeypatch.setattr(live.node, "machines", away)
    code, out, _ = run(capsys, "wait", "@last")
    assert code == 0
    assert "confirmed · how many machines run is not known" in out


def test_versions_are_shown_without_a_daemon_and_when_they_do_not_fit(
    live: LiveGateway, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lastcall.cli.system.API", (2, 2))
    assert "same version" in run(capsys, "version")[2]
    live.close()
    code, out, err = run(capsys, "version")
    assert (code, out) == (0, "lastcall 0.1.0\n")
    assert "No daemon" in err
    assert json.loads(run(capsys, "version", "--json")[1])["api"] == [2, 2]


def test_programs_are_run_and_their_exit_code_is_ours(fake_programs: None, capsys: Capture) -> None:
    assert run(capsys, "daemon")[0] == 0
    assert run(capsys, "demo")[0] == 0


def test_safe_mode_and_parked_actors_are_on_the_status_screen(live: LiveGateway, capsys: Capture) -> None:
    actor = examples.status().actors[0].model_copy(update={"parked": True})
    live.node.status_now = examples.status(safe_mode="a second writer", actors=(actor,))
    _, out, _ = run(capsys, "status")
    assert "SAFE MODE, nothing is launched: a second writer" in out
    assert "Parked: dispatcher" in out


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_one_wrong_name_keeps_no_other_job_from_being_stopped(
    live: LiveGateway, capsys: Capture, flags: tuple[str, ...]
) -> None:
    status, out, err = run(capsys, "stop", "churn-7fa", "typo", "typo two", "@last", *flags)
    assert status == 5
    assert len([q for q in live.node.dispatcher.asked if isinstance(q, admin.StopJob)]) == 2
    assert len(out.splitlines()) == 2
    if not flags:
        assert out == "churn-7fa: Stopping 1 job.\n@last: Stopping 1 job.\n"
    assert "typo: " in err
    assert "typo two: " in err
    assert "Machines go on" not in err


def test_several_stops_end_with_the_highest_exit_code(live: LiveGateway, capsys: Capture) -> None:
    def refuse(_: Any) -> Any:
        raise Refusal("E-SAFEMODE")

    live.node.dispatcher.answers[admin.StopJob] = refuse
    assert run(capsys, "stop", "typo", "churn-7fa", "typo")[0] == max(ERRORS["E-SAFEMODE"].exit, 5)


def test_what_is_printed_to_be_copied_is_quoted_and_keeps_its_flags(
    live: LiveGateway, table: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = examples.ps().model_copy(update={"next": "7"})
    monkeypatch.setattr(live.node, "ps", lambda *_: _soon(page))
    doubled = 2 * len(page.jobs)
    assert f"lastcall ps --all -n {doubled}\n" in run(capsys, "ps", "--all", "-n", "2")[2]
    assert f"lastcall ps -n {doubled}\n" in run(capsys, "ps", "-n", "2")[2]
    table.rename("my; rm.csv")
    assert "lastcall train 'my; rm.csv' --target" in run(capsys, "data", "add", "my; rm.csv")[2]
    assert "lastcall data get 'my; rm.csv' -o OTHER.csv" in run(capsys, "data", "get", "my; rm.csv")[2]
    Path("my; rm.csv").write_text("is it,b\n1,2\n")
    typed = "--target 'is it' --model svm --max-cost '$2' --param 'kernel=rbf' --name 'a b'"
    _, _, err = run(capsys, "train", "my; rm.csv", *shlex.split(typed))
    assert "lastcall train 'my; rm.csv' --target 'is it' --model svm --max-cost '$2' --name 'a b'" in err


async def _soon(value: Any) -> Any:
    return value
