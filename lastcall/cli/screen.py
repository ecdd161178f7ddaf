"""Where words go: data to standard output, messages to standard error, colour and live lines to terminals only."""

from __future__ import annotations

import os
import sys
import threading
from typing import TextIO

from lastcall.cli.text import clean, cut

NARROWEST = 20
_SGR = {"bold": "1", "green": "32", "red": "31", "yellow": "33", "dim": "2"}


class Screen:
    """Standard output and error of one command. Safe to use from two threads."""

    def __init__(self, *, colour: bool | None = None) -> None:
        self.out_tty = sys.stdout.isatty()
        self.err_tty = sys.stderr.isatty()
        self.in_tty = sys.stdin is not None and sys.stdin.isatty()
        dumb = os.environ.get("TERM", "") in ("", "dumb")
        wanted = colour if colour is not None else not os.environ.get("NO_COLOR")
        self._colour = wanted and not dumb
        self.live = self.err_tty and not dumb
        self._shown = ""
        self._lock = threading.RLock()

    @property
    def columns(self) -> int | None:
        """Width of the terminal data goes to; ``None`` where there is none, so that nothing is cut for a pipe."""
        return _columns(sys.stdout) if self.out_tty else None

    @property
    def message_columns(self) -> int:
        """Width messages are laid out for."""
        return _columns(sys.stderr) if self.err_tty else 100

    def out(self, text: str = "", style: str = "") -> None:
        """Write a line of data; text from outside goes through ``clean`` before, or through ``data``."""
        with self._lock:
            self._hide()
            _write(sys.stdout, self._styled(text, style, tty=self.out_tty) + "\n")

    def data(self, text: str) -> None:
        """Write a line that came from outside: unchanged into a pipe, harmless on a terminal."""
        self.out(clean(text) if self.out_tty else text)

    def raw(self, data: bytes) -> None:
        """Write a document as the daemon sent it, with a line end."""
        with self._lock:
            self._hide()
            sys.stdout.flush()
            sys.stdout.buffer.write(data.rstrip(b"\n") + b"\n")
            sys.stdout.buffer.flush()

    def say(self, text: str = "", style: str = "") -> None:
        """Write a line of message; a live line stays below it."""
        with self._lock:
            shown = self._shown
            self._hide()
            _write(sys.stderr, self._styled(text, style, tty=self.err_tty) + "\n")
            if shown:
                self.status(shown)

    def status(self, text: str) -> None:
        """Show ``text`` as the one line that is replaced; nothing without a terminal."""
        if not self.live:
            return
        with self._lock:
            self._shown = text
            _write(sys.stderr, "\r\x1b[2K" + cut(clean(text), self.message_columns - 1))

    def done(self) -> None:
        """Take the live line away."""
        with self._lock:
            self._hide()

    def clear(self) -> None:
        """Empty the terminal that data goes to."""
        _write(sys.stdout, "\x1b[H\x1b[2J")

    def _hide(self) -> None:
        if self._shown:
            self._shown = ""
            _write(sys.stderr, "\r\x1b[2K")

    def _styled(self, text: str, style: str, *, tty: bool) -> str:
        return f"\x1b[{_SGR[style]}m{text}\x1b[0m" if style and tty and self._colour else text


def _columns(stream: TextIO) -> int:
    """Width of a terminal: COLUMNS if set, else as it says itself, else 80 (shutil's rule; shutil is slow to load)."""
    chosen = os.environ.get("COLUMNS", "")
    if chosen.isdecimal() and int(chosen):
        return max(NARROWEST, int(chosen))
    try:
        return max(NARROWEST, os.get_terminal_size(stream.fileno()).columns or 80)
    except (OSError, ValueError):
        return 80


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
    except UnicodeEncodeError:
        # A terminal that knows no UTF-8 still gets every fact.
        encoding = stream.encoding or "ascii"
        stream.write(text.encode(encoding, "replace").decode(encoding))
    stream.flush()
