"""``models import``."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from lastcall.cli import cards
from lastcall.cli.app import App, leaf, pass_app
from lastcall.cli.client import Reply
from lastcall.cli.failures import Usage
from lastcall.cli.sending import SentFile
from lastcall.cli.text import clean, plural, quoted, size, wrap
from lastcall.cli.upload import send

PREPROCESSOR = "preprocessor.pkl"
WARNING = (
    "A pickle is a program that somebody else wrote: whoever loads it runs it. Import one only if you know where it "
    "comes from. It has been read, not loaded; it is loaded once, in a process that reaches no network and no file of "
    "yours, and is never kept."
)
NAMES_SHOWN_MAX = 40
_FILE = SentFile()


@leaf(
    "import",
    "lastcall models import model.pkl --preprocessor preprocessor.pkl --metadata metadata.json",
    "lastcall models import model.pkl --sample rows.csv --name churn-old",
    "lastcall models import model.pkl --name churn-old --confirm churn-old --json",
)
@click.argument("model", type=_FILE, metavar="MODEL.pkl")
@click.option("--preprocessor", type=_FILE, metavar="FILE", help="The pickle of what prepared its columns.")
@click.option("--metadata", type=_FILE, metavar="FILE", help="The metadata.json beside it: columns, target, metrics.")
@click.option("--sample", type=_FILE, metavar="FILE", help="Rows to compare old and new on; made up when left out.")
@click.option("--name", help="What to call it; its target and the beginning of its digest when left out.")
@click.option("--confirm", metavar="TEXT", help="Its name or the first 8 characters of its SHA-256, for scripts.")
@pass_app
def import_model(
    app: App,
    model: Path,
    preprocessor: Path | None,
    metadata: Path | None,
    sample: Path | None,
    name: str | None,
    confirm: str | None,
    as_json: bool,
) -> int:
    """Bring a model over that an older product left as a pickle. Nothing is rented, nothing is spent.

    It is read without being loaded, shown, and loaded in a sandbox once you typed its name. What is kept is a model
    like any other, which answers bit for bit as the old one did.
    """
    members = {"model.pkl": model, PREPROCESSOR: preprocessor, "metadata.json": metadata, "sample": sample}
    with _packed({key: path for key, path in members.items() if path}) as package:
        look = _sent(app, package, name=name).document["look"]
        for line in look_lines(look, app.screen.message_columns):
            app.screen.say(line)
        if preprocessor is None and model.with_name(PREPROCESSOR).is_file():
            app.screen.say(
                f"Beside it lies {PREPROCESSOR}: without --preprocessor the model reads columns as they are."
            )
        typed = confirm if confirm is not None else _typed(app, look, members)
        made = _sent(app, package, name=look["name"], confirm=typed, sha256=look["sha256"])
    if as_json:
        app.screen.raw(made.raw)
        return 0
    about = made.document["model"]
    app.screen.out(f"{clean(about['name'])} · {about['id']}", style="bold")
    app.screen.out(f"{cards.model_words(about['model_type'])}, {clean(about['task'])}, target {clean(about['target'])}")
    app.screen.out(f"Answers as the original did on {plural(about['imported']['rows'], 'row')}, bit for bit.")
    app.screen.say(f"Next: lastcall predict {quoted(about['name'])} FILE")
    return 0


@contextmanager
def _packed(files: Mapping[str, Path]) -> Iterator[Path]:
    """Give the files as one archive, each as it is."""
    with tempfile.TemporaryDirectory(prefix="lastcall-") as folder:
        package = Path(folder) / "package.zip"
        with zipfile.ZipFile(package, "w", zipfile.ZIP_STORED) as archive:
            for name, path in files.items():
                archive.write(path, name)
        yield package


def _sent(app: App, package: Path, **query: str | None) -> Reply:
    return send(app, "/v1/imports", package, "", **query)


def _typed(app: App, look: dict[str, Any], members: Mapping[str, Path | None]) -> str:
    """Return what the user typed. Raises Usage where there is no terminal to ask on."""
    name, digits = look["confirm"]
    if not app.screen.in_tty:
        words = [f"--{key.partition('.')[0]} {quoted(str(path))}" for key, path in members.items() if path][1:]
        line = " ".join(["lastcall models import", quoted(str(members["model.pkl"])), *words])
        raise Usage(
            "Loading a pickle has to be confirmed, and there is no terminal to ask on",
            f"{line} --name {quoted(name)} --confirm {quoted(digits)}",
        )
    return str(click.prompt(f"To have it loaded, type '{clean(name)}' or '{clean(digits)}'", err=True)).strip()


def look_lines(look: dict[str, Any], columns: int) -> list[str]:
    """Return what is shown before the question: the files, what the pickles would import, and what a pickle is."""
    lines = [f"{clean(file['name'])} · {size(file['size_bytes'])} · SHA-256 {file['sha256']}" for file in look["files"]]
    what = ", ".join(map(clean, look["estimators"])) or "no estimator that is known"
    lines += wrap(f"It holds {what}{cards.made_with(look['made_with'])}. It would import:", columns)
    names = [clean(name) for name in look["names"]]
    more = f" and {len(names) - NAMES_SHOWN_MAX} more" if len(names) > NAMES_SHOWN_MAX else ""
    lines += wrap(", ".join(names[:NAMES_SHOWN_MAX]) + more, columns, "  ")
    return lines + wrap(WARNING, columns)
