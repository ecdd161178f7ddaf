"""What the storage services work with, as one value, and every bound they keep."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from actors.journal.interface import Journal
from actors.ledger.requests import Charge
from actors.runtime.world import World
from actors.storage.access import Layout
from actors.storage.audit import AuditTrail
from actors.storage.catalogue import Catalogue
from messages.errors import Refusal
from messages.machines import ProviderKind
from providers.interface import CloudPredictionProvider, CloudStorageProvider, InPlace, Near

UPLOAD_BYTES_MAX: Final = 2 << 30
"""Largest file taken: what can be looked at within ``INSPECTION_S_MAX`` on a slow computer."""
INSPECTION_BASE_S: Final = 60.0
"""For looking at a file of any size: start of the process and what does not grow with the file."""
INSPECTION_BYTES_PER_S: Final = 5_000_000
"""Slowest reading of text that is waited for; a slow computer was measured at 14 MB/s."""
PACKED_RATIO: Final = 20
"""Bytes of text that one byte may hold: archives of tables reach 5 to 30, and a Parquet file is read as text too."""
INSPECTION_S_MAX: Final = 600.0


def inspection_limit_s(size_bytes: int) -> float:
    """Return how long looking at a file may take."""
    return min(INSPECTION_S_MAX, INSPECTION_BASE_S + size_bytes * PACKED_RATIO / INSPECTION_BYTES_PER_S)


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """Bounds of the storage services. Spans in seconds, sizes in bytes, money in US dollars."""

    upload_bytes_max: int = UPLOAD_BYTES_MAX
    staging_age_s: float = 24 * 3600.0
    """An upload or question older than this was left by a process that died, and is swept at the next start."""
    inspection_memory_bytes: int = 1 << 30
    inspections_at_once: int = 2
    predictions_at_once: int = 2
    fetches_at_once: int = 2
    """Files of addresses that are brought near at a time."""
    waiting_max: int = 16
    """Inspections, predictions and fetches that may wait for a place; the next is refused with ``E-BUSY``."""
    prediction_limit_s: float = 600.0
    prediction_max_cost_usd: Decimal = Decimal(1)
    prediction_rate_usd_per_hour: Decimal = Decimal(0)
    """What a second of prediction costs with this provider; bounds its time by the cost limit."""
    hold_s: float = 60.0
    """How long ``HoldDataset`` alone keeps a data set: the job must be journaled by then."""
    artifact_files_max: int = 200
    artifact_bytes_max: int = 50 << 30
    """All files of one model together."""
    list_max: int = 1000
    """Entries of one listing, newest first."""
    python: str = field(default_factory=lambda: sys.executable)
    """Interpreter that has the container programs."""


@dataclass(frozen=True, slots=True)
class StorageParts:
    """Everything the services reach; made once at boot."""

    world: World
    journal: Journal
    catalogue: Catalogue
    store: CloudStorageProvider
    prediction: CloudPredictionProvider
    audit: AuditTrail
    layout: Layout = field(default_factory=Layout)
    settings: StorageSettings = field(default_factory=StorageSettings)
    copies: Near | None = None
    """What of the store lies on this computer; ``None``: the store does itself."""
    charge: Callable[[Charge], Awaitable[None]] | None = None
    """Has something booked before it costs. Raises Refusal ``E-BUDGET``. ``None``: nobody books."""
    others: Mapping[ProviderKind, StorageParts] = field(default_factory=dict)
    """The stores of other providers the node holds: where open jobs leave results, and earlier ones left theirs."""

    @property
    def kind(self) -> ProviderKind:
        """Whose store this is."""
        return self.store.kind

    def at(self, kind: ProviderKind | None, what: str = "It") -> StorageParts:
        """Return the parts of a provider's store; ``None`` is this one. Raises Refusal ``E-ELSEWHERE``."""
        if kind is None or kind == self.kind:
            return self
        if kind not in self.others:
            raise Refusal("E-ELSEWHERE", f"{what} lies with {kind}.")
        return self.others[kind]

    @property
    def near(self) -> Near:
        """What of the store lies on this computer: uploads arrive there, and programs read there."""
        return self.copies or InPlace(self.store)

    @property
    def incoming(self) -> CloudStorageProvider:
        """Where uploads arrive before they are looked at."""
        return self.near.disk
