"""``config``: works without a daemon, and is the one place of the command line that loads the whole configuration."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from lastcall.cli.app import App, Lazy, LazyGroup, leaf, pass_app
from lastcall.cli.text import table

config = LazyGroup(
    "config",
    lazy={
        "show": Lazy(__name__, "show", "Show every setting."),
        "check": Lazy(__name__, "check", "Check the configuration without starting anything."),
    },
    examples=("lastcall config show --origin", "lastcall config check"),
    help="The configuration and where it comes from.",
    no_args_is_help=True,
)


def _load(app: App) -> Any:
    from lastcall.config.load import load

    flags = {key: value for key, value in (("host", app.host), ("state_dir", app.state_dir)) if value}
    return load(os.environ, Path.cwd(), flags=flags, config=app.config)


def _document(loaded: Any) -> bytes:
    document = {
        "schema": "config/v1",
        "settings": loaded.shown(),
        "files": [str(path) for path in loaded.files],
        "warnings": list(loaded.warnings),
    }
    return json.dumps(document, ensure_ascii=False).encode()


@leaf("show", "lastcall config show", "lastcall config show --origin", json_help="Print one JSON document.")
@click.option("--origin", is_flag=True, help="Also show where each value comes from.")
@pass_app
def show(app: App, origin: bool, as_json: bool) -> int:
    """Show every setting; secrets show as stars."""
    loaded = _load(app)
    if as_json:
        app.screen.raw(_document(loaded))
        return 0
    head = ["SETTING", "VALUE", *(["FROM"] if origin else [])]
    rows = [
        [key, "-" if found["value"] is None else found["value"], *([found["origin"]] if origin else [])]
        for key, found in loaded.shown().items()
    ]
    for number, line in enumerate(table(head, rows, app.screen.columns)):
        app.screen.out(line, style="" if number else "bold")
    return 0


@leaf("check", "lastcall config check", json_help="Print one JSON document.")
@pass_app
def check(app: App, as_json: bool) -> int:
    """Check the configuration; one line for each problem and exit 78 when there is one."""
    loaded = _load(app)
    if as_json:
        app.screen.raw(_document(loaded))
        return 0
    for warning in loaded.warnings:
        app.screen.say(f"Warning: {warning}", style="yellow")
    names = ", ".join(str(path) for path in loaded.files) or "no file, defaults and environment only"
    app.screen.out(f"The configuration is valid ({names}).")
    return 0
