"""A how-to page as its reader follows it: its commands, what it says they print, and a shell to run them in."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.support.commands import asking
from tests.support.house import CHECKOUT

FENCE = re.compile(r"^```(sh|text)(?: (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RUN_S = 300.0


class Block(NamedTuple):
    """A fenced block; one without a label belongs to the round that is run from top to bottom."""

    kind: str
    label: str
    text: str


class Page:
    """One page below ``docs/how-to``."""

    def __init__(self, name: str) -> None:
        text = (CHECKOUT / "docs" / "how-to" / name).read_text("utf-8")
        self.blocks = [Block(*(found or "" for found in match)) for match in FENCE.findall(text)]

    def labelled(self, label: str) -> str:
        """Return the block of a label."""
        (found,) = (block.text for block in self.blocks if block.label == label)
        return found

    def script(self) -> tuple[str, list[tuple[int, str]]]:
        """Return all commands as one script, and each line they must print, by the number of its block."""
        script, expected, at = "trap 'kill ${daemon:-} 2>/dev/null || true' EXIT\n", [], 0
        for number, block in enumerate(self.blocks):
            if block.label:
                continue
            if block.kind == "sh":
                script += f"echo '== {number}'\n{block.text}"
                at = number
            else:
                expected += [(at, line) for line in block.text.splitlines()]
        return script, expected

    def unsaid(self, shell: Shell, more: str = "") -> tuple[int, list[tuple[int, str]]]:
        """Run every command, then ``more``; return how many lines were expected, and those that did not come."""
        script, expected = self.script()
        done = shell.run(script + more, RUN_S)
        if done.returncode != 0:
            raise AssertionError(done.stdout)
        parts = re.split(r"^== (\d+)$", done.stdout, flags=re.MULTILINE)
        said = dict(zip(map(int, parts[1::2]), parts[2::2], strict=True))
        return len(expected), [(at, line) for at, line in expected if not said_in(line, said[at])]


class Shell:
    """A shell as a page's reader has it."""

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self.root = root
        programs = root / "bin"
        programs.mkdir()
        (programs / "lastcall").write_text(f'#!/bin/sh\nexec {shlex.join(asking("tests.support.live_entry"))} "$@"\n')
        (programs / "lastcall").chmod(0o755)
        self.environment = {
            "PATH": f"{programs}:/usr/bin:/bin",
            "HOME": str(root),
            "COLUMNS": "200",
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(CHECKOUT),
            "XDG_CONFIG_HOME": str(root / "config"),
            "LASTCALL_STATE_DIR": str(root / "s"),
            "QUICK_TRIAL": "1",
            **environment,
        }

    def run(self, script: str, within_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a script and return what it printed."""
        return subprocess.run(
            ["sh", "-eu"], input=script, env=self.environment, cwd=self.root, text=True, timeout=within_s,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip


def said_in(line: str, output: str) -> bool:
    """Tell whether a quoted line appears; ``…`` stands for anything, also for a line's mark."""
    wanted = r"\s+".join(".*" if part == "…" else re.escape(part).replace("…", ".*") for part in line.split())
    return re.search(wanted, output) is not None
