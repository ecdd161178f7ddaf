"""``predict``."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import click

from lastcall.cli.app import App, leaf, pass_app
from lastcall.cli.files import STDOUT, check_target, pour, save
from lastcall.cli.sending import SentFile
from lastcall.cli.text import clean, money, plural, quoted
from lastcall.cli.upload import send


@leaf(
    "predict",
    "lastcall predict churn-7fa new.csv",
    "lastcall predict @last new.csv -o answers.csv",
    "lastcall predict churn-7fa new.csv -o - | head",
)
@click.argument("model")
@click.argument("file", type=SentFile())
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Where the rows go; NAME.predictions.csv for NAME.csv unless said; - is stdout.",
)
@click.option("--column", default="prediction", show_default=True, help="Name of the new column.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@pass_app
def predict(app: App, model: str, file: Path, output: str | None, column: str, force: bool, as_json: bool) -> int:
    """Run the rows of FILE through MODEL (id, its beginning, name or @last)."""
    target = Path(output) if output else file.with_name(f"{file.stem}.predictions.csv")
    if output != STDOUT:
        check_target(target, force=force, again=f"lastcall predict {quoted(model)} {quoted(str(file))} -o OTHER.csv")
    made = send(app, "/v1/predictions", file, file.name, model=model, name=file.name, column=column)

    def write(handle: IO[bytes]) -> int:
        return app.client.download(f"/v1/predictions/{made.document['id']}/content", handle)

    if output == STDOUT and not as_json:
        pour(write)
        return 0
    if output != STDOUT:
        save(target, write)
    if as_json:
        app.screen.raw(made.raw)
        return 0
    cost = money(made.document["cost_usd"])
    app.screen.out(f"{plural(made.document['rows'], 'row')} predicted into {clean(str(target))} · cost {cost}")
    return 0
