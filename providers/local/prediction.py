"""The local ``CloudPredictionProvider``: the prediction program as one short, bounded process per request."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from messages.machines import ProviderKind
from messages.money import HOUR_SECONDS, accrued
from providers.interface import (
    BilledLine,
    CloudPredictionProvider,
    CloudStorageProvider,
    Near,
    NotFound,
    PredictionReply,
    PredictionRequest,
    Refused,
)
from providers.keys import is_key_part
from providers.local.files import CHUNK_BYTES
from providers.predictions import PredictionQueue
from providers.seams import ProgramRunner, ProviderClock
from providers.worker import Worker

ENDPOINT = "local"
MANIFEST = "manifest.json"
MANIFEST_BYTES_MAX = 8 << 20
DETAIL_CHARS_MAX = 500


class PredictionTerms(NamedTuple):
    """How predictions run on this computer."""

    folder: Path
    """Absolute; a folder in it for each prediction while it runs."""
    python: str
    workers_max: int
    memory_bytes: int | None
    usd_per_second: Decimal


class LocalPrediction(CloudPredictionProvider):
    """Answers predictions on this computer, at a price per second, whatever store models and rows lie in."""

    kind: ClassVar[ProviderKind] = "local"
    reads_near: ClassVar[bool] = True

    def __init__(
        self,
        terms: PredictionTerms,
        storage: CloudStorageProvider,
        near: Near,
        runner: ProgramRunner,
        clock: ProviderClock,
        worker: Worker,
    ) -> None:
        """Sweeps the folders of predictions that a crash cut short. ``worker`` reads results; it stays the caller's."""
        self._terms = terms
        self._storage = storage
        self._near = near
        self._runner = runner
        self._clock = clock
        self._worker = worker
        self._folder = terms.folder
        shutil.rmtree(self._folder, ignore_errors=True)
        self._queue = PredictionQueue(self._answer, clock, terms.workers_max)
        self._billed: list[BilledLine] = []

    async def ensure_endpoint(self) -> str:
        """Take predictions."""
        self._queue.open()
        return ENDPOINT

    async def invoke(self, request: PredictionRequest) -> PredictionReply:
        """Run one and wait for it. Raises NotFound without an endpoint, Refused on an impossible id."""
        return await self._queue.run(_checked(request))

    async def submit(self, request: PredictionRequest) -> None:
        """Start one. Raises as ``invoke``."""
        self._queue.submit(_checked(request))

    async def status(self, prediction_id: str) -> PredictionReply | None:
        """Return the reply, once there is one."""
        return self._queue.status(prediction_id)

    async def cancel(self, prediction_id: str) -> None:
        """End one; its program is gone when this returns."""
        await self._queue.cancel(prediction_id)

    async def scale(self, workers_max: int) -> None:
        """Allow at most this many at once."""
        await self._queue.scale(workers_max)

    async def delete(self) -> None:
        """Take no more and end what runs."""
        await self._queue.close()

    async def billed(self, since: datetime, until: datetime) -> list[BilledLine]:
        """Return this process run's predictions at the price of a second; empty where it is nothing."""
        return [line for line in self._billed if line.began < until and line.ended >= since]

    async def close(self) -> None:
        """End what runs."""
        await self._queue.close()

    async def _answer(self, request: PredictionRequest) -> PredictionReply:
        folder = self._folder / request.id
        folder.mkdir(parents=True, mode=0o700)
        began, at = self._clock.monotonic(), self._clock.now()
        try:
            reply = await self._run(request, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            seconds = self._clock.monotonic() - began
            cost = self._book(request.id, at, seconds)
        return reply.model_copy(update={"seconds": seconds, "cost_usd": cost})

    async def _run(self, request: PredictionRequest, folder: Path) -> PredictionReply:
        try:
            digests = await self._digests(request.model_key)
        except NotFound:
            return _failed("E-MODEL-DAMAGED", "the model has no readable list of its files")
        began = self._clock.monotonic()
        reply = await self._run_once(request, folder, digests)
        left_s = request.limit_s - (self._clock.monotonic() - began)
        if reply.code == "E-MODEL-DAMAGED" and self._near.disk is not self._storage and left_s > 0:
            # A file may have been damaged here (fault 40): what the store holds is brought anew, once.
            for name in digests:
                await self._near.forget(f"{request.model_key}/{name}")
            reply = await self._run_once(request.model_copy(update={"limit_s": left_s}), folder, digests)
        return reply

    async def _run_once(self, request: PredictionRequest, folder: Path, digests: dict[str, str]) -> PredictionReply:
        try:
            for name in digests:
                await self._near.fetch(f"{request.model_key}/{name}")
        except NotFound:
            return _failed("E-MODEL-DAMAGED", "a file of the model is not in storage")
        output = folder / "output.csv"
        asked = {
            "model_dir": self._near.disk.machine_path(request.model_key),
            "input": await self._input(request.input_key),
            "output": str(output),
            "column": request.column,
            "digests": digests,
        }
        (folder / "request.json").write_text(json.dumps(asked), "utf-8")
        argv = [self._terms.python, "-m", "containers.prediction", str(folder / "request.json")]
        memory = self._terms.memory_bytes
        try:
            result = await self._runner.run(argv, timeout_s=request.limit_s, memory_limit_bytes=memory)
        except TimeoutError:
            return _failed("E-TIMEOUT", f"no answer within {request.limit_s:g} s")
        reply = parse_reply(result.exit_code, result.stdout)
        if reply.ok:
            if not output.is_file():
                return _failed("E-PREDICT", "the prediction program left no rows")
            await self._storage.put(request.output_key, self._chunks(output))
        return reply

    async def _input(self, key: str) -> str:
        """Return the path of the rows: as they arrived here, or brought from the store. Raises NotFound."""
        try:
            await self._near.disk.stat(key)
        except NotFound:
            return await self._near.fetch(key)
        return self._near.disk.machine_path(key)

    async def _chunks(self, path: Path) -> AsyncIterator[bytes]:
        file = await self._worker.call(lambda: path.open("rb"))
        try:
            while chunk := await self._worker.call(file.read, CHUNK_BYTES):
                yield chunk
        finally:
            await self._worker.call(file.close)

    async def _digests(self, model_key: str) -> dict[str, str]:
        """Read ``manifest.json`` of the model. Raises NotFound when there is none that can be read."""
        data = b""
        async for chunk in self._storage.get(f"{model_key}/{MANIFEST}"):
            data += chunk
            if len(data) > MANIFEST_BYTES_MAX:
                raise NotFound("the list of files is too long")
        try:
            return {str(entry["name"]): str(entry["sha256"]) for entry in json.loads(data)["artifacts"]}
        except (ValueError, KeyError, TypeError) as error:
            raise NotFound("the list of files cannot be read") from error

    def _book(self, prediction_id: str, began: datetime, seconds: float) -> Decimal:
        cost = accrued(self._terms.usd_per_second * HOUR_SECONDS, seconds)
        if cost:
            self._billed.append(BilledLine(prediction_id, began, self._clock.now(), cost))
        return cost


def parse_reply(exit_code: int, stdout: bytes) -> PredictionReply:
    """Read the program's one line; anything else it may have done is a failure of the program."""
    try:
        said: Any = json.loads(stdout.splitlines()[-1])
        if said["ok"] is True and exit_code == 0:
            return PredictionReply(ok=True, rows=int(said["rows"]))
        if said["ok"] is False:
            return _failed(str(said["code"]), str(said.get("detail", "")))
    except (ValueError, KeyError, TypeError, IndexError):
        pass
    return _failed("E-PREDICT", f"the prediction program ended with {exit_code} and no readable answer")


def _failed(code: str, detail: str) -> PredictionReply:
    return PredictionReply(ok=False, code=code, detail=detail[:DETAIL_CHARS_MAX])


def _checked(request: PredictionRequest) -> PredictionRequest:
    if not is_key_part(request.id):
        raise Refused(f"{request.id[:64]!a} cannot be the id of a prediction")
    return request
