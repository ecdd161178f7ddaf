"""The storage services over the real local store, the real programs and a real journal."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from actors.journal.sqlite import SqliteJournal
from actors.journal.tables import standard
from actors.runtime.clock import SystemClock, SystemEntropy
from actors.runtime.world import World
from actors.storage.access import Layout
from actors.storage.audit import AuditTrail
from actors.storage.catalogue import JournalCatalogue
from actors.storage.parts import StorageParts
from actors.storage.services import StorageServices
from messages.admin import (
    BeginPrediction,
    BeginUpload,
    CheckTraining,
    CollectResult,
    CommitUpload,
    ListModels,
    MakePrediction,
    ReadModelFile,
    ReadPrediction,
    RemoveDataset,
    RemoveModel,
    TrainOrder,
)
from messages.errors import Refusal
from messages.ids import CommandId, DatasetId, JobId, PredictionId, UserId
from messages.jobs import Requester
from messages.storage import Artifact, DatasetInfo
from providers.interface import InPlace
from providers.local.prediction import LocalPrediction, PredictionTerms
from providers.local.storage import LocalStorage
from providers.worker import Worker
from tests.support.quick_work import PROGRAMS

ANN = Requester(user_id=UserId("usr_aaaaaaaaaa"), via="uid:1000")
BOB = Requester(user_id=UserId("usr_bbbbbbbbbb"), via="uid:1001")
JOB = JobId("job_jjjjjjjjjj")
CSV = "size,colour,price\n" + "".join(f"{n},{'red' if n % 2 else 'blue'},{3 * n + n % 5}\n" for n in range(1, 61))
TRAINING = ("-m", "containers.training")
QUICK = (str(PROGRAMS),)
"""A program that leaves a model's files and has learnt nothing."""


@dataclass
class Ended:
    exit_code: int
    stdout: bytes
    stderr: bytes


class Programs:
    """Runs a program as the daemon does: no environment but PATH, killed when the time is over."""

    async def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        memory_limit_bytes: int | None = None,
        environment: Mapping[str, str] | None = None,
        output_limit_bytes: int = 1 << 20,
    ) -> Ended:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *argv, stdout=pipe, stderr=pipe, env={"PATH": os.environ["PATH"], **(environment or {})}
        )
        try:
            stdout, stderr = await asyncio.wait_for(process.communicate(), timeout_s)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
        return Ended(process.returncode or 0, stdout[:output_limit_bytes], stderr)


@dataclass
class Disk:
    services: StorageServices
    store: LocalStorage
    root: Path
    commands: Any

    def command(self) -> CommandId:
        return CommandId(f"api:1000:{next(self.commands)}")

    async def ask(self, msg: Any) -> Any:
        return await self.services.answer(msg)

    async def stream(self, key: str, text: str) -> Any:
        async def chunks() -> AsyncIterator[bytes]:
            yield text.encode()

        return await self.store.put(key, chunks(), exclusive=True)

    async def add(self, who: Requester, text: str = CSV) -> DatasetInfo:
        command = self.command()
        grant = await self.ask(BeginUpload(command_id=command, requester=who, name="houses.csv"))
        stored = await self.stream(grant.key, text)
        commit = CommitUpload(command_id=command, requester=who, grant=grant, name="houses.csv", stored=stored)
        info: DatasetInfo = await self.ask(commit)
        return info

    async def train(self, info: DatasetInfo, program: Sequence[str] = TRAINING) -> CollectResult:
        """Do what a machine does: run the training, leave its files in the job folder."""
        folder = self.services.parts.layout.job_folder(ANN.user_id, JOB, 1)
        scratch = self.root / "scratch"
        scratch.mkdir()
        (scratch / "data.csv").symlink_to(self.store.machine_path(info.key))
        work: dict[str, object] = {"input": "data.csv", "target": "price", "model": "linear", "task": "auto"}
        work |= {"job_id": JOB, "name": "x", "features": None, "parameters": {}, "delimiter": ",", "encoding": "utf-8"}
        work |= {"dataset_sha256": info.sha256}
        (scratch / "work.json").write_text(json.dumps(work))
        out = Path(self.store.machine_path(folder)) / "artifacts"
        out.mkdir(parents=True)
        process = await asyncio.create_subprocess_exec(
            sys.executable, *program, "work.json", str(out), cwd=scratch, stdout=-3, stderr=-3
        )
        assert await process.wait() == 0
        return CollectResult(
            requester=ANN,
            job_id=JOB,
            attempt=1,
            folder=folder,
            name="houses-7f3",
            dataset_id=info.id,
            dataset_name=info.name,
            artifacts=tuple(describe(path, out) for path in sorted(out.rglob("*")) if path.is_file()),
        )


def describe(path: Path, out: Path) -> Artifact:
    data = path.read_bytes()
    name = f"artifacts/{path.relative_to(out)}"
    return Artifact(name=name, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[Disk]:
    names = count()
    clock, entropy = SystemClock(), SystemEntropy()
    journal = SqliteJournal.memory(clock=clock, entropy=entropy.bytes, projections=standard())
    worker = Worker("storage")
    store = LocalStorage(tmp_path / "storage", lambda: f".upload-{next(names)}", worker)
    terms = PredictionTerms(tmp_path / "predictions", sys.executable, 1, None, Decimal(0))
    programs = Programs()
    prediction = LocalPrediction(terms, store, InPlace(store), programs, clock, worker)

    async def nobody(dataset: DatasetId) -> dict[JobId, bool]:
        return {}

    parts = StorageParts(
        world=World(clock=clock, entropy=entropy, spawner=programs, run="run"),
        journal=journal,
        catalogue=JournalCatalogue(journal),
        store=store,
        prediction=prediction,
        audit=AuditTrail(journal, clock, "local"),
        layout=Layout(),
    )
    yield Disk(StorageServices(parts, nobody), store, tmp_path, count())
    await prediction.close()
    await store.close()
    await journal.close()


def files(disk: Disk) -> set[str]:
    root = disk.root / "storage"
    return {str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()}


async def test_a_csv_becomes_a_model_and_the_model_predicts(disk: Disk) -> None:
    info = await disk.add(ANN)
    assert (info.profile.rows, [c.name for c in info.profile.columns]) == (60, ["size", "colour", "price"])
    order = TrainOrder(dataset=info.id, target="price", model="linear")
    checked = await disk.ask(CheckTraining(requester=ANN, order=order))
    assert (checked.task, checked.features) == ("regression", ("size", "colour"))

    collected = await disk.ask(await disk.train(info))
    assert collected.code is None, collected.detail
    (model,) = await disk.ask(ListModels(requester=ANN))
    assert (model.target, model.task, model.model_type) == ("price", "regression", "linear")
    assert model.metrics == collected.metrics
    grant = await disk.ask(ReadModelFile(requester=ANN, ref="@last", file="model.skops"))
    assert (disk.root / "storage" / grant.key).stat().st_size == grant.size_bytes

    command = disk.command()
    place = await disk.ask(BeginPrediction(command_id=command, requester=ANN, model="@last", name="rows.csv"))
    await disk.stream(place.key, "size,colour\n5,red\n6,blue\n")
    made = await disk.ask(MakePrediction(command_id=command, requester=ANN, model="@last", grant=place))
    assert made.rows == 2
    result = await disk.ask(ReadPrediction(requester=ANN, prediction_id=PredictionId(made.id)))
    assert "prediction" in (disk.root / "storage" / result.key).read_text().splitlines()[0]

    await disk.ask(RemoveModel(command_id=disk.command(), requester=ANN, ref=model.id))
    await disk.ask(RemoveDataset(command_id=disk.command(), requester=ANN, ref=info.id))
    assert {name.split("/")[0] for name in files(disk)} == {"jobs", "predictions"}


async def test_a_bad_file_is_refused_by_the_real_program_and_leaves_nothing(disk: Disk) -> None:
    for text in ("", "a\x00b\x00" * 100, "only,a,header\n"):
        with pytest.raises(Refusal, match="E-CSV-"):
            await disk.add(ANN, text)
    assert not files(disk)


async def test_a_link_planted_in_a_job_folder_leads_to_nobody_elses_data(disk: Disk) -> None:
    secret = await disk.add(BOB)
    msg = await disk.train(await disk.add(ANN), QUICK)
    target = disk.root / "storage" / secret.key
    folder = disk.root / "storage" / msg.folder / "artifacts"
    (folder / "stolen.csv").symlink_to(target)
    (folder / "deep").symlink_to(target.parent)
    for name in ("stolen.csv", "deep/data.csv"):
        stolen = Artifact(name=f"artifacts/{name}", size_bytes=secret.size_bytes, sha256=secret.sha256)
        collected = await disk.ask(msg.model_copy(update={"artifacts": (*msg.artifacts, stolen)}))
        assert collected.code == "E-ARTIFACT"
    assert not [name for name in files(disk) if name.startswith("models/")]
    assert await disk.ask(ListModels(requester=ANN)) == ()
    collected = await disk.ask(msg)
    assert collected.code is None, "but for the links it is a model"
