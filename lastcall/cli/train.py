"""``train``: plan → confirm → follow → result."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from lastcall.cli import cards
from lastcall.cli.app import App, leaf, pass_app
from lastcall.cli.client import MOVED_BYTES_MAX, Reply, segment
from lastcall.cli.failures import BrokenConnection, Failure, NoDaemon, Usage
from lastcall.cli.follow import Follower
from lastcall.cli.jobs import outcome_exit, show_result
from lastcall.cli.orders import as_typed, check_header, order_of
from lastcall.cli.sending import is_file, refuse_other
from lastcall.cli.text import clean, money, quoted
from lastcall.cli.upload import send
from messages.errors import EXIT_SIGINT

_HASH_CHUNK = 1 << 20


@leaf(
    "train",
    "lastcall train data.csv --target churn",
    "lastcall train data.csv --target price --model ridge --max-cost 2 --max-runtime 1h",
    "lastcall train customers.csv --target churn -y --json > result.json",
    "lastcall train runpod://VOLUME/datasets/user_ID/customers.csv --target churn",
    json_help="Print exactly one document, the finished job.",
)
@click.argument("data", metavar="FILE|DATASET|ADDRESS")
@click.option("-t", "--target", required=True, help="Column to learn.")
@click.option("-m", "--model", metavar="KIND", help="Kind of model; the best is chosen when left out.")
@click.option("--features", metavar="A,B,C", help="Columns to learn from; all but the target when left out.")
@click.option("--task", type=click.Choice(["auto", "classification", "regression"]), help="What the target is.")
@click.option("--param", "parameters", metavar="KEY=VALUE", multiple=True, help="Parameter of the model; repeat it.")
@click.option("--test-share", type=click.FloatRange(0.05, 0.5), help="Part of the rows held out to judge it; 0.2.")
@click.option("--group", metavar="COLUMN", help="Keep rows of one group (a customer) on one side when holding out.")
@click.option("--time", metavar="COLUMN", help="Hold out the last rows by this column, as the future will be.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="What chance hangs on; 42 when left out.")
@click.option("--max-runtime", metavar="TIME", help="End it after 90s, 15m or 2h.")
@click.option("--max-cost", metavar="USD", help="Never spend more on this job.")
@click.option("--machine", metavar="TYPE", help="Machine type; the best is chosen when left out.")
@click.option("--name", help="What to call the job.")
@click.option("--logs", "with_logs", is_flag=True, help="Show the log while following.")
@click.option("--no-follow", is_flag=True, help="Start it and return.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@pass_app
def train(app: App, /, data: str, yes: bool, no_follow: bool, with_logs: bool, as_json: bool, **options: Any) -> int:
    """Train a model on a file, on a data set that is stored already, or on runpod:// and s3:// addresses."""
    if options["group"] is not None and options["time"] is not None:
        raise click.UsageError("--group and --time do not go together: rows are held out by one of them")
    order = order_of(options)
    sent = not is_address(data) and is_file(data)
    if sent:
        check_header(Path(data), order)
    if not yes and not app.screen.in_tty:
        if not sent and not is_address(data):
            with looked_for(data):
                app.client.get(f"/v1/datasets/{segment(data)}")
        line = f"lastcall train {quoted(data)} {as_typed(options)} --yes"
        raise Usage("Spending has to be confirmed, and there is no terminal to ask on", line)
    order["dataset"] = _dataset(app, data)
    with looked_for(data):
        plan = confirmed(app, order, yes=yes)
    if plan is None:
        return 0
    accepted = submit(app, order)
    if no_follow:
        return leave(app, accepted, as_json=as_json)
    return _follow(app, accepted.document, plan, with_logs=with_logs, as_json=as_json)


def confirmed(
    app: App, order: dict[str, Any], *, yes: bool, also: Callable[[dict[str, Any]], str] | None = None
) -> dict[str, Any] | None:
    """Show what an order would cost and return that plan once it is agreed to; ``None`` where it is not.

    ``also`` returns what else to know of the plan before anybody agrees, or nothing.
    """
    plan = app.client.post("/v1/jobs", order, dry_run=1).document
    for number, line in enumerate(cards.plan_card(plan, app.screen.message_columns)):
        app.screen.say(line, style="" if number else "bold")
    if also is not None and (more := also(plan)):
        app.screen.say(clean(more))
    if not yes and not click.confirm("Start?", default=False, err=True):
        app.screen.say("Nothing was started and nothing was spent.")
        return None
    return plan


def _dataset(app: App, data: str) -> str:
    """Return the data set to train on; a file is sent unless the very same bytes are there."""
    if is_address(data):
        return str(fetch(app, data, None).document["dataset"]["id"])
    if not is_file(data):
        return data
    path = Path(data)
    digest = _digest(path)
    for known in app.client.get("/v1/datasets").document["datasets"]:
        if known["sha256"] == digest:
            app.screen.say(f"{clean(path.name)} is known as {clean(known['name'])} ({known['id']}).")
            return str(known["id"])
    return str(upload(app, path, path.name).document["dataset"]["id"])


@contextmanager
def looked_for(data: str) -> Iterator[None]:
    """Say where ``data`` was looked for, when it is no file here and the daemon knows no data set of that name."""
    try:
        yield
    except Failure as failure:
        if failure.entry.code != "E-NOTFOUND" or is_address(data) or is_file(data):
            raise
        refuse_other(data)
        happened = f"There is no file {quoted(data)} here, and no data set of yours is called so"
        raise Failure("E-NOTFOUND", happened, todo="Check the path; lastcall data ls shows data sets") from failure


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_HASH_CHUNK):
            digest.update(piece)
    return digest.hexdigest()


def is_address(text: str) -> bool:
    """Tell whether ``text`` is the address of a file, not its path here; whether one that is taken, the daemon says."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text) is not None


def fetch(app: App, address: str, name: str | None) -> Reply:
    """Let the daemon make a data set of a file in the store, and return it."""
    app.screen.status(f"reading {address}")
    try:
        query: dict[str, Any] = {"from": address, "name": name}
        return app.client.post("/v1/datasets", moved_bytes=MOVED_BYTES_MAX, **query)
    finally:
        app.screen.done()


def upload(app: App, path: Path, name: str) -> Reply:
    """Send a file and return the data set it became."""
    return send(app, "/v1/datasets", path, name, name=name)


def submit(app: App, order: dict[str, Any]) -> Reply:
    """Order a training that was agreed to."""
    try:
        return app.client.post("/v1/jobs", order)
    except (BrokenConnection, KeyboardInterrupt) as error:
        failure = Failure(
            "E-BUSY",
            "The answer did not arrive",
            money="Whether the job started is not known.",
            todo="Look before trying again: lastcall ps",
        )
        if isinstance(error, KeyboardInterrupt):
            failure.exit = EXIT_SIGINT
        raise failure from error


def leave(app: App, accepted: Reply, *, as_json: bool) -> int:
    """Say that a job is on its way, and return at once."""
    name, typed = clean(accepted.document["name"]), quoted(accepted.document["name"])
    if as_json:
        app.screen.raw(accepted.raw)
    else:
        app.screen.out(f"{name} is on its way.")
    app.screen.say(f"Follow it: lastcall logs -f {typed}      Wait for it: lastcall wait {typed}")
    return 0


def _follow(app: App, accepted: dict[str, Any], plan: dict[str, Any], *, with_logs: bool, as_json: bool) -> int:
    closed = followed(app, accepted, with_logs=with_logs, as_json=as_json)
    if closed is None:
        return EXIT_SIGINT
    if as_json:
        app.screen.raw(closed.raw)
    else:
        show_result(app, closed.document, _expected(plan))
    return outcome_exit(closed.document)


def followed(app: App, accepted: dict[str, Any], *, with_logs: bool, as_json: bool) -> Reply | None:
    """Show a job's progress and return how it ended; ``None`` where the user left it to itself."""
    name, typed = clean(accepted["name"]), quoted(accepted["name"])
    quiet = as_json and not app.screen.err_tty
    follower = Follower(app, accepted["job_id"], accepted["name"], logs=with_logs and not quiet, quiet=quiet)
    try:
        return follower.run()
    except KeyboardInterrupt:
        app.screen.say()
        app.screen.say(f"{name} keeps running.")
        app.screen.say(f"Follow it: lastcall logs -f {typed}      End it: lastcall stop {typed}")
        return None
    except NoDaemon as away:
        away.todo = f"Start it again: lastcall daemon      Then: lastcall wait {typed}"
        raise


def _expected(plan: dict[str, Any]) -> str:
    estimate = plan["plan"]["estimate"]
    low, high = money(estimate["cost_usd_low"]), money(estimate["cost_usd_high"])
    return low if low == high else f"{low}–{high}"
