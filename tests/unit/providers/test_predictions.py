"""The in-process prediction queue and the local prediction program around it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ParamSpec, TypeVar

import pytest

from providers import predictions as predictions_module
from providers.interface import NotFound, PredictionReply, PredictionRequest, Refused, Unavailable
from providers.local.prediction import LocalPrediction, PredictionTerms, parse_reply
from providers.near import NearCopies
from providers.predictions import PredictionQueue
from providers.worker import Worker
from tests.contract.test_prediction import prepared
from tests.support.providers.clocks import ManualClock, settle
from tests.support.providers.subjects import LocalSubject, Ran, chunks
from tests.unit.storage.kit import MemoryStore

P = ParamSpec("P")
R = TypeVar("R")


def request(number: int) -> PredictionRequest:
    return PredictionRequest(id=f"prd_{number}", model_key="m", input_key="i", output_key="o", limit_s=10)


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[LocalSubject]:
    subject = LocalSubject(tmp_path / "root")
    yield subject
    await subject.close()


class Recording(Worker):
    """Notes in which threads its work was done."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.threads: list[int] = []

    async def call(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        def noted() -> R:
            self.threads.append(threading.get_ident())
            return work(*args, **kwargs)

        return await super().call(noted)


async def test_no_more_run_at_once_than_allowed() -> None:
    clock, running, most = ManualClock(), 0, 0

    async def answer(asked: PredictionRequest) -> PredictionReply:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await clock.sleep(1)
        running -= 1
        return PredictionReply(ok=True)

    queue = PredictionQueue(answer, clock, 2)
    queue.open()
    for number in range(6):
        queue.submit(request(number))
    await clock.advance(10)
    assert most == 2
    assert all(queue.status(f"prd_{number}") for number in range(6))


async def test_waiting_and_remembered_predictions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions_module, "WAITING_MAX", 3)
    monkeypatch.setattr(predictions_module, "REPLIES_KEPT", 2)
    queue = PredictionQueue(lambda r: asyncio.sleep(0, PredictionReply(ok=True)), ManualClock(), 0)
    queue.open()
    for number in range(3):
        queue.submit(request(number))
    with pytest.raises(Unavailable):
        queue.submit(request(3))
    await queue.scale(1)
    await settle()
    with pytest.raises(NotFound):
        queue.status("prd_0")
    assert queue.status("prd_2") is not None
    with pytest.raises(ValueError, match="workers"):
        await queue.scale(-1)


async def test_a_caller_that_gives_up_ends_the_prediction() -> None:
    clock = ManualClock()
    queue = PredictionQueue(lambda r: asyncio.sleep(3600, PredictionReply(ok=True)), clock, 1)
    queue.open()
    caller = asyncio.create_task(queue.run(request(1)))
    await settle()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    reply = queue.status("prd_1")
    assert reply is not None
    assert reply.code == "E-CANCELLED"


async def test_trouble_of_the_disk_is_an_answer_not_an_exception() -> None:
    async def answer(asked: PredictionRequest) -> PredictionReply:
        raise OSError("no room")

    queue = PredictionQueue(answer, ManualClock(), 1)
    queue.open()
    reply = await queue.run(request(1))
    assert (reply.ok, reply.code, reply.detail) == (False, "E-PREDICT", "no room")


@pytest.mark.parametrize(
    ("exit_code", "stdout", "code"),
    [
        (0, b'{"ok":true,"rows":3}\n', None),
        (0, b'a word before\n{"ok":true,"rows":3}\n', None),
        (1, b'{"ok":true,"rows":3}\n', "E-PREDICT"),
        (0, b'{"ok":false,"code":"E-CSV-SCHEMA","detail":"column x is missing"}\n', "E-CSV-SCHEMA"),
        (3, b'{"ok":false,"code":"E-CSV-SCHEMA"}\n', "E-CSV-SCHEMA"),
        (-9, b"", "E-PREDICT"),
        (0, b"[]", "E-PREDICT"),
        (0, b'{"ok":true,"rows":"many"}', "E-PREDICT"),
        (0, b"\xff\xfe", "E-PREDICT"),
    ],
)
def test_only_the_programs_own_words_count(exit_code: int, stdout: bytes, code: str | None) -> None:
    reply = parse_reply(exit_code, stdout)
    assert (reply.code, reply.ok, reply.rows) == (code, code is None, 3 if code is None else 0)


async def test_the_program_is_told_paths_and_digests(local: LocalSubject) -> None:
    await local.provider.prediction.ensure_endpoint()
    asked = await prepared(local)
    reply = await local.provider.prediction.invoke(asked)
    assert reply.ok
    assert list(local.runner.argv[1:3]) == ["-m", "containers.prediction"]
    told: dict[str, Any] = local.runner.asked
    assert told["model_dir"] == str(local.root / "storage" / "models" / "m")
    assert told["input"] == str(local.root / "storage" / "in.csv")
    assert told["digests"] == {"model.skops": "00"}
    assert not Path(told["output"]).parent.exists()


@pytest.mark.parametrize("manifest", [None, b"{", b'{"artifacts": [{"name": "x"}]}', b"[]"])
async def test_a_model_without_a_readable_manifest_is_damaged(local: LocalSubject, manifest: bytes | None) -> None:
    await local.provider.prediction.ensure_endpoint()
    asked = await prepared(local)
    await local.provider.storage.delete("models/m/manifest.json")
    if manifest is not None:
        await local.provider.storage.put("models/m/manifest.json", chunks(manifest))
    assert (await local.provider.prediction.invoke(asked)).code == "E-MODEL-DAMAGED"
    assert local.runner.runs == 0


async def test_a_manifest_without_end_is_not_read_to_its_end(
    local: LocalSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("providers.local.prediction.MANIFEST_BYTES_MAX", 10)
    await local.provider.prediction.ensure_endpoint()
    assert (await local.provider.prediction.invoke(await prepared(local))).code == "E-MODEL-DAMAGED"


async def test_a_program_that_claims_rows_and_leaves_none_has_failed(
    local: LocalSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(argv: Sequence[str], **bounds: object) -> Ran:
        return Ran(0, json.dumps({"ok": True, "rows": 1}).encode())

    monkeypatch.setattr(local.runner, "run", run)
    await local.provider.prediction.ensure_endpoint()
    assert (await local.provider.prediction.invoke(await prepared(local))).code == "E-PREDICT"


async def test_a_program_past_its_limit_is_told_as_timed_out(
    local: LocalSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(argv: Sequence[str], **bounds: object) -> Ran:
        raise TimeoutError

    monkeypatch.setattr(local.runner, "run", run)
    await local.provider.prediction.ensure_endpoint()
    assert (await local.provider.prediction.invoke(await prepared(local))).code == "E-TIMEOUT"


@pytest.mark.parametrize(("in_store", "code"), [(b"good", None), (b"evil", "E-MODEL-DAMAGED")])
async def test_a_model_whose_copy_was_damaged_here_is_brought_anew_once(
    tmp_path: Path, in_store: bytes, code: str | None
) -> None:
    """Fault 40: the copy is as long as it should be, and is served for ever otherwise."""
    clock = ManualClock()
    store, disk = MemoryStore(clock), MemoryStore(clock)  # type: ignore[arg-type]
    limits: list[float] = []

    async def run(argv: Sequence[str], *, timeout_s: float, **bounds: object) -> Ran:
        limits.append(timeout_s)
        clock.elapsed += 2
        if disk.objects["m/model.skops"][0] != b"good":
            return Ran(1, json.dumps({"ok": False, "code": "E-MODEL-DAMAGED"}).encode())
        told = json.loads(Path(argv[-1]).read_text())
        Path(told["output"]).write_text("prediction\n1\n")
        return Ran(0, json.dumps({"ok": True, "rows": 1}).encode())

    terms = PredictionTerms(tmp_path / "predictions", "python", 1, None, Decimal(0))
    runner = SimpleNamespace(run=run)
    worker = Recording("predictions")
    prediction = LocalPrediction(terms, store, NearCopies(store, disk, clock), runner, clock, worker)
    await store.write("m/manifest.json", b'{"artifacts": [{"name": "model.skops", "sha256": "00"}]}')
    await store.write("m/model.skops", in_store)
    await store.write("i", b"x\n1\n")
    await disk.write("m/model.skops", b"evil")
    await disk.write("i", b"x\n1\n")
    await store.delete("i")
    await prediction.ensure_endpoint()
    reply = await prediction.invoke(request(1).model_copy(update={"model_key": "m"}))
    assert (reply.code, reply.ok) == (code, code is None)
    assert limits == [10, 8]
    assert bool(worker.threads) is reply.ok
    assert threading.get_ident() not in worker.threads, "a result is not read in the event loop"
    await prediction.close()
    await worker.close()


async def test_an_id_that_could_become_a_path_is_refused(local: LocalSubject) -> None:
    await local.provider.prediction.ensure_endpoint()
    asked = await prepared(local)
    with pytest.raises(Refused):
        await local.provider.prediction.invoke(asked.model_copy(update={"id": "../up"}))


async def test_a_second_of_prediction_costs_what_a_second_of_machine_costs(local: LocalSubject) -> None:
    began = local.now()
    await local.provider.prediction.ensure_endpoint()
    local.runner.takes_s = 0.05
    reply = await local.provider.prediction.invoke(await prepared(local))
    assert reply.cost_usd > 0
    assert abs(reply.cost_usd - Decimal("0.001") * Decimal(str(reply.seconds))) < Decimal("0.000002")
    [line] = await local.provider.prediction.billed(began, local.now())
    assert line.amount_usd == reply.cost_usd
