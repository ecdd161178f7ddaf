"""A program that loads dangerous pickles behind the sandbox's walls: ``python -m tests.support.behind_walls``.

On standard input: ``{"walls", "hook", "list": whether each is put up, "pickles": {name: hex}, "memory_bytes",
"cpu_s"}``. One line of JSON comes out: which walls stood, and what became of each pickle. With ``list`` off any name
may be called, so that only the walls are left to hold.
"""

from __future__ import annotations

import io
import json
import os
import sys
from importlib import import_module
from typing import Any

from containers.importing.hook import Hook
from containers.importing.unpickler import OldPickle
from containers.importing.walls import Limits, library_folders, put_up


class Anything(OldPickle):
    """The unpickler without its list of names."""

    def find_class(self, module: str, name: str) -> Any:
        """Return whatever a name means."""
        found = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
        return found


def main(request: dict[str, Any]) -> None:
    """Load each, and say what became of it."""
    for module in ("ctypes", "socket", "subprocess"):
        import_module(module)  # as libraries would have: no refused import is what holds
    readable = library_folders()
    stood: list[str] = []
    if request["walls"]:
        stood += put_up(Limits(request["memory_bytes"], request["cpu_s"], 1 << 20), os.getppid(), readable)
    hook = Hook(readable)
    if request["hook"]:
        hook.put_up()
    kind = OldPickle if request["list"] else Anything
    became = {}
    for name, data in request["pickles"].items():
        try:
            found = kind(io.BytesIO(bytes.fromhex(data))).load()
            became[name] = f"gave {type(found).__name__}"
        except BaseException as error:
            became[name] = f"{type(error).__name__}: {error}"[:80]
    sys.stdout.write(json.dumps({"walls": stood, "became": became, "tried": hook.tried}) + "\n")


if __name__ == "__main__":
    main(json.load(sys.stdin))
