"""Read models: kept up in the same transaction, rebuilt on order, never in the way of an event."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import apsw
import pytest

from actors.journal.interface import ANY, NEW, JournalUnavailable, Position, Recorded, Version
from actors.journal.rows import to_micros
from actors.journal.sqlite import SqliteJournal
from actors.journal.tables import standard
from actors.journal.tables.alarms import Alarms
from actors.journal.tables.audit import Audit
from messages.events import (
    END_UNPROVEN,
    AlarmEnded,
    AlarmRaised,
    Audited,
    DatasetAdded,
    DatasetRemoved,
    Event,
    GoneProved,
    ModelRemoved,
    ModelStored,
    OrphanGone,
    PredictionMade,
    SurplusGone,
)
from messages.ids import DatasetId, JobId, ModelId, PredictionId, UserId
from messages.machines import Gone, Machine, MachineState
from messages.storage import DatasetInfo, ModelInfo, Profile
from tests.support.faulty_vfs import FaultyVFS
from tests.support.journal_kit import START, HandClock, Starts, command, counting_entropy, note, started

USER = UserId.derived("u")


def dataset() -> DatasetInfo:
    profile = Profile(rows=1, columns=(), delimiter=",", encoding="utf-8", size_bytes=1, sha256="0")
    return DatasetInfo(
        id=DatasetId.derived("d"),
        user_id=USER,
        name="churn",
        key="k",
        size_bytes=1,
        sha256="0",
        added=START,
        profile=profile,
    )


def model() -> ModelInfo:
    return ModelInfo(
        id=ModelId.derived("m"),
        user_id=USER,
        name="churn-1",
        job_id=JobId.derived("j"),
        dataset_id=DatasetId.derived("d"),
        key="k",
        target="t",
        task="classification",
        model_type="linear",
        features=("a",),
        metrics={"accuracy": 0.5},
        artifacts=(),
        size_bytes=1,
        created=START,
    )


async def test_a_read_model_is_up_to_date_when_the_append_returns(opened: Any) -> None:
    journal = await opened(projections=[Starts()], threaded=True)
    await journal.append("node", ANY, [started(1), note(), started(2)], actor="daemon")
    assert await journal.query("SELECT run FROM starts") == [("r1",), ("r2",)]
    assert await journal.query("SELECT applied_position FROM projections") == [(3,)]


async def test_a_read_model_is_not_applied_twice_after_reopening(opened: Any) -> None:
    journal = await opened(projections=[Starts()])
    await journal.append("node", ANY, [started(1)], actor="daemon")
    await journal.append("job/1", ANY, [note(1)], actor="daemon")
    await journal.close()
    again = Starts()
    journal = await opened(projections=[again])
    assert again.applied == 0
    assert await journal.query("SELECT run FROM starts") == [("r1",)]


async def test_a_new_read_model_is_made_from_the_events_that_were(opened: Any) -> None:
    journal = await opened()
    await journal.append("node", ANY, [started(n) for n in range(2_500)], actor="daemon")
    await journal.close()
    journal = await opened(projections=[Starts()])
    assert await journal.query("SELECT count(*), min(run) FROM starts") == [(2_500, "r0")]


async def test_another_version_drops_the_old_tables_and_rebuilds(opened: Any) -> None:
    journal = await opened(projections=[Starts()])
    await journal.append("node", ANY, [started(1)], actor="daemon")
    await journal.close()
    journal = await opened(projections=[Starts(version=2, table="begun")])
    assert await journal.query("SELECT run FROM begun") == [("r1",)]
    with pytest.raises(apsw.SQLError):
        await journal.query("SELECT run FROM starts")


async def test_a_fault_in_a_read_model_never_keeps_an_event_out(opened: Any) -> None:
    faulty = Starts(error=ZeroDivisionError("oh"))
    journal = await opened(projections=[faulty, *standard()])
    await journal.append("node", ANY, [started(1)], actor="daemon")
    assert journal.broken_read_models == {"starts": "ZeroDivisionError: oh"}
    assert await journal.query("SELECT count(*) FROM starts") == [(0,)]
    await journal.append("command/1", NEW, [started(2), command(1)], actor="daemon")
    assert faulty.applied == 1
    assert await journal.query("SELECT count(*) FROM commands") == [(1,)]
    assert len(await journal.read("node")) == 1

    faulty.error = None
    await journal.rebuild("starts")
    assert journal.broken_read_models == {}
    assert await journal.query("SELECT run FROM starts") == [("r1",), ("r2",)]


async def test_a_wrong_statement_counts_as_a_fault_of_the_read_model(opened: Any) -> None:
    journal = await opened(projections=[Starts(error=apsw.SQLError("no such table"))])
    assert (await journal.append("node", ANY, [started(1)], actor="daemon")).version == 1
    assert "no such table" in journal.broken_read_models["starts"]


async def test_a_read_model_that_breaks_while_it_is_rebuilt_is_set_aside(opened: Any) -> None:
    journal = await opened()
    await journal.append("node", ANY, [started(1)], actor="daemon")
    await journal.close()
    journal = await opened(projections=[Starts(error=KeyError("x"))])
    assert "starts" in journal.broken_read_models
    assert await journal.query("SELECT applied_position FROM projections") == [(0,)]


async def test_a_full_disk_under_a_read_model_fails_the_append_and_not_the_model(
    opened: Any,
) -> None:
    projection = Starts(error=apsw.FullError("full"))
    journal = await opened(projections=[projection])
    with pytest.raises(JournalUnavailable, match="full"):
        await journal.append("node", ANY, [started(1)], actor="daemon")
    assert journal.broken_read_models == {}
    assert await journal.read("node") == []


async def test_events_and_read_models_are_written_in_one_transaction(opened: Any, tmp_path: Path) -> None:
    vfs = FaultyVFS()
    journal = await opened(projections=[Starts()], vfs=vfs.name)
    await journal.append("node", ANY, [started(1)], actor="daemon")
    for left in range(0, 40_000, 8_192):
        vfs.bytes_left = left
        with pytest.raises(JournalUnavailable):
            await journal.append("node", ANY, [started(n) for n in range(100)], actor="daemon")
    vfs.heal()
    assert await journal.query("SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM starts)") == [(1, 1)]
    await journal.close()
    vfs.unregister()


async def test_the_standard_read_models_hold_what_exists(opened: Any, clock: HandClock) -> None:
    journal = await opened(projections=standard())
    await journal.append("dataset/1", NEW, [DatasetAdded(dataset=dataset())], actor="StorageActor")
    await journal.append("model/1", NEW, [ModelStored(model=model())], actor="StorageActor")
    made = PredictionMade(
        prediction_id=PredictionId.derived("p"),
        user_id=USER,
        model_id=model().id,
        key="k",
        rows=3,
        cost_usd="0",
    )
    await journal.append("prediction/1", NEW, [made], actor="StorageActor")
    await journal.append("command/sys:1", NEW, [command(1)], actor="Dispatcher")
    rows = await journal.query("SELECT id, user_id, name, created, document FROM datasets")
    assert rows[0][:4] == (dataset().id, USER, "churn", to_micros(START))
    assert DatasetInfo.model_validate_json(rows[0][4]) == dataset()
    rows = await journal.query("SELECT id, job_id, document FROM models WHERE user_id = ?", [USER])
    assert (rows[0][0], rows[0][1]) == (model().id, JobId.derived("j"))
    assert ModelInfo.model_validate_json(rows[0][2]) == model()
    rows = await journal.query("SELECT model_id, created, document FROM predictions")
    assert rows[0][:2] == (model().id, to_micros(clock.now()))
    assert PredictionMade.model_validate_json(rows[0][2]) == made
    rows = await journal.query("SELECT id, digest, answer FROM commands")
    assert (rows[0][0], rows[0][1], json.loads(rows[0][2])) == ("sys:1", "d", {"job": "1"})

    await journal.append("dataset/1", ANY, [DatasetRemoved(dataset_id=dataset().id, by=USER)], actor="StorageActor")
    await journal.append("model/1", ANY, [ModelRemoved(model_id=model().id, by=USER)], actor="StorageActor")
    assert await journal.query("SELECT id FROM datasets UNION SELECT id FROM models") == []


async def test_the_audit_and_the_alarms_are_bounded(clock: HandClock) -> None:
    journal = SqliteJournal.memory(
        clock=clock, entropy=counting_entropy(), projections=[Audit(rows_max=3), Alarms(rows_max=2)]
    )
    for number in range(5):
        done = Audited(who="u", what=f"w{number}", resource="r", success=True, provider="local", at=START)
        await journal.append("audit", ANY, [done], actor="AdminGateway")
    assert [w for (w,) in await journal.query("SELECT what FROM audit ORDER BY id")] == ["w2", "w3", "w4"]
    assert len(await journal.read("audit")) == 5
    for number, alarm in enumerate(["a", "b", "a", "c"]):
        raised = AlarmRaised(alarm=alarm, detail="", at=START + timedelta(seconds=number))
        await journal.append("node", ANY, [raised], actor="daemon")
    assert await journal.query("SELECT alarm, times FROM alarms ORDER BY alarm") == [("a", 2), ("c", 1)]
    await journal.close()


async def test_an_alarm_with_a_subject_stands_as_it_was_raised_last_until_it_is_over(clock: HandClock) -> None:
    journal = SqliteJournal.memory(clock=clock, entropy=counting_entropy(), projections=[Alarms()])

    async def standing() -> list[tuple[Any, ...]]:
        return await journal.query("SELECT alarm, subject, detail FROM alarms ORDER BY alarm, subject")

    async def raised(alarm: str, subject: str, detail: str) -> None:
        event = AlarmRaised(alarm=alarm, subject=subject, detail=detail, code="E-UNPROVEN", at=START)
        await journal.append("node", ANY, [event], actor="daemon")

    for subject in ("m1", "m2", "m3", "m4"):
        await raised(END_UNPROVEN, subject, "2 min")
    await raised(END_UNPROVEN, "m1", "10 min")
    await raised("other", "m1", "o")
    assert (await standing())[:2] == [(END_UNPROVEN, "m1", "10 min"), (END_UNPROVEN, "m2", "2 min")]
    proof = Gone(account="a", at=START, absent_since=START, listing_began=START, evidence=())
    late = Machine(id="m3", name="n", account="a", state=MachineState.RUNNING, first_seen=START, rate_usd_per_hour=None)
    over: list[tuple[str, Event]] = [
        ("job/job_aaaaaaaaaa", GoneProved(attempt=1, machine_id="m1", proof=proof)),
        ("job/job_aaaaaaaaaa", SurplusGone(attempt=1, machine_id="m2", proof=proof)),
        ("fleet", OrphanGone(machine=late, reason="r", proof=proof, cost_usd=Decimal(0), at=START)),
    ]
    for stream, event in over:
        await journal.append(stream, ANY, [event], actor="EffectRunner")
    assert await standing() == [(END_UNPROVEN, "m4", "2 min"), ("other", "m1", "o")]
    for subject in ("m1", "nothing"):
        await journal.append("node", ANY, [AlarmEnded(alarm="other", subject=subject, at=START)], actor="daemon")
    assert await standing() == [(END_UNPROVEN, "m4", "2 min")]
    await journal.close()


async def test_rebuilding_what_is_not_there_does_nothing(journal: SqliteJournal) -> None:
    await journal.rebuild("nothing")


def test_the_standard_tables_pass_over_what_they_do_not_want() -> None:
    connection = apsw.Connection(":memory:")
    other = Recorded(note(), "e", "s", Version(1), Position(1), START, None, "a")
    for projection in standard():
        connection.execute(projection.ddl)
        projection.apply(connection, other)
        assert connection.total_changes() == 0
    connection.close()
