"""Start the emulator as a process of its own, and end it with everything in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.emulators.common.launch import Launched


class Emulator(Launched):
    """One running AWS. URLs: ``aws`` (every service), ``metadata`` (an instance's id comes after it), ``control``."""

    def __init__(
        self,
        root: Path,
        *,
        settings: Mapping[str, Any] | None = None,
        faults: Mapping[str, Any] | None = None,
        program: str = "process",
        moto: bool = True,
        environment: Mapping[str, str] | None = None,
        seed: int | None = None,
    ) -> None:
        options = ["--environment", json.dumps(dict(environment or {}))]
        options += [] if moto else ["--no-moto"]
        super().__init__(
            "tests.emulators.aws", root, *options, settings=settings, faults=faults, program=program, seed=seed
        )
