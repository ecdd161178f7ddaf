"""Make the picture of a run: start ``./dev demo`` on a terminal of its own and keep what it shows, as SVG.

    python -m tools.picture [COMMAND …]

A picture is never drawn by hand. The text is kept as text (people can search it), the font is the reader's own.
"""

from __future__ import annotations

import io
import os
import pty
import re
import struct
import sys
from collections.abc import Sequence
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "pictures" / "demo.svg"
COLUMNS = 100
ROWS = 60
OUTPUT_BYTES_MAX = 4 << 20

CONTROLS = re.compile(r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b\[[0-9;?]*[A-LN-Za-ln-z]")
"""Window titles and everything but colours."""


def run_on_terminal(command: Sequence[str]) -> tuple[int, str]:
    """Run a command on a terminal and return its exit status and everything it wrote."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        os.environ.update({"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(ROWS)})
        os.execvp(command[0], list(command))  # noqa: S606  (the command is what the caller typed)
    ioctl(terminal, TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    written = bytearray()
    while len(written) < OUTPUT_BYTES_MAX:
        try:
            piece = os.read(terminal, 65_536)
        except OSError:
            break
        if not piece:
            break
        written += piece
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), written.decode(errors="replace")


def settled(output: str) -> str:
    """Return what stays on the screen: of a line that was written over, the last version."""
    plain = CONTROLS.sub("", output.replace("\r\n", "\n"))
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in plain.split("\n")]
    return "\n".join(lines).strip("\n")


def as_svg(screen: str, title: str) -> str:
    """Return the screen as an SVG that fetches nothing."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, legacy_windows=False)
    console.print(Text.from_ansi(screen))
    svg = console.export_svg(title=title)
    return re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL).replace("Fira Code", "ui-monospace")


def main(arguments: Sequence[str]) -> int:
    """Write the picture; a run that failed makes none."""
    command = list(arguments) or ["./dev", "demo"]
    code, output = run_on_terminal(command)
    if code:
        sys.stderr.write(f"picture: {' '.join(command)} ended with {code}; no picture was made\n{output[-2000:]}\n")
        return 1
    TARGET.write_text(as_svg(settled(output), " ".join(command)))
    sys.stdout.write(f"{TARGET.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
