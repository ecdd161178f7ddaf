"""A clock that only moves when told, and settings to start from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from containers.job.clock import Clock
from containers.job.settings import Settings, read

NOW = 1_800_000_000.0


class StillClock(Clock):
    """Sleeping moves it; ``on_sleep`` is called each time."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.on_sleep: Callable[[], None] = lambda: None

    def wall(self) -> float:
        return NOW + self.passed

    def boot(self) -> float:
        return 1000.0 + self.passed

    def sleep(self, seconds: float) -> None:
        self.passed += seconds
        self.on_sleep()


def environment(root: Path, **more: str) -> dict[str, str]:
    return {
        "LASTCALL_MACHINE": "lc1-unit",
        "LASTCALL_JOB_FOLDER": str(root / "job"),
        "LASTCALL_STORAGE_ROOT": str(root),
        "LASTCALL_MACHINE_DIR": str(root / "machine"),
        "LASTCALL_SOFT_DEADLINE": str(NOW + 100),
        "LASTCALL_HARD_DEADLINE": str(NOW + 500),
        **more,
    }


def settings(root: Path, **more: str) -> Settings:
    """Settings over folders that exist."""
    for name in ("job", "machine", "machine/scratch", "machine/scratch/out"):
        (root / name).mkdir(exist_ok=True)
    return read(environment(root, **more))
