from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import structlog

from lastcall import logs

CANARY = "canary-2f9d-secret"


class Clock:
    def now(self) -> datetime:
        return datetime(2026, 11, 23, 15, 3, 0, 5, timezone(timedelta(hours=1)))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    yield io.StringIO()
    logs.reset()


def configured(stream: io.StringIO, **more: Any) -> None:
    logs.configure(logs.Logs(clock=Clock(), secrets=[CANARY], stream=stream, **more))


def entries(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_the_injected_time(stream: io.StringIO) -> None:
    configured(stream)
    logs.get_logger("actors.fleet").info("orphan_reaped", machine_id="m1", cost=1.5)
    (entry,) = entries(stream)
    assert entry == {
        "at": "2026-11-23T14:03:00.000005Z",
        "level": "info",
        "event": "orphan_reaped",
        "logger": "actors.fleet",
        "machine_id": "m1",
        "cost": 1.5,
    }
    assert stream.getvalue().startswith('{"at": "2026')


def test_a_terminal_gets_readable_lines(stream: io.StringIO) -> None:
    terminal = Terminal()
    configured(terminal)
    logs.get_logger("x").warning("disk_low", left=3, note=CANARY)
    assert "disk_low" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")
    assert CANARY not in terminal.getvalue()


@pytest.mark.parametrize(("format_", "is_json"), [("json", True), ("console", False)])
def test_the_format_can_be_chosen(stream: io.StringIO, format_: str, is_json: bool) -> None:
    out = Terminal() if is_json else stream
    configured(out, format=format_)
    logs.get_logger("x").info("hello")
    assert out.getvalue().startswith("{") is is_json


def test_the_level_holds_for_both_ways_of_logging(stream: io.StringIO) -> None:
    configured(stream, level="warning")
    logs.get_logger("x").info("quiet")
    logging.getLogger("lib").info("quiet")
    logs.get_logger("x").error("loud")
    logging.getLogger("lib").error("loud %s", "too")
    assert [entry["event"] for entry in entries(stream)] == ["loud", "loud too"]


def test_libraries_pass_the_same_steps(stream: io.StringIO) -> None:
    configured(stream)
    logging.getLogger("lib").warning("sent %s", CANARY, extra={"request": {"api_key": "zzz", "url": f"?x={CANARY}"}})
    (entry,) = entries(stream)
    assert entry["event"] == "sent [redacted]"
    assert entry["request"] == {"api_key": "[redacted]", "url": "?x=[redacted]"}
    assert entry["at"] == "2026-11-23T14:03:00.000005Z"


def test_an_http_library_may_not_log_its_urls(stream: io.StringIO) -> None:
    configured(stream, level="debug")
    logging.getLogger("httpx").info("POST https://api.telegram.org/bot1:2/getUpdates")
    assert stream.getvalue() == ""


def test_context_is_part_of_every_line(stream: io.StringIO) -> None:
    configured(stream)
    with structlog.contextvars.bound_contextvars(job_id="job_1", token=CANARY):
        logs.get_logger("x").info("a")
        logging.getLogger("lib").warning("b")
    assert [(e["job_id"], e["token"]) for e in entries(stream)] == [("job_1", "[redacted]")] * 2


def test_exceptions_are_text_without_secrets(stream: io.StringIO) -> None:
    configured(stream)
    try:
        raise ValueError(f"bad key {CANARY} and Bearer abcdefgh12345")
    except ValueError as error:
        logs.get_logger("x").exception("failed", error=error, given={"deep": [error]})
        logging.getLogger("lib").exception("failed too")
    text = stream.getvalue()
    assert CANARY not in text
    assert "abcdefgh12345" not in text
    first, second = entries(stream)
    assert "Traceback" in first["exception"]
    assert "ValueError: bad key [redacted]" in second["exception"]


def test_warnings_go_to_the_log(stream: io.StringIO) -> None:
    configured(stream)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn(f"old way of {CANARY}", stacklevel=1)
    assert "old way of [redacted]" in entries(stream)[0]["event"]


def test_one_event_is_one_line_whatever_is_in_it(stream: io.StringIO) -> None:
    configured(stream)
    logs.get_logger("x").info("a\nb", text="c\r\nd\u2028e", odd=object(), when=datetime(2026, 1, 1, tzinfo=UTC))
    (line,) = stream.getvalue().split("\n")[:-1]
    assert json.loads(line)["when"] == "2026-01-01 00:00:00+00:00"


def test_configuring_again_replaces_the_handler(stream: io.StringIO) -> None:
    configured(io.StringIO())
    configured(stream)
    logs.get_logger("x").info("once")
    assert len(entries(stream)) == 1


def test_reset_takes_everything_back() -> None:
    before = logging.getLogger().handlers[:]
    configured(io.StringIO())
    logs.reset()
    assert logging.getLogger().handlers == before
    assert logging.getLogger("httpx").level == logging.NOTSET


def test_the_default_stream_and_clock_are_the_process_own(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(logs.Logs())
    try:
        logs.get_logger("x").info("hello")
    finally:
        logs.reset()
    entry = json.loads(capsys.readouterr().err)
    assert abs(datetime.fromisoformat(entry["at"]) - datetime.now(UTC)) < timedelta(minutes=1)
