"""Network volumes: whose they are, where they lie, how much they hold, and their files (fact sheet 5.1)."""

from __future__ import annotations

from dataclasses import dataclass

from tests.emulators.runpod.volume_directory import DirectoryFiles
from tests.emulators.runpod.volume_files import UPLOADS, Entry, Files, Stat, check_path
from tests.emulators.runpod.volume_memory import MemoryFiles

__all__ = [
    "S3_DATA_CENTERS",
    "UPLOADS",
    "DirectoryFiles",
    "Entry",
    "Files",
    "MemoryFiles",
    "Stat",
    "Volume",
    "Volumes",
    "check_path",
]

GB = 10**9
S3_DATA_CENTERS = (
    "EU-CZ-1",
    "EU-RO-1",
    "EUR-IS-1",
    "EUR-NO-1",
    "US-CA-2",
    "US-GA-2",
    "US-IL-1",
    "US-KS-2",
    "US-MD-1",
    "US-MO-1",
    "US-MO-2",
    "US-NC-1",
    "US-NC-2",
    "US-NE-1",
    "US-WA-1",
)
"""A volume elsewhere has no S3 (fact sheet 5.2)."""


@dataclass(frozen=True)
class Volume:
    """One network volume; a changed one takes its place in ``Volumes``."""

    id: str
    account: str
    data_center: str
    """Upper case, such as EU-RO-1."""
    size_gb: int
    files: Files
    name: str = ""
    tier: str = "STANDARD"
    created: float = 0.0
    """Seconds since 1970."""

    @property
    def free_bytes(self) -> int:
        """What still fits."""
        return self.size_gb * GB - self.files.usage()


class Volumes:
    """All volumes of all accounts, in the order in which they were made."""

    def __init__(self) -> None:
        self._volumes: dict[str, Volume] = {}

    def add(self, volume: Volume) -> None:
        """Take a new volume. Errors: ValueError if its id is taken."""
        if volume.id in self._volumes:
            raise ValueError(f"there is a volume {volume.id} already")
        self._volumes[volume.id] = volume

    def replace(self, volume: Volume) -> None:
        """Take a changed volume in place of the one of the same id. Errors: KeyError."""
        if volume.id not in self._volumes:
            raise KeyError(volume.id)
        self._volumes[volume.id] = volume

    def get(self, volume_id: str) -> Volume | None:
        """Return one volume."""
        return self._volumes.get(volume_id)

    def remove(self, volume_id: str) -> Volume | None:
        """Forget one volume and return it; its files stay as they are."""
        return self._volumes.pop(volume_id, None)

    def list(self, account: str | None = None) -> tuple[Volume, ...]:
        """Return all volumes, or those of one account."""
        return tuple(volume for volume in self._volumes.values() if account in (None, volume.account))
