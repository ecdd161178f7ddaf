"""The fake ``CloudPredictionProvider``: one constant row of answer per row of the input."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import ClassVar

from messages.machines import ProviderKind
from messages.money import accrued
from providers.fake.cloud import FakeCloud, FakeObject
from providers.interface import BilledLine, CloudPredictionProvider, PredictionReply, PredictionRequest
from providers.predictions import PredictionQueue

ENDPOINT = "fake-endpoint"


class FakePrediction(CloudPredictionProvider):
    """Answers after ``answer_after_s`` of the injected clock; ``answer`` may be replaced by a test."""

    kind: ClassVar[ProviderKind] = "fake"

    def __init__(self, cloud: FakeCloud) -> None:
        self.cloud = cloud
        self.answer: Callable[[PredictionRequest], PredictionReply] = self._count
        self._queue = PredictionQueue(self._run, cloud.clock, cloud.settings.prediction_workers_max)
        self._billed: list[BilledLine] = []

    async def ensure_endpoint(self) -> str:
        """Take predictions."""
        with self.cloud.faults.around("ensure_endpoint"):
            self._queue.open()
            return ENDPOINT

    async def invoke(self, request: PredictionRequest) -> PredictionReply:
        """Run one and wait for it."""
        with self.cloud.faults.around("invoke"):
            return await self._queue.run(request)

    async def submit(self, request: PredictionRequest) -> None:
        """Start one."""
        with self.cloud.faults.around("submit"):
            self._queue.submit(request)

    async def status(self, prediction_id: str) -> PredictionReply | None:
        """Return the reply, once there is one."""
        with self.cloud.faults.around("status"):
            return self._queue.status(prediction_id)

    async def cancel(self, prediction_id: str) -> None:
        """End one."""
        with self.cloud.faults.around("cancel"):
            await self._queue.cancel(prediction_id)

    async def scale(self, workers_max: int) -> None:
        """Allow at most this many at once."""
        with self.cloud.faults.around("scale"):
            await self._queue.scale(workers_max)

    async def delete(self) -> None:
        """Take no more and end what runs."""
        with self.cloud.faults.around("delete_endpoint"):
            await self._queue.close()

    async def billed(self, since: datetime, until: datetime) -> list[BilledLine]:
        """Return what predictions cost."""
        with self.cloud.faults.around("billed"):
            return [line for line in self._billed if line.began < until and line.ended >= since]

    async def close(self) -> None:
        """End what runs."""
        await self._queue.close()

    async def _run(self, request: PredictionRequest) -> PredictionReply:
        clock, began = self.cloud.clock, self.cloud.clock.now()
        await clock.sleep(self.cloud.settings.answer_after_s)
        reply = self.answer(request)
        seconds = (clock.now() - began).total_seconds()
        cost = accrued(self.cloud.rate, seconds)
        if cost:
            self._billed.append(BilledLine(request.id, began, clock.now(), cost))
        return reply.model_copy(update={"seconds": seconds, "cost_usd": cost})

    def _count(self, request: PredictionRequest) -> PredictionReply:
        self.cloud.settle()
        data = self.cloud.objects.get(request.input_key)
        if data is None:
            return PredictionReply(ok=False, code="E-PREDICT", detail="the input is not there")
        rows = max(0, len(data.data.splitlines()) - 1)
        lines = [request.column.encode(), *[b"0"] * rows]
        self.cloud.objects[request.output_key] = FakeObject(b"\n".join(lines) + b"\n", self.cloud.clock.now())
        return PredictionReply(ok=True, rows=rows)
