"""Puts the local provider together."""

from __future__ import annotations

import os

from providers.interface import InPlace, Provider
from providers.local.exits import ExitWatch
from providers.local.identity import Identity, read_identity, refuse_other_platforms
from providers.local.machines import Machines
from providers.local.prediction import LocalPrediction, PredictionTerms
from providers.local.processes import ProcessTable, ProcFs
from providers.local.registry import Registry
from providers.local.settings import LocalSettings
from providers.local.storage import LocalStorage
from providers.local.training import LocalTraining
from providers.seams import Entropy, ProgramRunner, ProviderClock
from providers.worker import Worker

UPLOAD_NAME_BYTES = 12


def build_local(
    settings: LocalSettings,
    clock: ProviderClock,
    entropy: Entropy,
    runner: ProgramRunner,
    *,
    table: ProcessTable | None = None,
    identity: Identity | None = None,
    training_worker: Worker | None = None,
    storage_worker: Worker | None = None,
) -> Provider:
    """Open the local provider below ``settings.root``, which is made if need be.

    Raises Refused (E-PLATFORM) where machines could not be watched. ``table`` and ``identity`` are this computer's
    unless given. Storage has a thread of its own, so that no transfer delays a terminate.
    """
    refuse_other_platforms()
    root = settings.root.absolute()
    settings = settings.model_copy(update={"root": root, "wrapper": settings.wrapper.absolute()})
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    table = table if table is not None else ProcFs(uid=os.getuid())
    identity = identity if identity is not None else read_identity(root)
    worker = storage_worker or Worker("local-storage")
    storage = LocalStorage(root / "storage", lambda: entropy.bytes(UPLOAD_NAME_BYTES).hex(), worker)
    machines = Machines(settings, Registry(root), table, identity, clock)
    training = LocalTraining(
        settings, machines, ExitWatch(table), identity, storage, clock, training_worker or Worker("local-machines")
    )
    terms = PredictionTerms(
        folder=root / "predictions",
        python=settings.python,
        workers_max=settings.prediction_workers_max,
        memory_bytes=settings.prediction_memory_bytes,
        usd_per_second=settings.price_usd_per_second,
    )
    return Provider(training, storage, LocalPrediction(terms, storage, InPlace(storage), runner, clock, worker))
