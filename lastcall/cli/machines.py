"""``machines``."""

from __future__ import annotations

from typing import Any

import click

from lastcall.cli.app import App, Lazy, LazyGroup, leaf, pass_app
from lastcall.cli.text import clean, clock, day_clock, limit, money, plural, span, table, with_places, wrap
from messages.errors import EXIT_FAILED, EXIT_OK

_OURS = {"ours": "", "orphan": "orphan", "other_installation": "another installation's", "foreign": "not Lastcall's"}

machines = LazyGroup(
    "machines",
    lazy={
        "ls": Lazy(__name__, "ls", "List machines as the provider lists them now."),
        "reconcile": Lazy(__name__, "reconcile", "Judge every machine; take over or end what no open job owns."),
    },
    examples=("lastcall machines ls", "lastcall machines ls --json", "lastcall machines reconcile"),
    help="What the provider says exists.",
    no_args_is_help=True,
)


@leaf("ls", "lastcall machines ls", "lastcall machines ls --json | jq .running")
@pass_app
def ls(app: App, as_json: bool) -> int:
    """List machines as the provider lists them now: asked for afresh, not remembered."""
    found = app.client.get("/v1/machines")
    if as_json:
        app.screen.raw(found.raw)
        return 0
    document = found.document
    rows = [
        [
            row["name"],
            row["state"],
            "-" if row["rate_usd_per_hour"] is None else f"{limit(row['rate_usd_per_hour'])}/h",
            row["job_id"] or "-",
            clock(row["first_seen"]),
            "-" if row["hard_deadline"] is None else clock(row["hard_deadline"]),
            _OURS.get(row["ours"], row["ours"]),
        ]
        for row in document["machines"]
    ]
    if rows:
        head, rows = with_places(
            ["MACHINE", "STATE", "PRICE", "JOB", "SINCE", "GONE BY", "WHOSE"], rows, document["machines"]
        )
        for number, line in enumerate(
            table(head, rows, app.screen.columns, right=("PRICE",), soft=("JOB", "SINCE", "WHOSE"))
        ):
            app.screen.out(line, style="" if number else "bold")
    said = f"{plural(document['running'], 'machine')} running"
    said += f" · {', '.join(_places(document))}, listed {clock(document['listed_at'])}"
    if document["complete"]:
        app.screen.out(said)
    else:
        app.screen.out(f"{said} · THE LISTING IS NOT COMPLETE: there may be more", style="red")
    return 0


_WHOSE = {
    "ours": "an open job's",
    "orphan": "orphan",
    "second_writer": "ours, not in the journal",
    "other_generation": "ours, of another journal",
    "foreign": "not ours",
}
_MONEY = "What was begun before goes on; look: lastcall machines reconcile"


@leaf(
    "reconcile",
    "lastcall machines reconcile",
    "lastcall machines reconcile --adopt",
    "lastcall machines reconcile --reap lc1-abcdef2345-churn7fabc-a001-x1795442400-wxyz",
)
@click.option("--adopt", is_flag=True, help="Take over machines of this installation that the journal does not know.")
@click.option("--reap", is_flag=True, help="End orphans, and the machines named.")
@click.option("--all-ours", is_flag=True, help="With --reap: also every unknown machine of this installation.")
@click.argument("names", nargs=-1, metavar="[NAME...]")
@pass_app
def reconcile(app: App, adopt: bool, reap: bool, all_ours: bool, names: tuple[str, ...], as_json: bool) -> int:
    """Judge every machine of a fresh listing. Without --adopt and --reap nothing is done.

    The way out of safe mode after a lost journal or a restored backup: machines of this installation that the journal
    does not know are taken over with --adopt, or ended with --reap and their names. Machines of open jobs are never
    touched (lastcall stop ends those), and neither is what is not this installation's.
    """
    if all_ours and not reap:
        raise click.UsageError("--all-ours goes with --reap")
    order = {"adopt": adopt, "reap": reap, "all_ours": all_ours, "names": list(names)}
    found = app.client.post("/v1/machines/reconcile", order, money=_MONEY)
    if as_json:
        app.screen.raw(found.raw)
    else:
        for line, style in reconcile_lines(found.document, app.screen.columns or app.screen.message_columns):
            app.screen.out(line, style=style)
    undone = [row for row in found.document["machines"] if row["does"] != "nothing" and not row["done"]]
    return EXIT_FAILED if undone and not found.document["dry_run"] else EXIT_OK


def reconcile_lines(document: dict[str, Any], columns: int) -> list[tuple[str, str]]:
    """Return every machine judged, and what is left, each line with its style."""
    lines: list[tuple[str, str]] = []
    places = _places(document)
    for row in document["machines"]:
        lines.append((clean(row["name"]), "bold"))
        where = [clean(row["provider"])] if len(places) > 1 else []
        told = [(_row_words(row, where), ""), (row["detail"], "green" if row["done"] else "yellow")]
        if row["whose"] != "ours":
            told.insert(1, (row["reason"][:1].upper() + row["reason"][1:], "dim"))
        for words, style in told:
            lines += [(f"  {line}", style) for line in wrap(clean(words), columns - 2) if words]
    said = f"{plural(len(document['machines']), 'machine')}, {document['unknown']} of ours unknown to the journal"
    said += f" · {clean(', '.join(places))}, listed {clock(document['listed_at'])}"
    lines += [(line, "") for line in wrap(said, columns)]
    if not document["complete"]:
        lines += [(line, "red") for line in wrap("THE LISTING IS NOT COMPLETE: there may be more", columns)]
    if document["safe_mode"]:
        words = f"SAFE MODE, nothing is launched: {clean(document['safe_mode'])}"
        lines += [(line, "red") for line in wrap(words, columns)]
    if document["dry_run"]:
        lines.append(("Nothing was done.", ""))
    return lines


def _places(document: dict[str, Any]) -> list[str]:
    """Return where new jobs go, and every other provider of a machine in the document."""
    return list(dict.fromkeys((document["provider"], *(row["provider"] for row in document["machines"]))))


def _row_words(row: dict[str, Any], where: list[str]) -> str:
    parts = [*where, _WHOSE.get(row["whose"], row["whose"]), clean(row["state"]), f"{span(row['age_s'])} old"]
    if row["rate_usd_per_hour"] is not None:
        parts += [f"{limit(row['rate_usd_per_hour'])}/h", f"{money(row['cost_usd'])} so far"]
    if row["hard_deadline"]:
        parts.append(f"gone by {day_clock(row['hard_deadline'])}")
    return " · ".join(parts)
