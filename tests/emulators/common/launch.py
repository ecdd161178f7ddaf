"""Start an emulator as a process of its own, and end it with everything in it."""

from __future__ import annotations

import json
import select
import signal
import subprocess
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tests.emulators.common.forking import CHECKOUT, Copy

__all__ = ["CHECKOUT", "Launched"]

READY_S = 90.0
END_S = 90.0
"""Only what never happens takes so long; a busy computer starts and ends a process later than an idle one."""
ASK_S = 60.0


class Launched:
    """One running emulator, by the module that serves it and its options; a context manager."""

    def __init__(
        self,
        module: str,
        root: Path,
        *options: str,
        settings: Mapping[str, Any] | None,
        faults: Mapping[str, Any] | None,
        program: str,
        seed: int | None,
    ) -> None:
        self.root = root.resolve()
        arguments = ["--root", str(self.root), "--program", program]
        arguments += ["--settings", json.dumps(settings or {}), "--faults", json.dumps(faults or {})]
        arguments += ["--seed", str(seed)] if seed is not None else []
        self._process = Copy(module, [*arguments, *options], READY_S)
        self.urls: dict[str, str] = {}
        """What it serves → where."""
        try:
            self.urls = self._ready()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def _ready(self) -> dict[str, str]:
        if not select.select([self._process.stdout], [], [], READY_S)[0]:
            raise RuntimeError("the emulator did not come up")
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the emulator ended at once")
        urls: dict[str, str] = json.loads(line)
        return urls

    def control(self, change: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Change something, or nothing, and return what the auditor knows."""
        body = None if change is None else json.dumps(change).encode()
        with urllib.request.urlopen(urllib.request.Request(self.urls["control"], body), timeout=ASK_S) as answer:
            shown: dict[str, Any] = json.load(answer)
        return shown

    def close(self) -> None:
        """End it; its machines end with it. Raises RuntimeError if it does not end by itself."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(END_S)
            raise RuntimeError("the emulator did not end") from None
        finally:
            self._process.stdout.close()
        if code:
            raise RuntimeError(f"the emulator ended with {code}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
