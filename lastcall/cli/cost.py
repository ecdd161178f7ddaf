"""``cost``."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import click

from lastcall.cli.app import App, leaf, pass_app
from lastcall.cli.text import clean, money, size, table


@leaf("cost", "lastcall cost", "lastcall cost --by model", "lastcall cost --json")
@click.option(
    "--by",
    type=click.Choice(["day", "user", "model", "provider", "job"]),
    default="day",
    show_default=True,
    help="What to group by.",
)
@pass_app
def cost(app: App, by: str, as_json: bool) -> int:
    """Show what was spent, what runs up now, and what the budgets have left."""
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


def bill_lines(document: dict[str, Any]) -> list[str]:
    """Say where the provider's bill differs from what was observed, and which jobs it does not have; else nothing."""
    lines = []
    difference = document.get("difference_usd")
    if difference is not None:
        observed = Decimal(document["total_usd"]) - Decimal(difference)
        sign = "-" if Decimal(difference) < 0 else "+"
        words = (
            f"Observed {money(str(observed))} · the provider's bill differs by {sign}{money(difference.lstrip('-'))}"
        )
        lines.append(words)
    unbilled = document.get("unbilled_jobs", 0)
    if unbilled:
        jobs = "1 job is" if unbilled == 1 else f"{unbilled} jobs are"
        lines.append(f"{jobs} not on the provider's bill yet, and counted as observed")
    return lines


def stored_lines(document: dict[str, Any]) -> list[str]:
    """Say what is kept where space costs money, and how much that is a month; else nothing."""
    return [
        f"Stored with {clean(row['provider'])}: {size(row['size_bytes'])}, about {money(row['usd_per_month'])} a month"
        f" (prices of {clean(row['prices_as_of'])})"
        for row in document.get("stored", ())
    ]
