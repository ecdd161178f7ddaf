"""``logs`` and ``events``: streams that go on where they broke off."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import click

from lastcall.cli.app import App, leaf, pass_app
from lastcall.cli.client import Client, segment
from lastcall.cli.failures import BrokenConnection, NoDaemon
from lastcall.cli.text import clock

PATIENCE_S = 60.0
"""How long a stream that broke is tried again before giving up: a daemon that restarts is back sooner."""
RETRY_S = 0.5

Position = Callable[[dict[str, Any]], str]


@leaf(
    "logs",
    "lastcall logs churn-7fa",
    "lastcall logs -f @last",
    "lastcall logs churn-7fa --json | jq -r .text",
    "lastcall logs --console -f churn-7fa",
    json_help="Print one JSON document a line.",
)
@click.argument("job")
@click.option("-f", "--follow", is_flag=True, help="Go on until the job is over.")
@click.option("--console", is_flag=True, help="Its machine's console instead, as the provider keeps it.")
@pass_app
def logs(app: App, job: str, follow: bool, console: bool, as_json: bool) -> int:
    """Show the log of JOB (id, its beginning, name or @last).

    With --console it is what the provider kept of the machine's console: image pulls, crash loops, what goes wrong
    before there is a log. A provider may drop it with the machine.
    """
    if console:
        return _console(app, job, follow=follow, as_json=as_json)
    for raw in log_lines(app.client, job, follow=follow):
        if as_json:
            app.screen.raw(raw)
        else:
            app.screen.data(json.loads(raw)["text"])
    return 0


@leaf("events", "lastcall events", "lastcall events -f --json", json_help="Print one JSON document a line.")
@click.option("-f", "--follow", is_flag=True, help="Go on until Ctrl-C.")
@click.option("--after", type=click.IntRange(0), default=0, help="Only what came after this position.")
@pass_app
def events(app: App, follow: bool, after: int, as_json: bool) -> int:
    """Show who did what, and what happened to each job."""
    source = resumed(
        app.client,
        "/v1/events",
        {"follow": 1 if follow else None},
        position=lambda line: str(line["position"]),
        after=str(after),
    )
    for raw in source:
        if as_json:
            app.screen.raw(raw)
            continue
        line = json.loads(raw)
        body = " ".join(f"{key}={_short(value)}" for key, value in line["body"].items() if value not in (None, "", []))
        app.screen.data(
            f"{line['position']:>6}  {clock(line['at'])}  {line['stream']}  {line['kind']}  {body}".rstrip()
        )
    return 0


def _console(app: App, job: str, *, follow: bool, as_json: bool) -> int:
    """Show a machine's console; pieces need not end with their line."""
    path = f"/v1/jobs/{segment(job)}/console"
    query = {"follow": 1 if follow else None}
    rest, told = "", False
    for raw in resumed(app.client, path, query, position=lambda piece: str(piece["position"]), after=None):
        told = True
        if as_json:
            app.screen.raw(raw)
            continue
        *whole, rest = (rest + json.loads(raw)["text"]).split("\n")
        if len(rest) > _LINE_CHARS_MAX:
            whole, rest = [*whole, rest], ""
        for line in whole:
            app.screen.data(line.removesuffix("\r"))
    if rest:
        app.screen.data(rest)
    if not told:
        app.screen.say("Nothing is on its console yet.")
    return 0


_LINE_CHARS_MAX = 1 << 16
"""Of a console's line before it is shown in parts."""
_VALUE_CHARS = 60


def _short(value: Any) -> str:
    words = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return words if len(words) <= _VALUE_CHARS else words[: _VALUE_CHARS - 1] + "…"


def log_lines(client: Client, job: str, *, follow: bool) -> Iterator[bytes]:
    """Return a job's log lines as the daemon sent them."""
    return resumed(
        client,
        f"/v1/jobs/{segment(job)}/logs",
        {"follow": 1 if follow else None},
        position=lambda line: f"{line['file']}:{line['line']}",
        after=None,
    )


def resumed(
    client: Client, path: str, query: dict[str, Any], *, position: Position, after: str | None
) -> Iterator[bytes]:
    """Return the lines of a stream; one that breaks is taken up after its last line, none twice and none lost."""
    begun = False
    while True:
        try:
            for raw in _patient(client, path, {**query, "after": after}, begun=begun):
                begun = True
                after = position(json.loads(raw))
                yield raw
        except BrokenConnection:
            begun = True
            continue
        return


def _patient(client: Client, path: str, query: dict[str, Any], *, begun: bool) -> Iterator[bytes]:
    """Open the stream; once it has been open, a daemon that is away is waited for."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            yield from client.lines(path, **query)
        except NoDaemon:
            if not begun or time.monotonic() > until:
                raise
            time.sleep(RETRY_S)
            continue
        return
