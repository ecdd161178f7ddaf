"""``ps`` and ``wait``."""

from __future__ import annotations

import time
from typing import Any

import click

from lastcall.cli import text
from lastcall.cli.app import App, leaf, pass_app
from lastcall.cli.client import Reply, segment
from lastcall.cli.failures import Failure
from lastcall.cli.text import clean, cut, money, quoted, span, table
from messages.errors import EXIT_FAILED, EXIT_TIMEOUT, OUTCOME_EXIT

COUNT_MAX = 1000
"""Most jobs of one listing; the daemon gives no more at once."""
WATCH_S = 2.0
"""Between two looks of ``ps --watch``."""
WAIT_CALL_S = 60.0
"""Longest single question of ``wait``; it asks again until its own time is over."""


@leaf("ps", "lastcall ps", "lastcall ps --all -n 200", "lastcall ps --watch", "lastcall ps --json | jq '.jobs[].name'")
@click.option("-a", "--all", "everything", is_flag=True, help="Also jobs that are over.")
@click.option("-w", "--watch", is_flag=True, help="Look again every two seconds, until Ctrl-C.")
@click.option("-n", "count", type=click.IntRange(1, COUNT_MAX), default=50, show_default=True, help="At most so many.")
@pass_app
def ps(app: App, everything: bool, watch: bool, count: int, as_json: bool) -> int:
    """List jobs, newest first."""
    while True:
        page = app.client.get("/v1/jobs", limit=count, all=1 if everything else None)
        if watch and app.screen.out_tty and not as_json:
            app.screen.clear()
        if as_json:
            app.screen.raw(page.raw)
        else:
            show_jobs(app, page.document, everything=everything)
        if not watch:
            return 0
        time.sleep(WATCH_S)


def show_jobs(app: App, document: dict[str, Any], *, everything: bool) -> None:
    """Write a page of jobs as a table."""
    jobs = document["jobs"]
    if not jobs:
        more = "" if everything else "  Also those that are over: lastcall ps --all"
        app.screen.say(f"No jobs.{more}")
        return
    head = ["NAME", "STATE", "DONE", "MODEL", "TARGET", "MACHINE", "TIME", "COST"]
    rows = [
        [
            job["name"],
            job["outcome"] or job["state"],
            "" if job["percent"] is None or job["outcome"] else f"{job['percent']:.0f} %",
            job["model_type"],
            job["target"],
            job["machine_type"] or "-",
            span(job["runtime_s"]),
            money(job["cost_usd"]),
        ]
        for job in jobs
    ]
    soft = ("MACHINE", "MODEL", "TARGET", "DONE")
    first, *lines = table(head, rows, app.screen.columns, right=("DONE", "TIME", "COST"), soft=soft)
    app.screen.out(first, style="bold")
    for job, line in zip(jobs, lines, strict=True):
        app.screen.out(line)
        why = clean(job["why"] or job["code"] or "")
        for words in (text.use(job), why):
            if words:
                shown = words if app.screen.columns is None else cut(words, app.screen.columns - 2)
                app.screen.out(f"  {shown}", style="dim")
    if document["next"]:
        flags = "--all " if everything else ""
        app.screen.say(f"There are more: lastcall ps {flags}-n {min(COUNT_MAX, 2 * len(jobs))}")


@leaf("wait", "lastcall wait churn-7fa && echo trained", "lastcall wait @last --timeout 30m")
@click.argument("job")
@click.option("--timeout", "timeout", metavar="TIME", help="Give up after 90s, 15m or 2h (exit 8); the job goes on.")
@pass_app
def wait(app: App, job: str, timeout: str | None, as_json: bool) -> int:
    """Wait until JOB (id, its beginning, name or @last) is over. The exit code is the job's outcome."""
    until = None if timeout is None else time.monotonic() + span_option("--timeout", timeout)
    closed = _closed(app, job, until)
    if as_json:
        app.screen.raw(closed.raw)
    else:
        show_result(app, closed.document)
    return outcome_exit(closed.document)


def _closed(app: App, job: str, until: float | None) -> Reply:
    while True:
        left = WAIT_CALL_S if until is None else max(0.0, min(WAIT_CALL_S, until - time.monotonic()))
        try:
            return app.client.get(f"/v1/jobs/{segment(job)}/wait", timeout_s=f"{left:.3f}")
        except Failure as failure:
            if failure.exit != EXIT_TIMEOUT:
                raise
            if until is not None and time.monotonic() >= until:
                failure.money = "It goes on under its own limits."
                failure.todo = f"Wait longer: lastcall wait {quoted(job)}"
                raise


def show_result(app: App, document: dict[str, Any], expected: str = "") -> None:
    """Write how a job ended, with a listing of machines begun after its proof."""
    from lastcall.cli import cards

    try:
        machines = app.client.get("/v1/machines").document
    except Failure:
        machines = None
    lines = cards.result_card(document, machines, app.screen.columns or app.screen.message_columns, expected)
    for number, line in enumerate(lines):
        good = document["job"]["outcome"] == "succeeded"
        app.screen.out(line, style=("green" if good else "red") if number == 0 else "")


def outcome_exit(document: dict[str, Any]) -> int:
    """Return the exit code that a closed job means."""
    return OUTCOME_EXIT.get(document["job"]["outcome"], EXIT_FAILED)


def span_option(name: str, value: str) -> int:
    """Return the seconds an option names."""
    try:
        return text.parse_span(value)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=name) from error
