"""``cost``, and the provider's bill beside it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import click

from lastcall.cli.app import App, leaf, pass_app
from lastcall.cli.failures import Usage
from lastcall.cli.text import clean, money, size, table, wrap

GIGABYTE = 1 << 30
"""Bytes, as clouds rent volumes."""


@leaf("cost", "lastcall cost", "lastcall cost --by model", "lastcall cost --billed", "lastcall cost --json")
@click.option(
    "--by",
    type=click.Choice(["day", "user", "model", "provider", "job"]),
    default="day",
    show_default=True,
    help="What to group by.",
)
@click.option("--billed", is_flag=True, help="Ask the provider what it billed, where that costs, and compare.")
@click.option("--since", metavar="DAY", help="With --billed: the first day; the month's first when left out.")
@click.option("--until", metavar="DAY", help="With --billed: the day after the last; today when left out.")
@click.option("-y", "--yes", is_flag=True, help="With --billed: do not ask.")
@pass_app
def cost(app: App, /, by: str, billed: bool, since: str | None, until: str | None, yes: bool, as_json: bool) -> int:
    """Show what was spent, what runs up now, and what the budgets have left.

    With --billed the provider's own bill stands beside the books. AWS asks money for showing it, so it is only asked
    then, after its price was said.
    """
    if billed:
        return _billed(app, {"since": since, "until": until}, yes=yes, as_json=as_json)
    if since or until or yes:
        raise Usage("--since, --until and --yes go with --billed", "lastcall cost --billed --since 2026-11-01")
    report = app.client.get("/v1/costs", by=by)
    if as_json:
        app.screen.raw(report.raw)
        return 0
    document = report.document
    rows = [[row["key"], str(row["jobs"]), money(row["cost_usd"])] for row in document["rows"]]
    if rows:
        for number, line in enumerate(
            table([by.upper(), "JOBS", "COST"], rows, app.screen.columns, right=("JOBS", "COST"))
        ):
            app.screen.out(line, style="" if number else "bold")
    app.screen.out(
        f"Total {money(document['total_usd'])} · running now {money(document['running_usd'])}"
        f" · held {money(document['reserved_usd'])}"
    )
    for line in (*bill_lines(document), *stored_lines(document)):
        app.screen.out(line)
    for budget in document["budgets"]:
        line = f"Budget {clean(budget['name'])}: {money(budget['left_usd'])} left of {money(budget['limit_usd'])}"
        app.screen.out(f"{line} · {clean(budget['warning'])}" if budget["warning"] else line)
    return 0


def _billed(app: App, days: dict[str, str | None], *, yes: bool, as_json: bool) -> int:
    """Say what asking costs, ask whether to, and show the answer beside the books."""
    if not yes and not app.screen.in_tty:
        raise Usage("Asking for the bill costs and has to be confirmed", "lastcall cost --billed --yes")
    price = app.client.get("/v1/costs/billed", **days).document
    app.screen.say(price_line(price))
    if not yes and not click.confirm("Ask?", default=False, err=True):
        app.screen.say("Nothing was asked and nothing was spent.")
        return 0
    span = {"since": price["since"], "until": price["until"]}
    found = app.client.post("/v1/costs/billed", money=f"At most {money(price['most_usd'])} was spent.", **span)
    if as_json:
        app.screen.raw(found.raw)
        return 0
    for number, line in enumerate(billed_lines(found.document, app.screen.columns)):
        app.screen.out(line, style="" if number else "bold")
    return 0


def price_line(price: dict[str, Any]) -> str:
    """Say what a look at the bill costs."""
    return (
        f"Asking {clean(price['provider'])} what it billed from {clean(price['since'])} until before"
        f" {clean(price['until'])} costs {money(price['question_usd'])} a page, {money(price['most_usd'])} at most;"
        " it is booked to you."
    )


def billed_lines(document: dict[str, Any], columns: int | None) -> list[str]:
    """Return the bill beside the books: job by job, day by day, and what it names for nobody."""
    lines = []
    for name, rows in (("JOB", document["jobs"]), ("DAY", document["days"])):
        if rows:
            cells = [
                [row["key"], money(row["booked_usd"]), money(row["billed_usd"]), _signed(row["difference_usd"])]
                for row in rows
            ]
            right = ("BOOKED", "BILLED", "DIFFERENCE")
            lines += table([name, *right], cells, columns, right=right)
    if not document["jobs"]:
        lines.append("The bill names none of your machines: it comes a day late, and only where lastcall:name is an")
        lines.append("active cost allocation tag: lastcall setup aws activates it, a day after the first machine.")
    if document["nameless"]:
        named = " · ".join(f"{clean(one['service'])} {money(one['billed_usd'])}" for one in document["nameless"])
        lines += wrap(f"Billed to the account without a machine's name: {named}", columns or len(named) + 99)
    if document["estimated"]:
        lines.append(f"{clean(document['provider'])} may still change some of it")
    lines.append(f"Asking cost {money(document['cost_usd'])}, booked")
    return lines


def _signed(difference: str) -> str:
    return f"{'-' if Decimal(difference) < 0 else '+'}{money(difference.lstrip('-'))}"


def bill_lines(document: dict[str, Any]) -> list[str]:
    """Say where the provider's bill differs from what was observed, and which jobs it does not have; else nothing."""
    lines = []
    difference = document.get("difference_usd")
    if difference is not None:
        observed = Decimal(document["total_usd"]) - Decimal(difference)
        lines.append(f"Observed {money(str(observed))} · the provider's bill differs by {_signed(difference)}")
    unbilled = document.get("unbilled_jobs", 0)
    if unbilled:
        jobs = "1 job is" if unbilled == 1 else f"{unbilled} jobs are"
        lines.append(f"{jobs} not on the provider's bill yet, and counted as observed")
    return lines


def stored_lines(document: dict[str, Any]) -> list[str]:
    """Say what is kept where space costs money, or rented whatever is kept, and how much that is a month."""
    return [
        f"{_stored(row)}, about {money(row['usd_per_month'])} a month (prices of {clean(row['prices_as_of'])})"
        for row in document.get("stored", ())
    ]


def _stored(row: dict[str, Any]) -> str:
    if row.get("rented"):
        return f"Volume at {clean(row['provider'])}: {row['size_bytes'] // GIGABYTE} GB, used or not"
    return f"Stored with {clean(row['provider'])}: {size(row['size_bytes'])}"
