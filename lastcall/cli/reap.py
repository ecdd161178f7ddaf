"""``reap``: works without a daemon, and loads what it needs of one only when it is called."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

import click

from lastcall.cli.app import App, leaf, pass_app
from lastcall.cli.text import clean, day_clock, plural


@leaf("reap", "lastcall reap --dry-run", "lastcall reap", json_help="Print one JSON document.")
@click.option("--dry-run", is_flag=True, help="Only say what would be ended.")
@pass_app
def reap(app: App, dry_run: bool, as_json: bool) -> int:
    """End every machine of this installation whose hard deadline has passed, and prove it.

    Needs no daemon and no journal: the state directory's install.json, the provider's key and the machines' names are
    enough. Run it on another computer, on a timer: docs/how-to/reap-timer.md. Exit 0: nothing that should be gone is
    left; 1: something is; 75: the provider did not say.
    """
    code, document = import_module("lastcall.reaping").main(dry_run=dry_run, state_dir=app.state_dir, config=app.config)
    if as_json:
        app.screen.raw(json.dumps(document, ensure_ascii=False).encode())
        return int(code)
    for line in reap_lines(document):
        app.screen.out(line)
    return int(code)


def reap_lines(document: dict[str, Any]) -> list[str]:
    """Return one line for each machine that should be gone, and one for the whole."""
    lines = [
        f"{clean(row['name'])} · {clean(row['detail'])} · should be gone since {day_clock(row['hard_deadline'])}"
        for row in document["machines"]
    ]
    said = f"{plural(document['left'], 'overdue machine')} left, {plural(document['running'], 'other')} running"
    if not document["complete"]:
        said += " · THE LISTING IS NOT COMPLETE: there may be more"
    return [*lines, said]
