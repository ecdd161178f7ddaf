"""The daemon's log: one event a line, JSON unless somebody watches at a terminal, secrets taken out last of all.

    configure(Logs(level="info", clock=clock, secrets=settings.secrets()))
    log = get_logger("actors.fleet"); log.info("orphan_reaped", machine_id=…)

What libraries say through ``logging`` and ``warnings`` passes the same steps. Context (job, user, machine, actor,
request) is bound with ``structlog.contextvars.bound_contextvars``. Event names are snake_case, times ISO 8601 UTC from
the given clock.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, Protocol, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from lastcall.redaction import Redactor

QUIET_LIBRARIES = ("httpx", "httpcore", "asyncio", "aiohttp.access", "botocore", "aiobotocore", "urllib3")
"""Libraries whose INFO says nothing, or says secrets: an HTTP client logs whole URLs."""


class LogClock(Protocol):
    """Where times come from."""

    def now(self) -> datetime:
        """Return the wall clock, UTC."""
        ...


class _SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Logs:
    """How to log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"
    clock: LogClock = field(default_factory=_SystemClock)
    secrets: Iterable[str] = ()
    stream: TextIO | None = None
    """Standard error when not given."""


class _RedactingFormatter(structlog.stdlib.ProcessorFormatter):
    """Formats a record, then goes over the finished line once more: the last thing that happens to it."""

    def __init__(self, redactor: Redactor, *, processors: list[Processor], foreign_pre_chain: list[Processor]) -> None:
        super().__init__(processors=processors, foreign_pre_chain=foreign_pre_chain)
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return self._redactor.line(super().format(record))


def configure(logs: Logs) -> None:
    """Send everything that is logged in this process to one stream. Calling it again replaces what was set."""
    stream = logs.stream or sys.stderr
    readable = logs.format == "console" or (logs.format == "auto" and stream.isatty())
    redactor = Redactor(logs.secrets)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.StackInfoRenderer(),
        _stamp(logs.clock),
    ]
    formatter = _RedactingFormatter(
        redactor,
        foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _redact(redactor),
            structlog.dev.ConsoleRenderer(colors=stream.isatty()) if readable else _render_json,
        ],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in root.handlers[:]:
        if isinstance(old.formatter, _RedactingFormatter):
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logs.level.upper())
    for name in QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def reset() -> None:
    """Undo ``configure``: for tests and for a process that hands its streams to something else."""
    root = logging.getLogger()
    for old in root.handlers[:]:
        if isinstance(old.formatter, _RedactingFormatter):
            root.removeHandler(old)
    root.setLevel(logging.WARNING)
    for name in QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(logging.NOTSET)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module or actor."""
    return structlog.stdlib.get_logger(name)


def _stamp(clock: LogClock) -> Processor:
    def stamp(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["at"] = clock.now().astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        return event

    return stamp


def _redact(redactor: Redactor) -> Processor:
    """Return the step that cleans the whole event, values in values too, before it becomes text."""

    def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        cleaned = redactor.value(event)
        return cast("MutableMapping[str, Any]", cleaned)

    return redact


def _render_json(_logger: WrappedLogger, _method: str, event: Mapping[str, Any]) -> str:
    """Return one JSON object; time, level and event stand first, as people read from the left."""
    first = {key: event[key] for key in ("at", "level", "event", "logger") if key in event}
    return json.dumps({**first, **event}, ensure_ascii=False, default=str)
