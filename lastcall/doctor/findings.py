"""What a check finds, and the room it looks around in."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from actors.fleet.certainty import CLOCK_OFF_S_MAX
from lastcall.cli.client import UnixConnection
from lastcall.cli.failures import Failure, NoDaemon
from lastcall.config.load import Loaded
from lastcall.paths import Places
from messages.errors import EXIT_FAILED, EXIT_OK
from providers.seams import ProviderClock
from providers.transport import Transport

Verdict = Literal["ok", "warn", "fail"]
DAEMON_S: Final = 20.0
"""How long the daemon may take for one answer."""
ANSWER_BYTES_MAX: Final = 16 << 20
"""Longest answer of the daemon that is read."""
HTTP_OK: Final = 200


class Finding(NamedTuple):
    """One thing that was looked at."""

    name: str
    verdict: Verdict
    detail: str
    """What was found, one line, without secrets."""
    fix: str = ""
    """What to do; empty where all is well."""


class Unanswered(Exception):
    """The daemon is there and gives no answer that can be used."""


@dataclass
class Room:
    """What checks look at. Earlier checks leave here what later ones need; ``None``: it could not be had."""

    environ: Mapping[str, str]
    working_directory: Path
    transport: Transport
    clock: ProviderClock
    config: str | None = None
    """Flags of the command line."""
    state_dir: str | None = None
    host: str | None = None
    loaded: Loaded | None = None
    places: Places | None = None
    status: Mapping[str, Any] | None = None
    """The daemon's own view; ``None`` where none runs, or none answers."""
    hangs: bool = False
    """A daemon is there and gives no answer that can be used."""
    notes: dict[str, Any] = field(default_factory=dict)
    """For checks that belong together."""
    closing: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    """What lets go of what checks opened."""

    async def close(self) -> None:
        """Let go of everything that checks opened."""
        for close in self.closing:
            await close()

    def ask_daemon(self, path: str) -> dict[str, Any] | None:
        """Return a document of the daemon, ``None`` where none runs. Raises Unanswered."""
        if self.places is None:
            return None
        connection = UnixConnection(self.places.socket, DAEMON_S)
        try:
            connection.request("GET", path, headers={"Connection": "close"})
            answer = connection.getresponse()
            document = json.loads(answer.read(ANSWER_BYTES_MAX))
        except NoDaemon:
            return None
        except Failure as failure:
            raise Unanswered(failure.happened) from failure
        except (OSError, HTTPException, ValueError) as error:
            raise Unanswered(f"the daemon does not answer ({type(error).__name__})") from error
        finally:
            connection.close()
        if answer.status != HTTP_OK or not isinstance(document, dict):
            raise Unanswered(f"the daemon answered {answer.status}")
        return document


class Check(NamedTuple):
    """One look. It may find several things, and raises nothing that it knows of."""

    name: str
    look: Callable[[Room], Awaitable[Sequence[Finding]]]


def clock(cloud: str, off_s: float | None) -> Finding:
    """Judge this computer's clock by a cloud's, which is ``off_s`` seconds ahead; ``None``: it does not say its time.

    AWS takes no signature that is older than five minutes, RunPod's storage none older than an hour.
    """
    if off_s is None:
        return Finding("clock", "warn", f"{cloud} does not say its time")
    if abs(off_s) > CLOCK_OFF_S_MAX:
        detail = f"this computer is {-off_s:+.0f} s from {cloud}'s time"
        return Finding("clock", "warn", detail, "set the clock, by NTP if possible")
    return Finding("clock", "ok", f"agrees with {cloud}'s")


def exit_code(findings: Sequence[Finding]) -> int:
    """Return 0 when nothing failed, else 1; warnings fail nothing."""
    return EXIT_FAILED if any(found.verdict == "fail" for found in findings) else EXIT_OK


def document_of(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the findings as ``--json`` prints them."""
    return {
        "schema": "doctor/v1",
        "ok": exit_code(findings) == EXIT_OK,
        "checks": [found._asdict() for found in findings],
    }
