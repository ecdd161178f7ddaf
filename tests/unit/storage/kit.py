"""In-memory surroundings for the storage services: store, journal, catalogue, clock, inspection, prediction."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from actors.journal.interface import (
    ANY,
    NEW,
    Appended,
    Expected,
    JournalUnavailable,
    Position,
    Recorded,
    Version,
    WrongVersion,
)
from actors.runtime.world import World
from actors.storage.access import Layout
from actors.storage.audit import AuditTrail
from actors.storage.catalogue import DATASET_REMOVE, MODEL_REMOVE, Removal
from actors.storage.parts import StorageParts, StorageSettings
from actors.storage.references import prefix_of_id
from actors.storage.services import StorageServices
from messages.admin import BeginUpload, CollectResult, CommitUpload
from messages.events import Audited, CommandAccepted, DatasetAdded, DatasetRemoved, Event, ModelRemoved, ModelStored
from messages.ids import CommandId, DatasetId, JobId, ModelId, UserId
from messages.jobs import Requester
from messages.machines import ProviderKind
from messages.storage import Artifact, DatasetInfo, ModelInfo, ObjectInfo
from providers.interface import (
    CloudPredictionProvider,
    CloudStorageProvider,
    Conflict,
    NotFound,
    PredictionReply,
    PredictionRequest,
    Unavailable,
)

ANN = Requester(user_id=UserId("usr_aaaaaaaaaa"), via="uid:1000")
BOB = Requester(user_id=UserId("usr_bbbbbbbbbb"), via="uid:1001")
JOB = JobId("job_jjjjjjjjjj")
START = datetime(2026, 5, 1, tzinfo=UTC)
_BEGINNING = Version(0)
CSV = b"a,b,y\n1,2,3\n"
LAYOUT = Layout(volume="vol123", bucket="vol123")


class Clock:
    """Stands still until told."""

    def __init__(self) -> None:
        self.elapsed = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        self.elapsed += seconds


class Entropy:
    """Counts."""

    def __init__(self) -> None:
        self.drawn = 0

    def bytes(self, count: int) -> bytes:
        self.drawn += 1
        return hashlib.sha256(str(self.drawn).encode()).digest()[:count]

    def uniform(self, low: float, high: float) -> float:
        return low


class MemoryStore(CloudStorageProvider):
    """Objects in a dictionary. ``fail`` decides per call and key whether it answers; ``after`` lets it happen first."""

    kind: ClassVar[ProviderKind] = "fake"

    def __init__(self, clock: Clock) -> None:
        self.objects: dict[str, tuple[bytes, datetime]] = {}
        self.clock = clock
        self.calls: list[tuple[str, str]] = []
        self.fail: Callable[[str, str], Exception | None] = lambda call, key: None
        self.flip: set[str] = set()
        """Keys whose next copy arrives with a flipped bit."""
        self.copy_knows_digest = True

    def _called(self, call: str, key: str) -> None:
        self.calls.append((call, key))
        error = self.fail(call, key)
        if error is not None:
            raise error

    def _info(self, key: str, digest: bool = False) -> ObjectInfo:
        data, at = self.objects[key]
        sha = hashlib.sha256(data).hexdigest() if digest else None
        return ObjectInfo(key=key, size_bytes=len(data), modified=at, sha256=sha)

    async def put(self, key: str, chunks: AsyncIterator[bytes], *, exclusive: bool = False) -> ObjectInfo:
        self._called("put", key)
        if exclusive and key in self.objects:
            raise Conflict(key)
        self.objects[key] = (b"".join([c async for c in chunks]), self.clock.now())
        return self._info(key, digest=True)

    async def get(self, key: str, *, offset: int = 0) -> AsyncIterator[bytes]:
        self._called("get", key)
        if key not in self.objects:
            raise NotFound(key)
        data = self.objects[key][0][offset:]
        for start in range(0, len(data), 1 << 10):
            yield data[start : start + (1 << 10)]

    async def stat(self, key: str) -> ObjectInfo:
        self._called("stat", key)
        if key not in self.objects:
            raise NotFound(key)
        return self._info(key)

    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        self._called("list", prefix)
        for key in sorted(self.objects):
            if key.startswith(prefix):
                yield self._info(key)

    async def copy(self, source: str, target: str) -> ObjectInfo:
        self._called("copy", source)
        if source not in self.objects:
            raise NotFound(source)
        data = self.objects[source][0]
        if source in self.flip:
            self.flip.discard(source)
            data = bytes([data[0] ^ 1]) + data[1:]
        self.objects[target] = (data, self.clock.now())
        return self._info(target, digest=self.copy_knows_digest)

    async def delete(self, key: str) -> None:
        self._called("delete", key)
        self.objects.pop(key, None)

    def machine_path(self, key: str) -> str:
        return f"mem:{key}"

    async def write(self, key: str, data: bytes) -> ObjectInfo:
        """Store ``data`` as a test would."""

        async def chunks() -> AsyncIterator[bytes]:
            yield data

        return await self.put(key, chunks())


class MemoryJournal:
    """Streams in a dictionary; ``full`` makes every append fail."""

    def __init__(self, clock: Clock) -> None:
        self.events: dict[str, list[Recorded]] = {}
        self.clock = clock
        self.full: Callable[[str], bool] = lambda stream: False
        self.position = 0

    async def append(
        self,
        stream: str,
        expected: Version | Expected,
        events: Sequence[Event],
        *,
        actor: str,
        cause: str | None = None,
    ) -> Appended:
        if self.full(stream):
            raise JournalUnavailable("full")
        have = self.events.setdefault(stream, [])
        wanted = 0 if expected is NEW else expected
        if expected is not ANY and wanted != len(have):
            raise WrongVersion(stream, expected, len(have))
        for event in events:
            self.position += 1
            at = Position(self.position)
            version = Version(len(have) + 1)
            have.append(Recorded(event, f"e{at}", stream, version, at, self.clock.now(), cause, actor))
        return Appended(Version(len(have)), Position(self.position))

    async def read(self, stream: str, after: Version = _BEGINNING) -> list[Recorded]:
        return [r for r in self.events.get(stream, []) if r.version > after]

    async def streams(self, prefix: str) -> list[str]:
        return sorted(name for name in self.events if name.startswith(prefix))

    async def follow(self, after: Position) -> AsyncIterator[Recorded]:
        for recorded in self.all():
            yield recorded

    async def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        raise NotImplementedError

    async def close(self) -> None:
        return None

    def all(self) -> list[Recorded]:
        return sorted((r for have in self.events.values() for r in have), key=lambda r: r.position)

    def audited(self) -> list[Audited]:
        return [r.event for r in self.events.get("audit", []) if isinstance(r.event, Audited)]


class FoldingCatalogue:
    """Answers from the events themselves."""

    def __init__(self, journal: MemoryJournal) -> None:
        self._journal = journal

    async def datasets(self, user: UserId, limit: int) -> list[DatasetInfo]:
        kept: dict[DatasetId, DatasetInfo] = {}
        for recorded in self._journal.all():
            match recorded.event:
                case DatasetAdded(dataset=info) if info.user_id == user:
                    kept[info.id] = info
                case DatasetRemoved(dataset_id=gone):
                    kept.pop(gone, None)
        return list(reversed(kept.values()))[:limit]

    async def datasets_called(self, user: UserId, ref: str) -> list[DatasetInfo]:
        return [d for d in await self.datasets(user, 1000) if _means(ref, d, DatasetId)]

    async def same_dataset(self, user: UserId, name: str, sha256: str) -> DatasetInfo | None:
        return next((d for d in await self.datasets(user, 1000) if (d.name, d.sha256) == (name, sha256)), None)

    async def models(self, user: UserId, limit: int) -> list[ModelInfo]:
        kept: dict[ModelId, ModelInfo] = {}
        for recorded in self._journal.all():
            match recorded.event:
                case ModelStored(model=info) if info.user_id == user:
                    kept[info.id] = info
                case ModelRemoved(model_id=gone):
                    kept.pop(gone, None)
        return list(reversed(kept.values()))[:limit]

    async def models_called(self, user: UserId, ref: str) -> list[ModelInfo]:
        return [m for m in await self.models(user, 1000) if _means(ref, m, ModelId)]

    async def removals_left(self) -> list[Removal]:
        events = [r.event for r in self._journal.all()]
        gone: set[str] = {e.model_id for e in events if isinstance(e, ModelRemoved)}
        gone |= {e.dataset_id for e in events if isinstance(e, DatasetRemoved)}
        removals = (DATASET_REMOVE, MODEL_REMOVE)
        accepted = [e for e in events if isinstance(e, CommandAccepted) and e.name in removals]
        return [Removal(e.command_id, str(e.answer["id"])) for e in accepted if e.answer["id"] not in gone]


def _means(ref: str, thing: DatasetInfo | ModelInfo, kind: type[DatasetId] | type[ModelId]) -> bool:
    prefix = prefix_of_id(ref, kind)
    return ref in (thing.id, thing.name, "@last") or (prefix is not None and thing.id.startswith(prefix))


@dataclass
class Result:
    """What the inspection program left."""

    exit_code: int = 0
    stdout: bytes = b""
    stderr: bytes = b""


@dataclass
class Inspection:
    """Stands for the inspection program: profiles what lies in the store, or answers as a test says."""

    store: MemoryStore
    answer: Callable[[list[str]], Result] | None = None
    argv: list[list[str]] = field(default_factory=list)
    questions: list[dict[str, Any]] = field(default_factory=list)
    during: Callable[[], Any] | None = None
    """Awaited while the program runs."""

    async def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        memory_limit_bytes: int | None = None,
        environment: Mapping[str, str] | None = None,
        output_limit_bytes: int = 1 << 20,
    ) -> Result:
        self.argv.append(list(argv))
        if self.during is not None:
            await self.during()
        if self.answer is not None:
            return self.answer(list(argv))
        data = self.store.objects[argv[3].removeprefix("mem:")][0]
        body = {"ok": True, "profile": profile(data), "check": None}
        if "--request" in argv:
            question = json.loads(self.store.objects[argv[5].removeprefix("mem:")][0])
            self.questions.append(question)
            body["check"] = {
                "task": "regression",
                "rows_usable": 1,
                "classes": None,
                "features": question["features"] or ["a", "b"],
                "warnings": [],
            }
        return Result(stdout=json.dumps(body).encode() + b"\n")


def profile(data: bytes) -> dict[str, object]:
    """Return what inspection says of ``data``."""
    return {
        "rows": 1,
        "columns": [{"name": "y", "kind": "number", "missing": 0, "distinct": 1, "example": "3"}],
        "delimiter": ",",
        "encoding": "utf-8",
        "size_bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


class Predictor(CloudPredictionProvider):
    """Writes a result file and remembers what it was asked."""

    kind: ClassVar[ProviderKind] = "fake"

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.asked: list[PredictionRequest] = []
        self.reply = PredictionReply(ok=True, rows=2, seconds=0.5, cost_usd=Decimal("0.01"))

    async def ensure_endpoint(self) -> str:
        return "fake"

    async def invoke(self, request: PredictionRequest) -> PredictionReply:
        self.asked.append(request)
        await asyncio.sleep(0)
        if self.reply.ok:
            await self.store.write(request.output_key, b"prediction\n1\n2\n")
        return self.reply

    async def submit(self, request: PredictionRequest) -> None:
        raise Unavailable("not here")

    async def status(self, prediction_id: str) -> PredictionReply | None:
        raise NotFound(prediction_id)

    async def cancel(self, prediction_id: str) -> None:
        return None

    async def scale(self, workers_max: int) -> None:
        return None

    async def delete(self) -> None:
        return None

    async def billed(self, since: datetime, until: datetime) -> list[Any]:
        return []


@dataclass
class House:
    """Everything together, and the steps most tests begin with."""

    clock: Clock
    store: MemoryStore
    journal: MemoryJournal
    inspection: Inspection
    predictor: Predictor
    services: StorageServices
    open_jobs: dict[DatasetId, list[JobId]]
    commands: int = 0
    while_looking: Callable[[], Any] | None = None
    """Awaited while the open jobs are looked up."""

    @property
    def layout(self) -> Layout:
        return self.services.parts.layout

    def command(self) -> CommandId:
        self.commands += 1
        return CommandId(f"api:1000:{self.commands}")

    def again(self) -> None:
        """Start anew, as after a crash: only store and journal stay."""
        self.services = _services(self, self.services.parts.settings)

    async def ask(self, msg: Any) -> Any:
        return await self.services.answer(msg)

    async def add(
        self, who: Requester = ANN, name: str = "churn.csv", data: bytes = CSV, command: CommandId | None = None
    ) -> DatasetInfo:
        """Upload a data set as the gateway does."""
        command = command or self.command()
        grant = await self.ask(BeginUpload(command_id=command, requester=who, name=name, size_bytes=len(data)))
        stored = await self.store.write(grant.key, data)
        commit = CommitUpload(command_id=command, requester=who, grant=grant, name=name, stored=stored)
        info = await self.ask(commit)
        assert isinstance(info, DatasetInfo)
        return info

    async def result(self, who: Requester = ANN, job: JobId = JOB, **changes: bytes) -> CollectResult:
        """Leave the files of a good training in the job's folder and return the request to collect them."""
        folder = self.layout.job_folder(who.user_id, job, 1)
        files = {
            "model.skops": b"model" * 1000,
            "metrics.json": b'{"accuracy": 0.9, "baseline": {"accuracy": 0.5}}',
            "metadata.json": json.dumps(
                {
                    "target_column": "y",
                    "task": "regression",
                    "model_type": "ridge",
                    "feature_columns": ["a", "b"],
                    "job_id": job,
                }
            ).encode(),
            "schema.json": b"{}",
        }
        files.update({name.replace("__", "."): data for name, data in changes.items()})
        artifacts = []
        for name, data in files.items():
            await self.store.write(f"{folder}/artifacts/{name}", data)
            sha = hashlib.sha256(data).hexdigest()
            artifacts.append(Artifact(name=f"artifacts/{name}", size_bytes=len(data), sha256=sha))
        return CollectResult(
            requester=who,
            job_id=job,
            attempt=1,
            folder=folder,
            name="churn-7f3",
            dataset_id=DatasetId("ds_dddddddddd"),
            dataset_name="churn.csv",
            artifacts=tuple(artifacts),
        )

    async def model(self, who: Requester = ANN, job: JobId = JOB) -> ModelInfo:
        """Store a model."""
        collected = await self.ask(await self.result(who, job))
        return next(m for m in await self.services.models.all(who.user_id) if m.id == collected.model_id)


def _services(house: House, settings: StorageSettings) -> StorageServices:
    async def jobs_using(dataset: DatasetId) -> dict[JobId, bool]:
        if house.while_looking is not None:
            await house.while_looking()
        return dict.fromkeys(house.open_jobs.get(dataset, []), True)

    world = World(clock=house.clock, entropy=Entropy(), spawner=house.inspection, run="run")
    parts = StorageParts(
        world=world,
        journal=house.journal,
        catalogue=FoldingCatalogue(house.journal),
        store=house.store,
        prediction=house.predictor,
        audit=AuditTrail(house.journal, house.clock, "fake"),
        layout=LAYOUT,
        settings=settings,
    )
    return StorageServices(parts, jobs_using)


def build(settings: StorageSettings | None = None) -> House:
    """Make a house of its own."""
    clock = Clock()
    store = MemoryStore(clock)
    house = House.__new__(House)
    house.clock, house.store, house.journal = clock, store, MemoryJournal(clock)
    house.inspection, house.predictor = Inspection(store), Predictor(store)
    house.open_jobs, house.commands, house.while_looking = {}, 0, None
    house.services = _services(house, settings or StorageSettings(python="python"))
    return house
