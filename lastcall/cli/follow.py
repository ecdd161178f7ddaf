"""Following a job live: one line that changes on a terminal, one line a stage elsewhere, the log if asked for."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

from lastcall.cli.app import App
from lastcall.cli.cards import progress_line
from lastcall.cli.client import Reply
from lastcall.cli.failures import BrokenConnection, Failure, NoDaemon
from lastcall.cli.logs import PATIENCE_S, RETRY_S, log_lines
from lastcall.cli.text import clean

LOG_END_S = 5.0
"""How long the last log lines are waited for after the job is over."""


class Follower:
    """Shows one job until it is over."""

    def __init__(self, app: App, job: str, name: str, *, logs: bool, quiet: bool) -> None:
        self._app = app
        self._job = job
        self._name = name
        self._logs = logs
        self._quiet = quiet
        self._told: tuple[str, str, int] | None = None

    def run(self) -> Reply:
        """Return the closed job. Raises NoDaemon when the daemon stays away."""
        reader = threading.Thread(target=self._read_log, daemon=True) if self._logs else None
        if reader is not None:
            reader.start()
        try:
            return self._closed()
        finally:
            if reader is not None:
                reader.join(LOG_END_S)
            self._app.screen.done()

    def _closed(self) -> Reply:
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                for raw in self._app.client.lines(f"/v1/jobs/{self._job}/follow"):
                    until = time.monotonic() + PATIENCE_S
                    document = json.loads(raw)
                    if document["job"]["state"] == "closed":
                        return Reply(raw, document)
                    self._show(document)
            except BrokenConnection:
                pass
            except NoDaemon as away:
                if time.monotonic() > until:
                    away.money = f"{clean(self._name)} goes on under its own limits; its machine ends by itself."
                    raise
            time.sleep(RETRY_S)
            self._app.screen.status(f"{self._name}: Lastcall is away; the job goes on")

    def _show(self, document: dict[str, Any]) -> None:
        job = document["job"]
        line = progress_line(document)
        if self._app.screen.live:
            self._app.screen.status(line)
            return
        step = (job["state"], job["stage"], job["attempt"])
        if step != self._told and not self._quiet:
            self._told = step
            self._app.screen.say(line)

    def _read_log(self) -> None:
        try:
            for raw in log_lines(self._app.client, self._job, follow=True):
                self._app.screen.say(clean(json.loads(raw)["text"]), style="dim")
        except (BrokenConnection, Failure) as error:
            self._app.screen.say(f"The log can not be shown: {clean(str(error))}")
