"""Data sets: how they come, are found, are held and go (faults 34, 36, 37, 41, 82)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from actors.storage.parts import StorageSettings
from messages.admin import (
    AbandonUpload,
    BeginPrediction,
    BeginUpload,
    CheckTraining,
    CommitUpload,
    FindDataset,
    HoldDataset,
    ListDatasets,
    ReadDataset,
    RemoveDataset,
    TrainOrder,
)
from messages.errors import Refusal
from messages.ids import CommandId, DatasetId, JobId
from providers.interface import Unavailable
from tests.unit.storage.kit import ANN, BOB, CSV, JOB, House, Result, build


async def refused(code: str, house: House, msg: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await house.ask(msg)
    assert caught.value.code == code
    return caught.value


def remove(house: House, ref: str, command: CommandId | None = None) -> RemoveDataset:
    return RemoveDataset(command_id=command or house.command(), requester=ANN, ref=ref)


async def test_an_upload_becomes_visible_whole_and_leaves_no_staging(house: House) -> None:
    info = await house.add()
    assert list(house.store.objects) == [info.key]
    assert house.store.objects[info.key][0] == CSV
    assert info.key == house.layout.dataset_key(ANN.user_id, info.id)
    assert await house.ask(ListDatasets(requester=ANN)) == (info,)
    grant = await house.ask(ReadDataset(requester=ANN, ref=info.name))
    assert (grant.key, grant.size_bytes) == (info.key, len(CSV))


async def test_nothing_is_visible_between_begin_and_commit(house: House) -> None:
    grant = await house.ask(BeginUpload(command_id=house.command(), requester=ANN, name="a.csv"))
    await house.store.write(grant.key, CSV)
    assert await house.ask(ListDatasets(requester=ANN)) == ()
    await refused("E-NOTFOUND", house, FindDataset(requester=ANN, ref=grant.dataset_id))


async def test_the_same_command_again_gives_the_same_data_set(house: House) -> None:
    command = house.command()
    first = await house.add(command=command)
    house.again()
    assert await house.add(command=command) == first
    assert len(await house.ask(ListDatasets(requester=ANN))) == 1
    with pytest.raises(Refusal, match="E-IDEMPOTENCY"):
        await house.add(command=command, data=b"a,y\n5,6\n")


async def test_the_same_bytes_under_the_same_name_are_the_same_data_set(house: House) -> None:
    first = await house.add()
    assert await house.add() == first
    assert (await house.add(name="other.csv")).id != first.id
    assert (await house.add(data=b"a,y\n5,6\n")).id != first.id
    assert (await house.add(BOB)).id != first.id
    assert len(house.store.objects) == 4


async def test_two_uploads_of_the_same_at_once_are_one_data_set(house: House) -> None:
    async def pause() -> None:
        await asyncio.sleep(0)

    house.inspection.during = pause
    one, two = await asyncio.gather(house.add(), house.add())
    assert one == two
    command = house.command()
    three, four = await asyncio.gather(
        house.add(name="x", command=command), house.add(name="x", command=command), return_exceptions=True
    )
    assert not isinstance(three, BaseException)
    assert four == three or isinstance(four, Refusal)


@pytest.mark.parametrize("code", ["E-CSV-EMPTY", "E-CSV-BINARY", "E-CSV-COLUMNS", "E-CSV-HEADER"])
async def test_a_bad_file_is_refused_with_its_code_and_deleted(house: House, code: str) -> None:
    body = {"ok": False, "code": code, "detail": "line 3: do this"}
    house.inspection.answer = lambda argv: Result(stdout=json.dumps(body).encode())
    with pytest.raises(Refusal) as caught:
        await house.add()
    assert (caught.value.code, caught.value.detail) == (code, "line 3: do this")
    assert not house.store.objects
    assert not await house.journal.streams("dataset/")
    assert [a.code for a in house.journal.audited()] == [code]


def slow(argv: list[str]) -> Result:
    raise TimeoutError


def unstartable(argv: list[str]) -> Result:
    raise BlockingIOError("no more processes")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (slow, "E-CSV-TIMEOUT"),
        (unstartable, "E-BUSY"),
        (lambda argv: Result(exit_code=-9), "E-INTERNAL"),
        (lambda argv: Result(stdout=b""), "E-INTERNAL"),
        (lambda argv: Result(stdout=b'{"ok": true}'), "E-INTERNAL"),
        (lambda argv: Result(stdout=b'{"ok": false, "code": "E-FORBIDDEN"}'), "E-INTERNAL"),
        (lambda argv: Result(stdout=b'{"ok": false, "code": "E-CSV-INVENTED"}'), "E-INTERNAL"),
        (lambda argv: Result(stdout=b'{"ok": "perhaps", "profile": 3}'), "E-INTERNAL"),
    ],
)
async def test_a_broken_inspection_never_makes_a_data_set(house: House, answer: Any, code: str) -> None:
    house.inspection.answer = answer
    with pytest.raises(Refusal) as caught:
        await house.add()
    assert caught.value.code == code
    assert not house.store.objects


async def test_inspections_that_wait_are_bounded() -> None:
    house = build(StorageSettings(inspections_at_once=1, waiting_max=1))
    gate = asyncio.Event()
    house.inspection.during = gate.wait
    first, second = (asyncio.ensure_future(house.add(name=n)) for n in ("a", "b"))
    while not house.inspection.argv or len(house.store.objects) < 2:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(Refusal, match="E-BUSY"):
        await house.add(name="c")
    gate.set()
    assert {(await first).name, (await second).name} == {"a", "b"}


async def test_what_was_streamed_must_be_what_is_stored(house: House) -> None:
    command = house.command()
    grant = await house.ask(BeginUpload(command_id=command, requester=ANN, name="a"))
    stored = await house.store.write(grant.key, CSV)

    def commit(**changes: Any) -> CommitUpload:
        changed = stored.model_copy(update=changes)
        return CommitUpload(command_id=command, requester=ANN, grant=grant, name="a", stored=changed)

    for changes in ({"size_bytes": 5}, {"sha256": "0" * 64}):
        await house.store.write(grant.key, CSV)
        await refused("E-BADREQUEST", house, commit(**changes))
    await refused("E-BADREQUEST", house, commit())  # refused above, so the staged file is gone
    await house.store.write(grant.key, CSV)
    assert (await house.ask(commit(sha256=None))).size_bytes == len(CSV)


async def test_a_damaged_copy_is_never_made_visible(house: House) -> None:
    command = house.command()
    grant = await house.ask(BeginUpload(command_id=command, requester=ANN, name="a"))
    house.store.flip.add(grant.key)
    with pytest.raises(Unavailable):
        await house.add(name="a", command=command)
    assert list(house.store.objects) == [grant.key]
    house.store.copy_knows_digest = False
    assert (await house.add(name="a", command=command)).name == "a"


async def test_too_large_is_refused_before_and_after_the_stream() -> None:
    house = build(StorageSettings(upload_bytes_max=len(CSV) - 1))
    begin = BeginUpload(command_id=house.command(), requester=ANN, name="a", size_bytes=len(CSV))
    await refused("E-TOOLARGE", house, begin)
    begin = begin.model_copy(update={"size_bytes": None})
    grant = await house.ask(begin)
    stored = await house.store.write(grant.key, CSV)
    commit = CommitUpload(command_id=begin.command_id, requester=ANN, grant=grant, name="a", stored=stored)
    await refused("E-TOOLARGE", house, commit)
    assert not house.store.objects


@pytest.mark.parametrize("name", [" ", "a\nb", "a\u202eb", "@last", "a\0"])
async def test_a_name_that_could_fool_a_reader_is_refused(house: House, name: str) -> None:
    await refused("E-BADREQUEST", house, BeginUpload(command_id=house.command(), requester=ANN, name=name))


async def test_a_name_never_enters_a_key(house: House) -> None:
    info = await house.add(name="../../etc/passwd")
    assert info.name == "../../etc/passwd"
    assert "passwd" not in info.key


async def test_only_the_place_that_was_granted_can_be_committed_or_abandoned(house: House) -> None:
    other = await house.add(BOB)
    mine = await house.add(name="mine")
    grant = await house.ask(BeginUpload(command_id=house.command(), requester=ANN, name="a"))
    kept = mine.key.replace("data.csv", f"{mine.id}.csv")
    await house.store.write(kept, CSV)
    for key in (other.key, mine.key, kept, "../x", grant.key.replace(ANN.user_id, BOB.user_id)):
        forged = grant.model_copy(update={"key": key})
        stored = house.store._info(other.key)
        commit = CommitUpload(command_id=house.command(), requester=ANN, grant=forged, name="a", stored=stored)
        await refused("E-KEY", house, commit)
        await refused("E-KEY", house, AbandonUpload(requester=ANN, grant=forged))
    assert {other.key, mine.key, kept} <= set(house.store.objects)


async def test_an_abandoned_upload_leaves_nothing(house: House) -> None:
    model = await house.model()
    grants = [
        await house.ask(BeginUpload(command_id=house.command(), requester=ANN, name="a")),
        await house.ask(BeginPrediction(command_id=house.command(), requester=ANN, model=model.id, name="a")),
    ]
    before = set(house.store.objects)
    for grant in grants:
        await house.store.write(grant.key, CSV)
        await house.ask(AbandonUpload(requester=ANN, grant=grant))
    assert set(house.store.objects) == before


async def test_a_journal_that_takes_nothing_refuses_the_upload_and_leaves_reads_alone(house: House) -> None:
    info = await house.add()
    house.journal.full = lambda stream: True
    with pytest.raises(Refusal, match="E-JOURNAL"):
        await house.add(name="new")
    assert house.layout.dataset_key(ANN.user_id, DatasetId("ds_aaaaaaaaaa")) not in house.store.objects
    assert await house.ask(FindDataset(requester=ANN, ref="@last")) == info
    assert (await house.ask(ReadDataset(requester=ANN, ref=info.id))).key == info.key
    assert house.services.parts.audit.lost == 2
    await refused("E-JOURNAL", house, remove(house, info.id))
    assert info.key in house.store.objects


async def test_a_lost_answer_of_the_store_leaves_the_upload_repeatable(house: House) -> None:
    command = house.command()
    house.store.fail = lambda call, key: Unavailable("lost") if call == "copy" else None
    with pytest.raises(Unavailable):
        await house.add(command=command)
    house.store.fail = lambda call, key: None
    assert (await house.add(command=command)).size_bytes == len(CSV)


# ------------------------------------------------------------------------------------------------ looking with a target


async def test_a_check_asks_inspection_about_this_target_and_leaves_nothing(house: House) -> None:
    info = await house.add()
    order = TrainOrder(dataset=info.name, target="y", features=("a",), model="ridge")
    checked = await house.ask(CheckTraining(requester=ANN, order=order))
    assert (checked.dataset, checked.features, checked.rows_usable) == (info, ("a",), 1)
    assert list(house.store.objects) == [info.key]


async def test_a_check_that_is_refused_names_the_programs_code(house: House) -> None:
    info = await house.add()
    body = {"ok": False, "code": "E-CSV-TARGET", "detail": "no column z"}
    house.inspection.answer = lambda argv: Result(stdout=json.dumps(body).encode())
    msg = CheckTraining(requester=ANN, order=TrainOrder(dataset=info.id, target="z"))
    await refused("E-CSV-TARGET", house, msg)
    assert list(house.store.objects) == [info.key]


async def test_a_data_set_whose_bytes_changed_or_went_is_not_trained_on(house: House) -> None:
    info = await house.add()
    msg = CheckTraining(requester=ANN, order=TrainOrder(dataset=info.id, target="y"))
    await house.store.write(info.key, b"a,y\n0,0\n")
    await refused("E-ARTIFACT", house, msg)
    await house.store.delete(info.key)
    await refused("E-ARTIFACT", house, msg)
    await refused("E-ARTIFACT", house, ReadDataset(requester=ANN, ref=info.id))


# ------------------------------------------------------------------------------------------------ naming


async def test_people_may_name_a_data_set_by_id_beginning_name_or_last(house: House) -> None:
    one = await house.add(name="one.csv")
    two = await house.add(name="two.csv")
    for ref, meant in (
        (one.id, one),
        (one.id[:8], one),
        (one.id.tail[:5], one),
        ("one.csv", one),
        ("@last", two),
    ):
        assert await house.ask(FindDataset(requester=ANN, ref=ref)) == meant
    for ref in ("three.csv", "ds_", "", "@first", one.id + "a", "x" * 5000):
        await refused("E-NOTFOUND", house, FindDataset(requester=ANN, ref=ref))


async def test_a_name_of_two_things_is_ambiguous(house: House) -> None:
    one = await house.add(name="one.csv")
    await house.add(name="one.csv", data=b"a,y\n9,9\n")
    answer = await refused("E-AMBIGUOUS", house, FindDataset(requester=ANN, ref="one.csv"))
    assert one.id in answer.detail


# ------------------------------------------------------------------------------------------------ removing


async def test_a_removed_data_set_is_gone_and_removing_it_again_is_the_same_answer(house: House) -> None:
    info, command = await house.add(), house.command()
    assert await house.ask(remove(house, "@last", command)) == info
    assert not house.store.objects
    newer = await house.add(name="newer.csv")
    assert await house.ask(remove(house, "@last", command)) == info
    assert await house.ask(FindDataset(requester=ANN, ref="@last")) == newer
    await refused("E-NOTFOUND", house, remove(house, info.id))
    await refused("E-IDEMPOTENCY", house, remove(house, newer.id, command))


async def test_an_upload_repeated_after_its_removal_brings_nothing_back(house: House) -> None:
    command = house.command()
    info = await house.add(command=command)
    await house.ask(remove(house, info.id))
    with pytest.raises(Refusal, match="E-NOTFOUND"):
        await house.add(command=command)
    assert (await house.add()).id != info.id


async def test_what_an_open_job_uses_is_not_removed(house: House) -> None:
    info = await house.add()
    house.open_jobs[info.id] = [JOB]
    answer = await refused("E-INUSE", house, remove(house, info.id))
    assert JOB in answer.detail
    assert info.key in house.store.objects
    house.open_jobs.clear()
    await house.ask(remove(house, info.id))


async def test_a_hold_keeps_a_data_set_until_the_job_is_journaled(house: House) -> None:
    info = await house.add()
    await house.ask(HoldDataset(job_id=JOB, dataset_id=info.id))
    await refused("E-INUSE", house, remove(house, info.id))
    house.clock.elapsed += house.services.parts.settings.hold_s
    await house.ask(remove(house, info.id))
    await refused("E-NOTFOUND", house, HoldDataset(job_id=JOB, dataset_id=info.id))
    await refused("E-NOTFOUND", house, HoldDataset(job_id=JOB, dataset_id=DatasetId("ds_zzzzzzzzzz")))


async def test_no_hold_is_given_while_a_removal_is_being_decided(house: House) -> None:
    info = await house.add()
    hold = HoldDataset(job_id=JOB, dataset_id=info.id)

    async def somebody_plans_a_job() -> None:
        await refused("E-NOTFOUND", house, hold)

    house.while_looking = somebody_plans_a_job
    assert await house.ask(remove(house, info.id)) == info
    assert not house.store.objects


async def test_a_removal_that_is_refused_lets_holds_be_taken_again(house: House) -> None:
    info = await house.add()
    house.open_jobs[info.id] = [JOB]
    await refused("E-INUSE", house, remove(house, info.id))
    await house.ask(HoldDataset(job_id=JobId("job_kkkkkkkkkk"), dataset_id=info.id))


async def test_bytes_that_would_not_go_are_swept_at_the_next_start(house: House) -> None:
    info = await house.add()
    house.store.fail = lambda call, key: Unavailable("busy") if call == "delete" else None
    assert await house.ask(remove(house, info.id)) == info
    assert info.key in house.store.objects
    assert await house.services.sweep() is None
    house.store.fail = lambda call, key: None
    house.again()
    assert await house.services.sweep() == (0, 1)
    assert not house.store.objects


async def test_a_removal_that_was_accepted_is_done_after_a_crash(house: House) -> None:
    info = await house.add()
    kept = await house.add(name="kept.csv")
    for ref in (info.id, kept.id):
        house.journal.full = lambda stream: stream.startswith("dataset/")
        await refused("E-JOURNAL", house, remove(house, ref))
        house.journal.full = lambda stream: False
    house.open_jobs[kept.id] = [JOB]
    house.again()
    await house.services.sweep()
    assert await house.ask(ListDatasets(requester=ANN)) == (kept,)
    assert list(house.store.objects) == [kept.key]


# ------------------------------------------------------------------------------------------------ sweeping


async def test_only_old_staging_names_of_ours_are_swept(house: House) -> None:
    info = await house.add()
    stranger = [
        f"datasets/user_{ANN.user_id}/incoming/notes.csv",
        f"datasets/user_{ANN.user_id}/incoming/ds_aaaaaaaaaa.exe",
        f"datasets/user_{ANN.user_id}/incoming/deep/ds_aaaaaaaaaa.csv",
        f"datasets/user_{ANN.user_id}/ds_aaaaaaaaaa/data.csv",
        f"datasets/user_{ANN.user_id}/notes.txt",
        f"datasets/user_{ANN.user_id}/notes/notes.txt",
        f"models/user_{ANN.user_id}/mdl_aaaaaaaaaa/model.skops",
        f"predictions/user_{ANN.user_id}/prd_aaaaaaaaaa/predictions.csv",
        "datasets/somebody/incoming/ds_aaaaaaaaaa.csv",
        "datasets/README",
    ]
    old = [
        f"datasets/user_{BOB.user_id}/incoming/ds_aaaaaaaaaa.csv",
        f"datasets/user_{ANN.user_id}/incoming/ds_aaaaaaaaaa.json",
        f"predictions/user_{ANN.user_id}/incoming/prd_aaaaaaaaaa.csv",
    ]
    for key in stranger + old:
        await house.store.write(key, b"x")
    house.clock.elapsed += house.services.parts.settings.staging_age_s + 1
    young = house.layout.incoming_key(ANN.user_id, DatasetId("ds_bbbbbbbbbb"))
    await house.store.write(young, b"x")
    assert await house.services.sweep() == (3, 0)
    assert set(house.store.objects) == {info.key, young, *stranger}
    assert house.journal.audited()[-1].what == "storage.sweep"
    assert await house.services.sweep() == (0, 0)
