"""Bytes of a pipe into clean lines: bounded length, valid text, no terminal control."""

from __future__ import annotations

import re

LINE_BYTES_MAX = 16 << 10
"""Longest line kept; what follows up to the next line break is counted and left out."""

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC, DCS and other strings: titles, links
    r"|\x1b[ -/]*[0-~]"  # two-character escapes
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


def clean(data: bytes) -> str:
    """Return one line as text: invalid UTF-8 replaced, escape sequences and control characters taken out.

    Of a line drawn over itself with carriage returns (progress bars) the last drawing is kept.
    """
    text = data.decode("utf-8", "replace")
    if "\r" in text:
        text = text.rstrip("\r").rpartition("\r")[2]
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    return _CONTROLS.sub("", text)


class LineCutter:
    """Cuts one stream into lines and holds at most one unfinished line of ``LINE_BYTES_MAX``."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._left_out = 0

    def feed(self, data: bytes) -> list[str]:
        """Take bytes and return the lines they complete."""
        *complete, rest = data.split(b"\n")
        lines = []
        for part in complete:
            self._hold(part)
            lines.append(self._line())
        self._hold(rest)
        return lines

    def finish(self) -> list[str]:
        """Return what is left as a last line, if anything is."""
        return [self._line()] if self._held else []

    def _hold(self, part: bytes) -> None:
        room = LINE_BYTES_MAX - len(self._held)
        self._held += part[:room]
        self._left_out += max(0, len(part) - room)

    def _line(self) -> str:
        text = clean(bytes(self._held))
        if self._left_out:
            text += f" … [{self._left_out} bytes cut]"
        self._held.clear()
        self._left_out = 0
        return text
