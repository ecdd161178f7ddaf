"""``stop``."""

from __future__ import annotations

import click

from lastcall.cli.app import App, leaf, pass_app
from lastcall.cli.client import Client, Reply, segment
from lastcall.cli.failures import Failure, Usage
from lastcall.cli.text import clean, plural

CONFIRMATION = "stop all"
_UNKNOWN = "Machines go on under their own limits."


@leaf(
    "stop",
    "lastcall stop churn-7fa",
    "lastcall stop @last price-2ab",
    "lastcall stop --all",
    json_help="Print the daemon's documents, one a line.",
)
@click.argument("jobs", nargs=-1, metavar="JOB...")
@click.option("--all", "everything", is_flag=True, help="Every job of yours; asks you to type it out.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@pass_app
def stop(app: App, jobs: tuple[str, ...], everything: bool, yes: bool, as_json: bool) -> int:
    """End jobs, whatever they are doing, and their machines."""
    if everything == bool(jobs):
        raise Usage("Name the jobs to stop, or say --all", "lastcall stop JOB      or: lastcall stop --all")
    if everything and not yes:
        _confirm(app)
    replies, failures = ([_all(app.client)], []) if everything else _each(app.client, jobs)
    for reply in replies:
        if as_json:
            app.screen.raw(reply.raw)
    if replies and not as_json:
        _show(app, replies, jobs)
    if failures:
        raise failures[0]
    return 0


def _each(client: Client, jobs: tuple[str, ...]) -> tuple[list[Reply], list[Failure]]:
    """Stop every job named; one that cannot be stopped keeps no other from it."""
    replies: list[Reply] = []
    failures: list[Failure] = []
    for job in jobs:
        try:
            replies.append(_one(client, job))
        except Failure as failure:
            failures.append(failure)
    if replies:
        for failed in failures:
            failed.money = "The other jobs named are being stopped."
    return replies, failures


def _confirm(app: App) -> None:
    if not app.screen.in_tty:
        raise Usage("Stopping everything has to be confirmed", "lastcall stop --all --yes")
    typed = click.prompt(f"This ends every job and machine of yours. Type '{CONFIRMATION}'", err=True)
    if typed.strip() != CONFIRMATION:
        raise Usage("That was something else, so nothing was stopped", "lastcall stop --all --yes")


def _one(client: Client, job: str) -> Reply:
    return client.post(f"/v1/jobs/{segment(job)}/stop", money=_UNKNOWN)


def _all(client: Client) -> Reply:
    return client.post("/v1/stop", money=_UNKNOWN)


def _show(app: App, replies: list[Reply], jobs: tuple[str, ...]) -> None:
    stopped = [job for reply in replies for job in reply.document["stopped"]]
    if not stopped:
        app.screen.out("Nothing was running.")
        return
    app.screen.out(f"Stopping {plural(len(stopped), 'job')}.")
    name = clean(jobs[0]) if len(jobs) == 1 else stopped[0]
    app.screen.say(f"Until the machine is confirmed gone: lastcall wait {name}")
