"""``doctor``: works with and without a daemon. The checks are loaded when it is called (``lastcall.doctor``)."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from lastcall.cli.app import App, leaf, pass_app
from lastcall.cli.marks import marked

MARKS = {"ok": "✔", "warn": "!", "fail": "✖"}
STYLES = {"ok": "", "warn": "yellow", "fail": "red"}


@leaf("doctor", "lastcall doctor", "lastcall doctor --json | jq .ok", json_help="Print one JSON document.")
@pass_app
def doctor(app: App, as_json: bool) -> int:
    """Check this computer, the daemon and the provider; exit 1 when something does not work."""
    from lastcall.doctor.command import run
    from lastcall.doctor.findings import document_of, exit_code

    columns = app.screen.columns or app.screen.message_columns

    def told(found: Any) -> None:
        if not as_json:
            for line in marked(MARKS[found.verdict], found.name, found.detail, found.fix, columns):
                app.screen.out(line, STYLES[found.verdict])

    findings = run(os.environ, Path.cwd(), told, config=app.config, state_dir=app.state_dir, host=app.host)
    if as_json:
        app.screen.raw(json.dumps(document_of(findings), ensure_ascii=False).encode())
    else:
        app.screen.out(_summary(findings))
    return exit_code(findings)


def _summary(findings: list[Any]) -> str:
    failed = sum(found.verdict == "fail" for found in findings)
    warned = sum(found.verdict == "warn" for found in findings)
    if failed:
        return f"{failed} to put right, {warned} to look at."
    return f"All works; {warned} to look at." if warned else "All works."
