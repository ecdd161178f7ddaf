"""Terminals and pipes get what suits them; endings are words and an exit code."""

from __future__ import annotations

import io
import os
from pathlib import Path
from types import SimpleNamespace

import click
import pytest

from lastcall.cli import endings
from lastcall.cli.failures import BrokenConnection, Failure, Usage
from lastcall.cli.files import pour, safe_name, save
from lastcall.cli.screen import Screen
from messages.errors import Refusal


class Terminal(io.StringIO):
    encoding = "utf-8"

    def __init__(self, tty: bool = True) -> None:
        super().__init__()
        self.tty = tty

    def isatty(self) -> bool:
        return self.tty


@pytest.fixture
def terminals(monkeypatch: pytest.MonkeyPatch) -> tuple[Terminal, Terminal]:
    out, err = Terminal(), Terminal()
    monkeypatch.setattr("lastcall.cli.screen.sys", SimpleNamespace(stdout=out, stderr=err, stdin=Terminal(tty=False)))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return out, err


def test_colour_goes_to_terminals_only(terminals: tuple[Terminal, Terminal]) -> None:
    out, _ = terminals
    Screen().out("x", style="red")
    assert out.getvalue() == "\x1b[31mx\x1b[0m\n"


@pytest.mark.parametrize("why", ["NO_COLOR", "dumb", "flag", "pipe"])
def test_colour_can_be_refused(terminals: tuple[Terminal, Terminal], monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    out, _ = terminals
    if why == "NO_COLOR":
        monkeypatch.setenv("NO_COLOR", "1")
    elif why == "dumb":
        monkeypatch.setenv("TERM", "dumb")
    elif why == "pipe":
        out.tty = False
    Screen(colour=False if why == "flag" else None).out("x", style="red")
    assert out.getvalue() == "x\n"


def test_what_comes_from_outside_is_harmless_on_a_terminal_and_whole_in_a_pipe(
    terminals: tuple[Terminal, Terminal],
) -> None:
    out, _ = terminals
    Screen().data("a\x1b[2J")
    out.tty = False
    Screen().data("a\x1b[2J")
    assert out.getvalue() == "a\\x1b[2J\na\x1b[2J\n"


def test_the_live_line_is_cut_replaced_and_taken_away(terminals: tuple[Terminal, Terminal]) -> None:
    _, err = terminals
    screen = Screen()
    screen.status("x" * 50 + "\x1b")
    screen.say("word")
    screen.done()
    shown = "\r\x1b[2K" + "x" * 28 + "…"
    assert err.getvalue() == f"{shown}\r\x1b[2Kword\n{shown}\r\x1b[2K"


def test_without_a_terminal_there_is_no_live_line_and_nothing_is_cut(terminals: tuple[Terminal, Terminal]) -> None:
    out, err = terminals
    out.tty = err.tty = False
    screen = Screen()
    screen.status("x")
    screen.done()
    assert err.getvalue() == ""
    assert (screen.columns, screen.message_columns) == (None, 100)


@pytest.mark.parametrize(("columns", "found"), [("10", 20), ("132", 132), ("", 80), ("x", 80)])
def test_the_width_is_what_the_terminal_says(
    terminals: tuple[Terminal, Terminal], monkeypatch: pytest.MonkeyPatch, columns: str, found: int
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert Screen().columns == found


def test_a_terminal_without_utf8_still_gets_every_fact(
    terminals: tuple[Terminal, Terminal], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    monkeypatch.setattr("lastcall.cli.screen.sys", SimpleNamespace(stdout=stream, stderr=stream, stdin=None))
    Screen().out("a · b")
    assert raw.getvalue() == b"a ? b\n"


def test_the_screen_is_emptied_for_watching(terminals: tuple[Terminal, Terminal]) -> None:
    Screen().clear()
    assert terminals[0].getvalue() == "\x1b[H\x1b[2J"


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (click.exceptions.Abort(), 130, "Nothing was started."),
        (KeyboardInterrupt(), 130, ""),
        (Usage("happened", "type this"), 2, "type this"),
        (Refusal("E-CONFIG", "one\ntwo"), 78, "one\ntwo"),
        (Refusal("E-LOCKED"), 6, "Another Lastcall"),
        (BrokenConnection(), 75, "connection"),
        (ZeroDivisionError("insides"), 1, "ZeroDivisionError"),
        (Failure("E-NOTFOUND", "evil \x1b[2J"), 5, "evil \\x1b[2J"),
    ],
)
def test_every_ending_has_its_words_and_its_exit_code(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, words: str
) -> None:
    assert endings.ending_of(error) == code
    err = capsys.readouterr().err
    assert words in err
    assert "Traceback" not in err


def test_a_reader_that_has_enough_ends_it_quietly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "out").open("w") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        assert endings.ending_of(BrokenPipeError()) == 1
        assert Path(f"/proc/self/fd/{stream.fileno()}").samefile(os.devnull)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("a\\b.csv", "b.csv"),
        (".hidden", "hidden"),
        ("", "file"),
        ("a\x1bb", "ab"),
        ("..", "file"),
    ],
)
def test_a_name_from_outside_is_a_plain_file_name(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_a_download_that_is_cut_is_repeated_once_and_never_half_there(tmp_path: Path) -> None:
    calls: list[int] = []

    def cut(file: io.BufferedIOBase) -> int:
        calls.append(file.write(b"half"))
        raise BrokenConnection

    with pytest.raises(BrokenConnection):
        save(tmp_path / "new" / "f", cut)  # type: ignore[arg-type]
    assert len(calls) == 2
    assert list((tmp_path / "new").iterdir()) == []


def test_pouring_goes_to_standard_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert pour(lambda file: file.write(b"\x00\xff")) == 2
    assert capfdbinary.readouterr().out == b"\x00\xff"
