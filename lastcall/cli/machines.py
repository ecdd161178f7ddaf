"""``machines``."""

from __future__ import annotations

from lastcall.cli.app import App, Lazy, LazyGroup, leaf, pass_app
from lastcall.cli.text import clock, limit, plural, table

_OURS = {"ours": "", "orphan": "orphan", "other_installation": "another installation's", "foreign": "not Lastcall's"}

machines = LazyGroup(
    "machines",
    lazy={"ls": Lazy(__name__, "ls", "List machines as the provider lists them now.")},
    examples=("lastcall machines ls", "lastcall machines ls --json"),
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
        head = ["MACHINE", "STATE", "PRICE", "JOB", "SINCE", "GONE BY", "WHOSE"]
        for number, line in enumerate(
            table(head, rows, app.screen.columns, right=("PRICE",), soft=("JOB", "SINCE", "WHOSE"))
        ):
            app.screen.out(line, style="" if number else "bold")
    said = f"{plural(document['running'], 'machine')} running"
    said += f" · {document['provider']}, listed {clock(document['listed_at'])}"
    if document["complete"]:
        app.screen.out(said)
    else:
        app.screen.out(f"{said} · THE LISTING IS NOT COMPLETE: there may be more", style="red")
    return 0
