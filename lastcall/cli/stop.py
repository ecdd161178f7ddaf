"""``stop``."""

from __future__ import annotations

import click

from lastcall.cli.app import App, leaf, pass_app
from lastcall.cli.client import Reply, segment
from lastcall.cli.failures import BrokenConnection, Failure, Usage
from lastcall.cli.text import clean, plural, quoted
from messages.errors import EXIT_TEMPORARY

CONFIRMATION = "stop all"
_UNKNOWN = "Machines go on under their own limits."
_UNSURE = "Whether it was stopped is not known."
_OTHERS = "What is named here may go on under its own limits; every other job named was dealt with as said."


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
    if everything:
        _show(app, app.client.post("/v1/stop", money=_UNKNOWN), as_json=as_json)
        return 0
    several = len(jobs) > 1
    failures = {job: failure for job in jobs if (failure := _one(app, job, several=several, as_json=as_json))}
    if failures:
        raise _together(failures, several=several)
    return 0


def _confirm(app: App) -> None:
    if not app.screen.in_tty:
        raise Usage("Stopping everything has to be confirmed", "lastcall stop --all --yes")
    typed = click.prompt(f"This ends every job and machine of yours. Type '{CONFIRMATION}'", err=True)
    if typed.strip() != CONFIRMATION:
        raise Usage("That was something else, so nothing was stopped", "lastcall stop --all --yes")


def _one(app: App, job: str, *, several: bool, as_json: bool) -> Failure | None:
    """Stop one job and say so; what went wrong is returned, so that it keeps no other job from being stopped."""
    try:
        reply = app.client.post(f"/v1/jobs/{segment(job)}/stop", money=_UNKNOWN)
    except Failure as failure:
        return failure
    except BrokenConnection:
        broken = Failure("E-BUSY", "The connection to Lastcall broke", money=_UNSURE, todo="Look: lastcall ps")
        broken.exit = EXIT_TEMPORARY
        return broken
    _show(app, reply, job, several=several, as_json=as_json)
    return None


def _together(failures: dict[str, Failure], *, several: bool) -> Failure:
    """Return the failure to end with: the highest exit code, and every job that was not stopped by its name."""
    worst = max(failures.values(), key=lambda failure: failure.exit)
    if several:
        worst.happened = "\n".join(f"{clean(job)}: {failure.happened}" for job, failure in failures.items())
        worst.money = _OTHERS
    return worst


def _show(app: App, reply: Reply, job: str = "", *, several: bool = False, as_json: bool) -> None:
    if as_json:
        app.screen.raw(reply.raw)
        return
    stopped = reply.document["stopped"]
    which = f"{clean(job)}: " if several else ""
    if not stopped:
        app.screen.out(f"{which}Nothing was running.")
        return
    app.screen.out(f"{which}Stopping {plural(len(stopped), 'job')}.")
    app.screen.say(f"Until the machine is confirmed gone: lastcall wait {quoted(job or stopped[0])}")
