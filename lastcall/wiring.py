"""Puts the actors that the whole node shares together: the ledger, storage, the reconciler, and what people see."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from actors.admin.services import Audit, Services
from actors.audit import audited
from actors.dispatcher.planning import Defaults
from actors.journal.interface import Journal, JournalUnavailable
from actors.ledger.actor import CostLedger
from actors.ledger.budgets import Budgets
from actors.ledger.requests import Charge
from actors.runtime.actor import Ref
from actors.runtime.system import ActorSystem
from actors.runtime.world import World
from actors.storage.actor import StorageActor
from actors.storage.audit import AuditTrail
from actors.storage.catalogue import JournalCatalogue
from actors.storage.jobs import JournaledJobs
from actors.storage.parts import StorageParts, StorageSettings
from actors.storage.prune import Retention
from actors.storage.pruning import Upkeep
from actors.storage.rent import Rent
from actors.storage.services import StorageServices
from actors.storage.standing import Measured, SpaceMeter
from actors.views.billed import BillViews
from actors.views.jobs import JobViews
from actors.views.node import NodeFacts, NodeRefs, NodeViews
from lastcall.config.settings import Settings
from lastcall.parts import Parts
from messages.ids import DatasetId, JobId
from messages.machines import ProviderKind
from messages.money import HOUR_SECONDS
from providers.interface import RentsSpace

CHARGE_S = 10.0
SafeMode = Callable[[], str | None]
"""Says why nothing is launched, or ``None``."""


def ledger(world: World, parts: Parts) -> CostLedger:
    """Return the ledger over every provider's timings."""
    budgets = parts.settings.budgets
    limits = Budgets.model_validate(budgets.model_dump(exclude={"timezone"}))
    timings = {kind: provider.training.timings for kind, provider in parts.rented.items()}
    return CostLedger(parts.journal, world.clock, limits, budgets.zone, timings, parts.kind)


def defaults(settings: Settings) -> Defaults:
    """Return the limits of an order that names none."""
    training = settings.training
    return Defaults(settings.limits.max_runtime_s, training.max_cost_usd, training.max_billed_attempts)


# ------------------------------------------------------------------------------------------------ storage


def storage(world: World, parts: Parts, ledger: Ref[Any]) -> Callable[[], StorageActor]:
    """Return what makes the storage actor over every provider's store; ``ledger`` books what copies cost."""

    async def charge(asked: Charge) -> None:
        await ledger.ask(asked, CHARGE_S)

    others = {kind: _store(world, parts, kind) for kind in parts.rented if kind != parts.kind}
    kept, journal = parts.settings.retention, parts.journal
    spans = (kept.job_folders_days, kept.logs_days, kept.environments_days)
    retention = Retention(*(timedelta(days=days) for days in spans))
    upkeep = Upkeep(JournaledJobs(journal), retention, parts.bundle)
    services = StorageServices(
        dataclasses.replace(_store(world, parts, parts.kind, others), charge=charge),
        lambda dataset: _jobs_using(journal, dataset),
        upkeep,
    )
    return lambda: StorageActor(services)


def _store(
    world: World, parts: Parts, kind: ProviderKind, others: Mapping[ProviderKind, StorageParts] | None = None
) -> StorageParts:
    settings, provider, journal = parts.settings, parts.providers[kind].provider, parts.journal
    return StorageParts(
        world=world,
        journal=journal,
        catalogue=JournalCatalogue(journal),
        store=provider.storage,
        copies=provider.near,
        prediction=provider.prediction,
        audit=AuditTrail(journal, world.clock, provider.storage.kind),
        layout=parts.layout(kind),
        settings=StorageSettings(
            prediction_max_cost_usd=settings.predictions.max_cost_usd,
            prediction_rate_usd_per_hour=settings.local.price_usd_per_second * HOUR_SECONDS,
        ),
        others=others or {},
    )


def space_meter(world: World, parts: Parts, ledger: Ref[Any]) -> SpaceMeter:
    """Return what looks at the stores of every provider that charges for space, or rents it out."""
    stores = {kind: Measured(rented.storage, parts.layout(kind)) for kind, rented in parts.rented.items()}
    rents = {
        kind: Rent(kind, rented.training, parts.owner, world.clock, ledger, parts.log)
        for kind, rented in parts.rented.items()
        if isinstance(rented.training, RentsSpace)
    }
    return SpaceMeter(stores, rents, world.clock, ledger, parts.log)


async def _jobs_using(journal: Journal, dataset_id: DatasetId) -> dict[JobId, bool]:
    sql = "SELECT job_id, state != 'closed' FROM jobs WHERE dataset_id = ?"
    rows = await journal.query(sql, (dataset_id,))
    return {JobId(job_id): bool(is_open) for job_id, is_open in rows}


# ------------------------------------------------------------------------------------------------ what people see


def services(
    world: World,
    parts: Parts,
    refs: NodeRefs,
    desks: tuple[Ref[Any], Ref[Any]],
    system: ActorSystem,
    safe_mode: SafeMode,
) -> Services:
    """Return what the gateway serves; ``desks`` are the dispatcher and the reconciler."""
    dispatcher, reconciler = desks
    provider = parts.home
    jobs = JobViews(parts.journal, world.clock, parts.rented, dispatcher, tuple(refs.fleets.values()))
    views = NodeViews(
        NodeFacts(parts.version, world.run, world.clock.now(), parts.kind, parts.naming),
        refs,
        jobs,
        parts.journal,
        world.clock,
        system,
        safe_mode,
        parts.config,
        BillViews(parts.journal, world.clock, refs.ledger, parts.rented, parts.naming.key),
    )
    return Services(
        dispatcher=dispatcher,
        storage=refs.storage,
        reconciler=reconciler,
        store=provider.storage,
        incoming=provider.near.disk,
        views=views,
        audit=audit(world, parts),
        version=parts.version,
        others={kind: rented.storage for kind, rented in parts.rented.items() if kind != parts.kind},
    )


def audit(world: World, parts: Parts) -> Audit:
    """Return how the gateway writes down what it refuses; a disk that takes nothing leaves it in the log."""

    async def written(who: str, what: str, resource: str, success: bool, code: str | None, detail: str) -> None:
        try:
            await audited(
                parts.journal,
                world.clock,
                who=who,
                what=what,
                resource=resource,
                success=success,
                provider=parts.kind,
                actor="AdminGateway",
                code=code,
                detail=detail,
            )
        except JournalUnavailable as error:
            parts.log("audit_not_journaled", what=what, error=str(error))

    return written
