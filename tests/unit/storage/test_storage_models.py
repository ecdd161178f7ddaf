"""Models: collected as a unit, manifest last, never half visible (faults 29, 30, 36, 40)."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.storage.bundle import REQUIRED, Fault, files_of, metrics_of
from actors.storage.models import MANIFEST, read_manifest
from actors.storage.parts import StorageSettings
from messages.admin import Collected, CollectResult, FindModel, ListModels, ReadModelFile, RemoveModel
from messages.errors import Refusal
from messages.events import ModelStored
from messages.ids import JobId, ModelId
from messages.storage import Artifact, ModelInfo
from providers.interface import Unavailable
from tests.unit.storage.kit import ANN, BOB, JOB, House, build

MODEL = ModelId.derived(JOB)
METADATA = b'{"target_column": "y", "task": "regression", "model_type": "ridge", "feature_columns": %s, "job_id": %s}'


async def refused(code: str, house: House, msg: Any) -> None:
    with pytest.raises(Refusal) as caught:
        await house.ask(msg)
    assert caught.value.code == code


async def invisible(house: House) -> bool:
    """Whether nobody can tell that there is a model."""
    listed: tuple[ModelInfo, ...] = await house.ask(ListModels(requester=ANN))
    manifest = f"{house.layout.model_folder(ANN.user_id, MODEL)}/{MANIFEST}"
    return not listed and manifest not in house.store.objects and not await house.journal.streams("model/")


async def test_a_good_result_becomes_one_model_with_its_manifest(house: House) -> None:
    msg = await house.result()
    collected = await house.ask(msg)
    assert house.store.calls[-1] == ("put", f"{house.layout.model_folder(ANN.user_id, MODEL)}/{MANIFEST}")
    assert (collected.model_id, collected.code) == (MODEL, None)
    assert collected.metrics == {"accuracy": 0.9, "baseline": {"accuracy": 0.5}}
    (model,) = await house.ask(ListModels(requester=ANN))
    assert (model.name, model.target, model.task, model.model_type) == ("churn-7f3", "y", "regression", "ridge")
    assert (model.features, model.dataset_id, model.job_id) == (("a", "b"), msg.dataset_id, JOB)
    assert {a.name for a in model.artifacts} == set(REQUIRED)
    assert await read_manifest(house.store, model.key) == model
    manifest = json.loads(house.store.objects[f"{model.key}/{MANIFEST}"][0])
    assert manifest["schema"] == "model/v1"
    assert set(manifest["artifacts"][0]) == {"name", "size_bytes", "sha256"}
    writes = [key for call, key in house.store.calls if call == "put" and key.startswith("models/")]
    assert writes == [f"{model.key}/{MANIFEST}"]


async def test_collecting_again_answers_the_same_and_stores_nothing_twice(house: House) -> None:
    msg = await house.result()
    first = await house.ask(msg)
    house.again()
    before = dict(house.store.objects)
    assert await house.ask(msg) == first
    assert house.store.objects == before
    assert [type(r.event) for r in house.journal.events[f"model/{MODEL}"]] == [ModelStored]
    both = await asyncio.gather(house.ask(msg), house.ask(msg))
    assert list(both) == [first, first]


async def calls_of_one_collection() -> list[tuple[str, str]]:
    house = build()
    msg = await house.result()
    house.store.calls.clear()
    await house.ask(msg)
    return list(house.store.calls)


@pytest.mark.parametrize("after_effect", [False, True])
async def test_a_crash_at_any_store_call_leaves_no_visible_model_and_a_repeat_completes_it(after_effect: bool) -> None:
    calls = await calls_of_one_collection()
    assert len(calls) > 10
    for point in range(len(calls)):
        house = build()
        msg = await house.result()
        house.store.calls.clear()

        def fail(call: str, key: str, house: House = house, point: int = point) -> Exception | None:
            return Unavailable("crash") if len(house.store.calls) == point + 1 + after_effect else None

        house.store.fail = fail
        if point + after_effect < len(calls):
            with pytest.raises(Unavailable):
                await house.ask(msg)
            assert await invisible(house)
        house.store.fail = lambda call, key: None
        house.again()
        collected = await house.ask(msg)
        assert collected.model_id == MODEL
        (model,) = await house.ask(ListModels(requester=ANN))
        for artifact in model.artifacts:
            data = house.store.objects[f"{model.key}/{artifact.name}"][0]
            assert hashlib.sha256(data).hexdigest() == artifact.sha256


async def test_a_crash_between_manifest_and_event_keeps_the_first_manifest(house: House) -> None:
    msg = await house.result()
    house.journal.full = lambda stream: stream.startswith("model/")
    await refused("E-JOURNAL", house, msg)
    assert await house.ask(ListModels(requester=ANN)) == ()
    before = dict(house.store.objects)
    house.journal.full = lambda stream: False
    house.clock.elapsed += 60
    house.again()
    assert (await house.ask(msg)).model_id == MODEL
    assert house.store.objects == before


@pytest.mark.parametrize("manifest", [b"", b"[]", b"{}", b'{"schema": "model/v1"}'])
async def test_a_strange_manifest_is_written_anew(house: House, manifest: bytes) -> None:
    msg = await house.result()
    folder = house.layout.model_folder(ANN.user_id, MODEL)
    await house.store.write(f"{folder}/{MANIFEST}", manifest)
    await house.ask(msg)
    assert await read_manifest(house.store, folder) is not None


async def test_the_manifest_of_another_result_is_not_believed(house: House) -> None:
    first = await house.result()
    house.journal.full = lambda stream: stream.startswith("model/")
    await refused("E-JOURNAL", house, first)
    house.journal.full = lambda stream: False
    second = await house.result(model__skops=b"another")
    await house.ask(second)
    (model,) = await house.ask(ListModels(requester=ANN))
    assert house.store.objects[f"{model.key}/model.skops"][0] == b"another"
    assert model.artifacts[0].size_bytes == len(b"another")


# ------------------------------------------------------------------------------------------------ what does not hold


async def test_a_flipped_bit_in_a_copy_is_read_again(house: House) -> None:
    msg = await house.result()
    house.store.flip.add(f"{msg.folder}/artifacts/model.skops")
    assert (await house.ask(msg)).model_id == MODEL


@pytest.mark.parametrize("knows_digest", [True, False])
async def test_a_flipped_bit_in_the_file_is_no_model(house: House, knows_digest: bool) -> None:
    house.store.copy_knows_digest = knows_digest
    msg = await house.result()
    key = f"{msg.folder}/artifacts/model.skops"
    data = house.store.objects[key][0]
    await house.store.write(key, bytes([data[0] ^ 1]) + data[1:])
    collected = await house.ask(msg)
    assert (collected.code, collected.model_id) == ("E-ARTIFACT", None)
    assert await invisible(house)
    assert not [k for k in house.store.objects if k.startswith("models/")]
    assert house.journal.audited()[-1].code == "E-ARTIFACT"
    assert not house.journal.audited()[-1].success


@pytest.mark.parametrize("name", REQUIRED)
async def test_a_missing_or_short_file_is_no_model(house: House, name: str) -> None:
    msg = await house.result()
    key = f"{msg.folder}/artifacts/{name}"
    whole = house.store.objects[key][0]
    await house.store.write(key, whole[:-1])
    assert (await house.ask(msg)).code == "E-ARTIFACT"
    await house.store.delete(key)
    assert (await house.ask(msg)).code == "E-ARTIFACT"
    assert await invisible(house)
    await house.store.write(key, whole)
    assert (await house.ask(msg)).model_id == MODEL


@pytest.mark.parametrize("name", REQUIRED)
async def test_a_result_without_a_required_file_is_no_result(house: House, name: str) -> None:
    msg = await house.result()
    kept = tuple(a for a in msg.artifacts if not a.name.endswith(name))
    collected = await house.ask(msg.model_copy(update={"artifacts": kept}))
    assert collected.code == "E-NORESULT"
    assert name in collected.detail


@pytest.mark.parametrize(
    "metrics",
    [
        b'{"accuracy": NaN}',
        b'{"accuracy": 0.9, "baseline": {"accuracy": Infinity}}',
        b'{"accuracy": [0.1, -Infinity]}',
        b'{"accuracy": 1e999}',
        b'{"accuracy": ' + b"9" * 400 + b"}",
        b'{"accuracy": "0.9"}',
        b'{"accuracy": true}',
        b"{}",
        b"[0.9]",
        b"{",
        b"",
    ],
)
async def test_metrics_that_are_not_numbers_are_no_success(house: House, metrics: bytes) -> None:
    collected = await house.ask(await house.result(metrics__json=metrics))
    assert (collected.code, collected.model_id) == ("E-METRICS", None)
    assert await invisible(house)


@pytest.mark.parametrize(
    "metadata",
    [
        b"{",
        b"[]",
        b"{}",
        METADATA % (b'"a"', b'""'),
        METADATA % (b"[1]", b'""'),
        METADATA % (b"[]", b'""'),
        METADATA % (b'["a"]', b'"job_zzzzzzzzzz"'),
    ],
)
async def test_a_model_that_does_not_say_what_it_is_or_is_another_jobs_is_refused(
    house: House, metadata: bytes
) -> None:
    assert (await house.ask(await house.result(metadata__json=metadata))).code == "E-ARTIFACT"
    assert await invisible(house)


def artifact(name: str, size: int = 1, sha: str = "0" * 64) -> Artifact:
    return Artifact(name=name, size_bytes=size, sha256=sha)


GOOD = [artifact(f"artifacts/{name}") for name in REQUIRED]


@pytest.mark.parametrize(
    "bad",
    [
        artifact("model.skops"),
        artifact("artifacts/"),
        artifact("artifacts/../../../../etc/passwd"),
        artifact("artifacts//etc/passwd"),
        artifact("artifacts/a\\b"),
        artifact("artifacts/é"),
        artifact("artifacts/manifest.json"),
        artifact("artifacts/model.skops"),
        artifact("artifacts/x", -1),
        artifact("artifacts/x", 1, "0" * 63),
        artifact("artifacts/x", 1, "0" * 63 + "G"),
        artifact("artifacts/x", 1 << 62),
        artifact("other/x"),
    ],
)
def test_a_marker_cannot_name_files_outside_its_folder_or_twice_or_without_bounds(bad: Artifact) -> None:
    fault = files_of([*GOOD, bad], 200, 1 << 40)
    assert isinstance(fault, Fault)
    assert fault.code == "E-ARTIFACT"


def test_files_are_bounded_in_number_and_the_documents_in_length() -> None:
    assert isinstance(files_of([*GOOD, *(artifact(f"artifacts/{n}") for n in range(10))], 10, 1 << 40), Fault)
    large = [artifact(a.name, 5 << 20) if a.name.endswith("metrics.json") else a for a in GOOD]
    assert isinstance(files_of(large, 10, 1 << 40), Fault)
    assert not isinstance(files_of(GOOD, 10, 1 << 40), Fault)


@given(st.binary(max_size=60))
def test_no_metrics_file_whatever_raises(data: bytes) -> None:
    assert isinstance(metrics_of(data), dict | Fault)


async def test_only_this_attempts_own_folder_can_be_collected(house: House) -> None:
    msg = await house.result()
    for changes in (
        {"attempt": 2},
        {"job_id": JobId("job_kkkkkkkkkk")},
        {"folder": msg.folder + "/.."},
        {"folder": msg.folder.replace(ANN.user_id, BOB.user_id)},
        {"requester": BOB},
    ):
        await refused("E-KEY", house, msg.model_copy(update=changes))


async def test_a_path_too_long_for_a_key_is_no_model(house: House) -> None:
    msg = await house.result()
    deep = artifact("artifacts/" + "/".join(["a" * 190] * 4) + "/" + "b" * 110)
    assert (await house.ask(msg.model_copy(update={"artifacts": (*msg.artifacts, deep)}))).code == "E-ARTIFACT"


async def test_a_document_that_changes_while_it_is_collected_is_no_model(house: House) -> None:
    msg = await house.result()
    folder = house.layout.model_folder(ANN.user_id, MODEL)

    def vanish(call: str, key: str) -> None:
        if (call, key) == ("get", f"{folder}/metrics.json"):
            house.store.objects.pop(key)

    house.store.fail = vanish
    assert (await house.ask(msg)).code == "E-ARTIFACT"


# ------------------------------------------------------------------------------------------------ reading and removing


async def test_model_files_are_read_by_name_and_only_those_listed(house: House) -> None:
    model = await house.model()
    for file in (*REQUIRED, MANIFEST):
        grant = await house.ask(ReadModelFile(requester=ANN, ref=model.id, file=file))
        assert grant.key == f"{model.key}/{file}"
        assert grant.size_bytes == len(house.store.objects[grant.key][0])
    for file in ("nothing", "../x", "", f"/{MANIFEST}"):
        await refused("E-NOTFOUND", house, ReadModelFile(requester=ANN, ref=model.id, file=file))


async def test_a_model_file_that_shrank_or_went_is_said_to_be_damaged(house: House) -> None:
    model = await house.model()
    msg = ReadModelFile(requester=ANN, ref="@last", file="model.skops")
    await house.store.write(f"{model.key}/model.skops", b"short")
    await refused("E-MODEL-DAMAGED", house, msg)
    await house.store.delete(f"{model.key}/model.skops")
    await refused("E-MODEL-DAMAGED", house, msg)


async def test_a_removed_model_is_gone_with_its_files_and_stays_gone(house: House) -> None:
    msg = await house.result()
    await house.ask(msg)
    model: ModelInfo = await house.ask(FindModel(requester=ANN, ref="churn-7f3"))
    removal = RemoveModel(command_id=house.command(), requester=ANN, ref="@last")
    assert await house.ask(removal) == model
    assert await house.ask(removal) == model
    assert not [k for k in house.store.objects if k.startswith("models/")]
    await refused("E-NOTFOUND", house, FindModel(requester=ANN, ref=model.id))
    assert (await house.ask(msg)).model_id == MODEL
    assert await house.ask(ListModels(requester=ANN)) == ()
    assert not [k for k in house.store.objects if k.startswith("models/")]


async def test_model_files_that_would_not_go_are_swept(house: House) -> None:
    model = await house.model()
    other = await house.model(job=JobId("job_kkkkkkkkkk"))
    house.store.fail = lambda call, key: Unavailable("busy") if call == "delete" and "skops" in key else None
    await house.ask(RemoveModel(command_id=house.command(), requester=ANN, ref=model.id))
    house.store.fail = lambda call, key: None
    assert f"{model.key}/model.skops" in house.store.objects
    house.again()
    swept = await house.services.sweep()
    assert swept is not None
    assert swept.removed > 0
    left = [k for k in house.store.objects if k.startswith("models/")]
    assert left
    assert all(k.startswith(other.key) for k in left)


async def test_an_accepted_removal_of_a_model_is_finished_after_a_crash(house: House) -> None:
    model = await house.model()
    house.journal.full = lambda stream: stream == f"model/{model.id}"
    await refused("E-JOURNAL", house, RemoveModel(command_id=house.command(), requester=ANN, ref=model.id))
    house.journal.full = lambda stream: False
    house.again()
    await house.services.sweep()
    assert await house.ask(ListModels(requester=ANN)) == ()
    assert not [k for k in house.store.objects if k.startswith("models/")]


async def test_a_listing_is_bounded_and_newest_first() -> None:
    house = build(StorageSettings(list_max=2))
    for letter in "abc":
        house.clock.elapsed += 1
        await house.model(job=JobId(f"job_{letter * 10}"))
    listed = await house.ask(ListModels(requester=ANN))
    assert [m.job_id for m in listed] == ["job_cccccccccc", "job_bbbbbbbbbb"]


async def test_a_refused_result_is_an_answer(house: House) -> None:
    msg: CollectResult = await house.result()
    assert isinstance(await house.ask(msg.model_copy(update={"artifacts": ()})), Collected)
