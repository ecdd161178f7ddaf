"""Start the emulator as a process of its own, and end it with everything in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.emulators.common.launch import Launched


class Emulator(Launched):
    """One running RunPod. URLs: ``rest``, ``graphql``, ``serverless``, ``s3``, ``index``, ``control``."""

    def __init__(
        self,
        root: Path,
        *,
        settings: Mapping[str, Any] | None = None,
        faults: Mapping[str, Any] | None = None,
        program: str = "process",
        wheels: Path | None = None,
        seed: int | None = None,
    ) -> None:
        options = ["--wheels", str(wheels)] if wheels else []
        super().__init__(
            "tests.emulators.runpod", root, *options, settings=settings, faults=faults, program=program, seed=seed
        )
