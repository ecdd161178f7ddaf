"""``status``."""

from __future__ import annotations

from typing import Any

from lastcall.cli.app import App, leaf, pass_app
from lastcall.cli.text import clean, clock, day_clock, limit, money, plural, wrap
from messages.errors import error


@leaf("status", "lastcall status", "lastcall status --json")
@pass_app
def status(app: App, as_json: bool) -> int:
    """Show health, jobs, machines, money and warnings."""
    found = app.client.get("/v1/status")
    if as_json:
        app.screen.raw(found.raw)
        return 0
    columns = app.screen.columns or app.screen.message_columns
    for line, style in status_lines(found.document, columns):
        app.screen.out(line, style=style)
    return 0


def status_lines(document: dict[str, Any], columns: int) -> list[tuple[str, str]]:
    """Return one screen, each line with its style."""
    rate = limit(document["rate_usd_per_hour"])
    jobs = ", ".join(f"{n} {clean(state)}" for state, n in document["jobs"].items() if n) or "none"
    listed = document["last_complete_listing"]
    facts = [
        f"Lastcall {clean(document['version'])} · up since {day_clock(document['started_at'])}",
        f"Provider  {clean(document['provider'])} · account {clean(document['account'])}",
        f"Jobs      {jobs}",
        f"Machines  {plural(document['machines_running'], 'machine')} running · {rate}/h"
        f" · last seen {clock(listed) if listed else 'never'}",
        f"Money     today {money(document['spent_today_usd'])} · this month {money(document['spent_month_usd'])}"
        f" · held {money(document['reserved_usd'])}",
    ]
    lines = [(line, "") for fact in facts for line in wrap(fact, columns, " " * 10)]
    lines[0] = (lines[0][0], "bold")
    if document["safe_mode"]:
        lines += [(t, "red") for t in wrap(f"SAFE MODE, nothing is launched: {clean(document['safe_mode'])}", columns)]
    for alarm in document["alarms"]:
        said = f"Alarm {clean(alarm['alarm'])} at {clock(alarm['at'])}: {clean(alarm['detail'])}"
        if alarm.get("code"):
            said += f" ({error(alarm['code']).docs})"
        lines += [(text, "yellow") for text in wrap(said, columns, "  ")]
    parked = [clean(actor["name"]) for actor in document["actors"] if actor["parked"]]
    if parked:
        lines += [(text, "red") for text in wrap(f"Parked: {', '.join(parked)}", columns, "  ")]
    return lines
