"""``models families``: works without a daemon, from the same table that trainings are checked against."""

from __future__ import annotations

import json
from typing import Any

import click

from containers.training.families import ALIASES, FAMILIES, Family, check_model
from containers.training.libraries import GPU_LIBRARY
from containers.training.parameters import Parameter, allowed
from containers.training.refusal import Refused
from lastcall.cli.app import App, leaf, pass_app
from lastcall.cli.failures import Failure
from lastcall.cli.text import table, wrap


def document() -> dict[str, Any]:
    """Return every family, as ``--json`` prints it."""
    return {"schema": "families/v1", "families": [f.json() for f in FAMILIES.values()], "aliases": dict(ALIASES)}


@leaf(
    "families",
    "lastcall models families",
    "lastcall models families random_forest",
    json_help="Print one JSON document.",
)
@click.argument("name", required=False)
@pass_app
def families(app: App, name: str | None, as_json: bool) -> int:
    """List the kinds of model, or show NAME with its parameters."""
    if as_json:
        app.screen.raw(json.dumps(document(), ensure_ascii=False).encode())
        return 0
    if name is None:
        _list(app)
        return 0
    try:
        check_model(name)
    except Refused as refusal:
        raise Failure(refusal.code, refusal.detail, money="") from None
    found = FAMILIES.get(ALIASES.get(name, name))
    if found is None:
        raise Failure("E-MODEL-UNKNOWN", f"{name} stands for whichever fits the data: name one of them", money="")
    _show(app, found)
    return 0


def _list(app: App) -> None:
    rows = [[f.name, " ".join(f.tasks), "yes" if f.uses_gpu else "", f.text] for f in FAMILIES.values()]
    head = ["NAME", "TASKS", "GPU", "WHAT IT IS"]
    for index, line in enumerate(table(head, rows, app.screen.columns, soft=("WHAT IT IS", "TASKS"))):
        app.screen.out(line, style="" if index else "bold")
    for alias, name in ALIASES.items():
        app.screen.say(f"{alias} is another name of {name}.")
    for line in wrap(_needed(), app.screen.message_columns):
        app.screen.say(line)
    app.screen.say("Parameters: lastcall models families NAME")


def _needed() -> str:
    """Return which families want more on this computer than others do."""
    more = [f.name for f in FAMILIES.values() if f.library and f.library != GPU_LIBRARY]
    only = [f.name for f in FAMILIES.values() if f.library == GPU_LIBRARY]
    own = f"On this computer {', '.join(more)} need libraries of their own: docs/errors/E-LIBRARY.md"
    return f"{own}; {', '.join(only)} needs the GPU image."


def _show(app: App, family: Family) -> None:
    app.screen.out(f"{family.name}: {family.text}; {' and '.join(family.tasks)}", style="bold")
    for line in wrap(family.note, app.screen.columns or app.screen.message_columns) if family.note else ():
        app.screen.out(line)
    rows = [[p.name, shown(p), range_words(p)] for p in family.parameters]
    for index, line in enumerate(table(["PARAMETER", "DEFAULT", "GIVE"], rows, app.screen.columns, soft=("GIVE",))):
        app.screen.out(line, style="" if index else "bold")


def shown(parameter: Parameter) -> str:
    """Return a parameter's default as it would be typed."""
    return parameter.default if isinstance(parameter.default, str) else json.dumps(parameter.default)


def range_words(parameter: Parameter) -> str:
    """Return what may be given, and what leaving it null means."""
    return f"{allowed(parameter)} ({parameter.null})" if parameter.optional else allowed(parameter)
