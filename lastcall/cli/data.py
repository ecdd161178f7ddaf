"""``data``."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import click

from lastcall.cli.app import App, Lazy, LazyGroup, leaf, pass_app
from lastcall.cli.client import segment
from lastcall.cli.files import STDOUT, check_target, pour, safe_name, save
from lastcall.cli.sending import check_file
from lastcall.cli.text import clean, count, day_clock, plural, quoted, size, table, with_places
from lastcall.cli.train import fetch, is_address, upload

data = LazyGroup(
    "data",
    lazy={
        "add": Lazy(__name__, "add", "Store a file as a data set."),
        "ls": Lazy(__name__, "ls", "List data sets, newest first."),
        "get": Lazy(__name__, "get", "Download a data set."),
        "rm": Lazy(__name__, "rm", "Delete data sets."),
        "prune": Lazy(__name__, "prune", "Delete what the settings no longer keep; never data sets or models."),
    },
    examples=("lastcall data add customers.csv", "lastcall data ls", "lastcall data rm customers.csv"),
    help="Data sets.",
    no_args_is_help=True,
)


def _source(context: click.Context, parameter: click.Parameter, text: str) -> Any:  # noqa: ARG001  # click's signature
    """Return an address as it is, anything else as a file that can be sent."""
    return text if is_address(text) else check_file(text)


@leaf(
    "add",
    "lastcall data add customers.csv",
    "lastcall data add export.csv --name customers",
    "lastcall data add runpod://VOLUME/datasets/user_ID/customers.csv",
)
@click.argument("source", callback=_source, metavar="FILE|ADDRESS")
@click.option("--name", help="What to call it; the file's name when left out.")
@pass_app
def add(app: App, source: Path | str, name: str | None, as_json: bool) -> int:
    """Store a file as a data set, looked at before it is kept.

    A file that lies on the provider's volume already is named by its address, runpod://VOLUME/PATH or s3://VOLUME/PATH,
    and copied there; only your own folder can be named.
    """
    added = fetch(app, source, name) if isinstance(source, str) else upload(app, source, name or source.name)
    if as_json:
        app.screen.raw(added.raw)
        return 0
    found = added.document["dataset"]
    shape = f"{plural(found['rows'], 'row')}, {plural(len(found['columns']), 'column')}, {size(found['size_bytes'])}"
    app.screen.out(f"{clean(found['name'])} · {found['id']} · {shape}")
    for column in found["columns"]:
        missing = f", {count(column['missing'])} missing" if column["missing"] else ""
        example = f", such as {clean(column['example'])}" if column["example"] else ""
        app.screen.out(f"  {clean(column['name'])}: {column['kind']}{missing}{example}")
    app.screen.say(f"Next: lastcall train {quoted(found['name'])} --target COLUMN")
    return 0


@leaf("ls", "lastcall data ls")
@pass_app
def ls(app: App, as_json: bool) -> int:
    """List data sets, newest first."""
    found = app.client.get("/v1/datasets")
    if as_json:
        app.screen.raw(found.raw)
        return 0
    datasets = found.document["datasets"]
    rows = [
        [d["name"], d["id"], count(d["rows"]), str(len(d["columns"])), size(d["size_bytes"]), day_clock(d["added"])]
        for d in datasets
    ]
    if not rows:
        app.screen.say("No data sets yet: lastcall data add FILE")
        return 0
    head, rows = with_places(["NAME", "ID", "ROWS", "COLUMNS", "SIZE", "ADDED"], rows, datasets)
    for index, line in enumerate(
        table(head, rows, app.screen.columns, right=("ROWS", "COLUMNS", "SIZE"), soft=("ADDED", "COLUMNS"))
    ):
        app.screen.out(line, style="" if index else "bold")
    return 0


@leaf("get", "lastcall data get customers.csv", "lastcall data get customers.csv -o - | head")
@click.argument("name")
@click.option("-o", "--output", metavar="FILE", help="Where it goes; its own name here when left out, - is stdout.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@pass_app
def get(app: App, name: str, output: str | None, force: bool, as_json: bool) -> int:
    """Download the data set NAME (id, its beginning or name)."""
    found = app.client.get(f"/v1/datasets/{segment(name)}")
    target = Path(output or safe_name(found.document["dataset"]["name"]))
    path = f"/v1/datasets/{segment(found.document['dataset']['id'])}/content"

    def write(handle: IO[bytes]) -> int:
        return app.client.download(path, handle)

    if output == STDOUT and not as_json:
        pour(write)
        return 0
    if output != STDOUT:
        check_target(target, force=force, again=f"lastcall data get {quoted(name)} -o OTHER.csv")
        save(target, write)
    if as_json:
        app.screen.raw(found.raw)
    else:
        app.screen.out(f"{clean(str(target))} · {size(found.document['dataset']['size_bytes'])}")
    return 0


@leaf("rm", "lastcall data rm customers.csv", json_help="Print the daemon's documents, one a line.")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@pass_app
def rm(app: App, names: tuple[str, ...], as_json: bool) -> int:
    """Delete data sets; one that an open job uses is kept."""
    for name in names:
        gone = app.client.delete(f"/v1/datasets/{segment(name)}")
        if as_json:
            app.screen.raw(gone.raw)
        else:
            app.screen.out(f"Deleted {clean(gone.document['name'])} ({gone.document['id']})")
    return 0


_KINDS = {
    "job_folders": ("job folder", "of jobs that are over"),
    "logs": ("log", "of jobs that are over"),
    "environments": ("environment", "that no job used"),
    "bundles": ("job bundle", "of older versions"),
    "leftovers": ("leftover", "of uploads and removals"),
}


@leaf("prune", "lastcall data prune --dry-run", "lastcall data prune")
@click.option("--dry-run", is_flag=True, help="Only count what would go.")
@pass_app
def prune(app: App, dry_run: bool, as_json: bool) -> int:
    """Delete what retention.* no longer keeps: folders and logs of jobs that are over, environments, old bundles.

    Data sets and models stay until they are removed, and nothing of an open job is touched. Lastcall does the same by
    itself once a day.
    """
    found = app.client.post("/v1/prune", money="Nothing was spent.", dry_run=1 if dry_run else None)
    if as_json:
        app.screen.raw(found.raw)
        return 0
    for line in prune_lines(found.document):
        app.screen.out(line)
    return 0


def prune_lines(document: dict[str, Any]) -> list[str]:
    """Return what was deleted, or would be, one line a kind."""
    did = "Would delete" if document["dry_run"] else "Deleted"
    lines = []
    for key, (one, which) in _KINDS.items():
        kind = document[key]
        if kind["things"]:
            bytes_ = f", {size(kind['size_bytes'])}" if kind["size_bytes"] else ""
            lines.append(f"{did} {plural(kind['things'], one)} {which}{bytes_}")
    lines = lines or ["Nothing is older than the settings keep."]
    if document["kept_in_use"]:
        kept = document["kept_in_use"]
        lines.append(f"{plural(kept, 'environment or bundle', 'environments or bundles')} kept: a job is open")
    if not document["complete"]:
        lines.append("There is more: once again goes on.")
    return lines
