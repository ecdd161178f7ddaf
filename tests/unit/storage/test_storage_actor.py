"""The actor is a mailbox before the services, and the catalogue answers from the journal's own read models."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from actors.journal.interface import JournalError
from actors.journal.sqlite import SqliteJournal
from actors.journal.tables import standard
from actors.runtime.clock import SystemClock, SystemEntropy
from actors.runtime.system import ActorSystem
from actors.storage.actor import StorageActor
from actors.storage.catalogue import Catalogue, JournalCatalogue, Removal
from actors.storage.services import StorageServices
from messages.admin import (
    BeginUpload,
    CommitUpload,
    FindDataset,
    HoldDataset,
    ListDatasets,
    RemoveDataset,
    RemoveModel,
)
from messages.errors import Refusal
from messages.ids import DatasetId, JobId
from providers.interface import Unavailable
from tests.unit.storage.kit import ANN, BOB, CSV, JOB, Entropy, House

WAIT_S = 5.0


@pytest.fixture
async def system() -> AsyncIterator[ActorSystem]:
    system = ActorSystem(SystemClock(), SystemEntropy())
    yield system
    await system.shutdown(WAIT_S)


async def test_an_upload_through_the_mailbox(house: House, system: ActorSystem) -> None:
    storage = system.spawn(lambda: StorageActor(house.services), "storage")
    command = house.command()
    grant = await storage.ask(BeginUpload(command_id=command, requester=ANN, name="a"), WAIT_S)
    stored = await house.store.write(grant.key, CSV)
    commit = CommitUpload(command_id=command, requester=ANN, grant=grant, name="a", stored=stored)
    info = await storage.ask(commit, WAIT_S)
    assert await storage.ask(FindDataset(requester=ANN, ref="a"), WAIT_S) == info
    await storage.ask(HoldDataset(job_id=JOB, dataset_id=info.id), WAIT_S)


async def test_a_long_inspection_keeps_nobody_else_waiting(house: House, system: ActorSystem) -> None:
    storage = system.spawn(lambda: StorageActor(house.services), "storage")
    gate = asyncio.Event()
    house.inspection.during = gate.wait
    adding = asyncio.ensure_future(house.add())
    while not house.inspection.argv:
        await asyncio.sleep(0)
    assert await storage.ask(ListDatasets(requester=ANN), WAIT_S) == ()
    gate.set()
    await adding


async def test_refusals_provider_errors_and_our_own_faults_are_answers_that_end_nothing(
    house: House, system: ActorSystem
) -> None:
    storage = system.spawn(lambda: StorageActor(house.services), "storage")
    with pytest.raises(Refusal, match="E-NOTFOUND"):
        await storage.ask(FindDataset(requester=ANN, ref="x"), WAIT_S)
    result = await house.result()
    house.store.fail = lambda call, key: Unavailable("no")
    with pytest.raises(Unavailable):
        await storage.ask(result, WAIT_S)
    house.store.fail = lambda call, key: ZeroDivisionError("a fault of ours")
    for _ in range(20):
        with pytest.raises(Refusal, match="E-INTERNAL"):
            await storage.ask(result, WAIT_S)
    assert house.journal.audited()[-1].code == "E-INTERNAL"
    house.store.fail = lambda call, key: None
    assert (await storage.ask(result, WAIT_S)).code is None
    (info,) = [i for i in system.inspect() if i.name == "storage"]
    assert info.restarts == 0


async def test_leftovers_are_swept_at_the_start(house: House, system: ActorSystem) -> None:
    key = house.layout.incoming_key(ANN.user_id, DatasetId("ds_aaaaaaaaaa"))
    await house.store.write(key, CSV)
    house.clock.elapsed += house.services.parts.settings.staging_age_s + 1
    system.spawn(lambda: StorageActor(house.services), "storage")
    while key in house.store.objects:
        await asyncio.sleep(0)


async def test_a_hold_survives_a_restart_of_the_actor(house: House, system: ActorSystem) -> None:
    info = await house.add()
    first = system.spawn(lambda: StorageActor(house.services), "storage")
    await first.ask(HoldDataset(job_id=JOB, dataset_id=info.id), WAIT_S)
    await first.stop()
    again = system.spawn(lambda: StorageActor(house.services), "storage")
    with pytest.raises(Refusal, match="E-INUSE"):
        await again.ask(RemoveDataset(command_id=house.command(), requester=ANN, ref=info.id), WAIT_S)


async def test_a_full_journal_refuses_a_hold_only_where_it_cannot_be_read(house: House) -> None:
    info = await house.add()

    async def unreadable(*_: Any) -> list[Any]:
        raise JournalError("gone")

    house.journal.full = lambda stream: True
    await house.ask(HoldDataset(job_id=JOB, dataset_id=info.id))
    house.journal.read = unreadable  # type: ignore[method-assign, assignment]
    with pytest.raises(Refusal, match="E-JOURNAL"):
        await house.ask(HoldDataset(job_id=JOB, dataset_id=info.id))


# ------------------------------------------------------------------------------------------------ catalogue


async def on_sqlite(house: House) -> tuple[SqliteJournal, JournalCatalogue]:
    """Move the house onto a real journal in memory."""
    journal = SqliteJournal.memory(clock=house.clock, entropy=Entropy().bytes, projections=standard())
    catalogue = JournalCatalogue(journal)
    parts = replace(house.services.parts, journal=journal, catalogue=catalogue)

    async def nobody(dataset: DatasetId) -> dict[JobId, bool]:
        return {}

    house.services = StorageServices(parts, nobody)
    return journal, catalogue


async def test_the_catalogue_answers_as_the_events_do(house: House) -> None:
    journal, catalogue = await on_sqlite(house)
    kinds: Catalogue = catalogue
    one = await house.add(name="one.csv")
    house.clock.elapsed += 1
    two = await house.add(name="two.csv")
    theirs = await house.add(BOB, name="one.csv")
    model = await house.model()
    house.clock.elapsed += 1
    newer = await house.model(job=JobId("job_kkkkkkkkkk"))
    assert await kinds.datasets(ANN.user_id, 10) == [two, one]
    assert await kinds.datasets(ANN.user_id, 1) == [two]
    assert await kinds.models(ANN.user_id, 10) == [newer, model]
    for ref, meant in (("one.csv", [one]), (one.id, [one]), (one.id[:9], [one]), (one.id.tail[:6], [one])):
        assert await kinds.datasets_called(ANN.user_id, ref) == meant
    for ref in (theirs.id, "", "ds_", "%", "_", "' OR 1=1 --", "nothing"):
        assert await kinds.datasets_called(ANN.user_id, ref) == []
    assert await kinds.datasets_called(ANN.user_id, "@last") == [two]
    assert await kinds.models_called(ANN.user_id, "@last") == [newer]
    assert await kinds.models_called(ANN.user_id, "churn-7f3") == [newer, model]
    assert await kinds.same_dataset(ANN.user_id, "one.csv", one.sha256) == one
    assert await kinds.same_dataset(ANN.user_id, "one.csv", "0" * 64) is None
    await house.ask(RemoveDataset(command_id=house.command(), requester=ANN, ref=one.id))
    await house.ask(RemoveModel(command_id=house.command(), requester=ANN, ref=model.id))
    assert await kinds.datasets(ANN.user_id, 10) == [two]
    assert await kinds.models(ANN.user_id, 10) == [newer]
    assert await kinds.removals_left() == []
    assert await kinds.datasets(BOB.user_id, 10) == [theirs]
    await journal.close()


async def test_an_exact_name_is_found_among_many_that_begin_like_it(house: House) -> None:
    journal, catalogue = await on_sqlite(house)
    named = await house.add(name="a")
    for n in range(60):
        house.clock.elapsed += 1
        await house.add(name=f"x{n}")
    assert named in await catalogue.datasets_called(ANN.user_id, "a")
    assert await house.ask(FindDataset(requester=ANN, ref="a")) == named
    await journal.close()


async def test_a_removal_left_half_done_is_found_in_the_read_models(house: House) -> None:
    journal, catalogue = await on_sqlite(house)
    info, model = await house.add(), await house.model()
    messages: list[RemoveDataset | RemoveModel] = [
        RemoveDataset(command_id=house.command(), requester=ANN, ref=info.id),
        RemoveModel(command_id=house.command(), requester=ANN, ref=model.id),
    ]
    append = journal.append

    async def dying(stream: str, *args: Any, **kwargs: Any) -> Any:
        if stream.startswith(("dataset/", "model/")):
            raise ConnectionAbortedError("the process died here")
        return await append(stream, *args, **kwargs)

    journal.append = dying  # type: ignore[method-assign]
    for msg in messages:
        with pytest.raises(Refusal, match="E-INTERNAL"):
            await house.ask(msg)
    journal.append = append  # type: ignore[method-assign]
    left = await catalogue.removals_left()
    assert sorted(left) == sorted(Removal(m.command_id, t) for m, t in zip(messages, (info.id, model.id), strict=True))
    await house.services.sweep()
    assert await catalogue.removals_left() == []
    assert await catalogue.datasets(ANN.user_id, 10) == []
    assert not house.store.objects.keys() & {info.key}
    await journal.close()
