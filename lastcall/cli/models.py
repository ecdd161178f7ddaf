"""``models``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lastcall.cli import cards
from lastcall.cli.app import App, Lazy, LazyGroup, leaf, pass_app
from lastcall.cli.client import segment
from lastcall.cli.failures import Failure
from lastcall.cli.files import check_digest, check_target, safe_name, safe_path, save
from lastcall.cli.text import clean, day_clock, plural, quoted, score, size, table, with_places, wrap

models = LazyGroup(
    "models",
    lazy={
        "ls": Lazy(__name__, "ls", "List models, newest first."),
        "show": Lazy(__name__, "show", "Show one model, its metrics and files."),
        "get": Lazy(__name__, "get", "Download a model's files."),
        "rm": Lazy(__name__, "rm", "Delete models and their files."),
        "import": Lazy("lastcall.cli.importing", "import_model", "Bring an older model.pkl over, in a sandbox."),
        "families": Lazy("lastcall.cli.families", "families", "List the kinds of model and their parameters."),
    },
    examples=("lastcall models ls", "lastcall models show @last", "lastcall models get churn-7fa -o churn/"),
    help="Trained models.",
    no_args_is_help=True,
)


@leaf("ls", "lastcall models ls")
@pass_app
def ls(app: App, as_json: bool) -> int:
    """List models, newest first."""
    found = app.client.get("/v1/models")
    if as_json:
        app.screen.raw(found.raw)
        return 0
    stored = found.document["models"]
    rows = [
        [
            m["name"],
            m["id"],
            m["model_type"],
            m["target"],
            _headline(m["metrics"]),
            size(m["size_bytes"]),
            day_clock(m["created"]),
        ]
        for m in stored
    ]
    if not rows:
        app.screen.say("No models yet: lastcall train FILE --target COLUMN")
        return 0
    head, rows = with_places(["NAME", "ID", "KIND", "TARGET", "SCORE", "SIZE", "CREATED"], rows, stored)
    for index, line in enumerate(
        table(head, rows, app.screen.columns, right=("SIZE",), soft=("CREATED", "SIZE", "KIND", "TARGET"))
    ):
        app.screen.out(line, style="" if index else "bold")
    return 0


def _headline(metrics: dict[str, Any]) -> str:
    headline = metrics.get("headline")
    if not isinstance(headline, dict):
        return "-"
    name = str(headline.get("name"))
    return f"{headline.get('label') or name} {score(name, headline.get('value'))}"


@leaf("show", "lastcall models show churn-7fa")
@click.argument("model")
@pass_app
def show(app: App, model: str, as_json: bool) -> int:
    """Show MODEL (id, its beginning, name or @last)."""
    found = app.client.get(f"/v1/models/{segment(model)}")
    if as_json:
        app.screen.raw(found.raw)
        return 0
    about, columns = found.document["model"], app.screen.columns or app.screen.message_columns
    app.screen.out(f"{clean(about['name'])} · {about['id']} · {day_clock(about['created'])}", style="bold")
    app.screen.out(f"{cards.model_words(about['model_type'])}, {clean(about['task'])}, target {clean(about['target'])}")
    for line in cards.metric_lines(about["metrics"], columns):
        app.screen.out(line)
    if about.get("imported"):
        app.screen.out(f"Imported: {imported_words(about['imported'])}")
    features = ", ".join(clean(name) for name in about["features"])
    for line in wrap(f"{plural(len(about['features']), 'feature')}: {features}", columns, "  "):
        app.screen.out(line)
    for file in found.document["files"]:
        app.screen.out(f"  {clean(file['name'])}  {size(file['size_bytes'])}")
    app.screen.say(f"Next: lastcall predict {quoted(about['name'])} FILE")
    return 0


def imported_words(imported: dict[str, Any]) -> str:
    """Return where an imported model came from."""
    first = imported["files"][0]
    return f"{clean(first['name'])} {clean(first['sha256'][:12])}…{cards.made_with(imported['made_with'])}"


@leaf("get", "lastcall models get churn-7fa", "lastcall models get @last model.skops -o churn/")
@click.argument("model")
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option("-o", "--output", metavar="DIR", help="Where the files go; a folder of the model's name when left out.")
@click.option("--force", is_flag=True, help="Write over files that are there.")
@pass_app
def get(app: App, model: str, files: tuple[str, ...], output: str | None, force: bool, as_json: bool) -> int:
    """Download the files of MODEL, each checked against its digest."""
    found = app.client.get(f"/v1/models/{segment(model)}")
    known = {file["name"]: file for file in found.document["files"]}
    for name in files:
        if name not in known:
            raise Failure("E-NOTFOUND", f"{name} is not among its files: {', '.join(known)}", money="")
    folder = Path(output) if output else Path(safe_name(found.document["model"]["name"]))
    chosen = [known[name] for name in files or known]
    targets = [(file, folder / safe_path(file["name"])) for file in chosen]
    words = [model, *files, *(("-o", output) if output else ()), "--force"]
    for _, target in targets:
        check_target(target, force=force, again=f"lastcall models get {' '.join(map(quoted, words))}")
    for file, target in targets:
        path = f"/v1/models/{segment(model)}/files/{segment(file['name'])}"
        save(target, lambda handle, path=path: app.client.download(path, handle))  # type: ignore[misc]
        check_digest(target, file["sha256"])
    if as_json:
        app.screen.raw(found.raw)
    else:
        app.screen.out(f"{plural(len(targets), 'file')} in {clean(str(folder))}")
    return 0


@leaf("rm", "lastcall models rm churn-7fa", json_help="Print the daemon's documents, one a line.")
@click.argument("names", nargs=-1, required=True, metavar="MODEL...")
@pass_app
def rm(app: App, names: tuple[str, ...], as_json: bool) -> int:
    """Delete models and their files."""
    for name in names:
        gone = app.client.delete(f"/v1/models/{segment(name)}")
        if as_json:
            app.screen.raw(gone.raw)
        else:
            app.screen.out(f"Deleted {clean(gone.document['name'])} ({gone.document['id']})")
    return 0
