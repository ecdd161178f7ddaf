"""What of a cloud provider lies and runs on this computer: copies of its store's objects, and predictions with them."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path
from typing import Final

from pydantic import Field

from messages.base import Record
from providers.interface import CloudStorageProvider
from providers.local.prediction import LocalPrediction, PredictionTerms
from providers.local.storage import LocalStorage
from providers.near import COPIES_BYTES_MAX, NearCopies
from providers.seams import Outside, ProgramRunner, ProviderClock
from providers.worker import Worker

UPLOAD_NAME_BYTES: Final = 12


class HereSettings(Record):
    """Where copies and predictions are on this computer, and what they may take of it."""

    near: Path
    """Absolute directory for uploads on their way and for copies of the store's objects."""
    near_bytes_max: int = Field(default=COPIES_BYTES_MAX, gt=0)
    python: str = Field(default_factory=lambda: sys.executable)
    """Interpreter of the prediction program."""
    prediction_workers_max: int = Field(default=1, ge=0)
    prediction_memory_bytes: int | None = None
    prediction_usd_per_second: Decimal = Field(default=Decimal(0), ge=0, le=Decimal(100))
    """What this computer is said to cost while a prediction runs on it."""


class PredictionHere(LocalPrediction):
    """Answers predictions on this computer with models of a store elsewhere; a subclass says of which ``kind``."""

    def __init__(
        self,
        terms: PredictionTerms,
        storage: CloudStorageProvider,
        copies: NearCopies,
        runner: ProgramRunner,
        clock: ProviderClock,
        worker: Worker,
    ) -> None:
        super().__init__(terms, storage, copies, runner, clock, worker)
        self.copies = copies

    async def close(self) -> None:
        """End what runs, and let go of the copies they read."""
        await super().close()
        await self.copies.close()


def build_here(
    prediction: type[PredictionHere],
    settings: HereSettings,
    storage: CloudStorageProvider,
    outside: Outside,
    worker: Worker,
) -> PredictionHere:
    """Make the directory and return predictions of this class with their copies of ``storage``. Raises OSError."""
    near = settings.near.absolute()
    near.mkdir(parents=True, exist_ok=True, mode=0o700)
    disk = LocalStorage(near / "objects", lambda: outside.entropy.bytes(UPLOAD_NAME_BYTES).hex(), worker)
    copies = NearCopies(storage, disk, outside.clock, settings.near_bytes_max)
    terms = PredictionTerms(
        folder=near / "predictions",
        python=settings.python,
        workers_max=settings.prediction_workers_max,
        memory_bytes=settings.prediction_memory_bytes,
        usd_per_second=settings.prediction_usd_per_second,
    )
    return prediction(terms, storage, copies, outside.runner, outside.clock, worker)
