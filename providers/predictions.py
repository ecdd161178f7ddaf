"""Predictions one process answers itself: a bounded queue, at most so many at once, replies kept for a while."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from providers.interface import NotFound, PredictionReply, PredictionRequest, ProviderError, Unavailable
from providers.seams import ProviderClock

WAITING_MAX = 100
"""Predictions that may wait or run at once."""
REPLIES_KEPT = 1000
"""Finished ones whose reply is remembered, the newest."""

CANCELLED = PredictionReply(ok=False, code="E-CANCELLED", detail="the prediction was cancelled")


class PredictionQueue:
    """Runs predictions with ``answer``. Must be used from one event loop."""

    def __init__(
        self,
        answer: Callable[[PredictionRequest], Awaitable[PredictionReply]],
        clock: ProviderClock,
        workers_max: int,
    ) -> None:
        self._answer = answer
        self._clock = clock
        self._workers_max = workers_max
        self._running = 0
        self._room = asyncio.Condition()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._replies: OrderedDict[str, PredictionReply] = OrderedDict()
        self._open = False

    def open(self) -> None:
        """Take predictions from now on."""
        self._open = True

    async def run(self, request: PredictionRequest) -> PredictionReply:
        """Submit and wait for the reply, at most the request's limit; past it the prediction is ended."""
        self.submit(request)
        task = self._tasks.get(request.id)
        if task is None:
            return self._replies[request.id]
        limit = asyncio.create_task(self._clock.sleep(request.limit_s), name=f"limit of prediction {request.id}")
        try:
            await asyncio.wait({task, limit}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return self._replies[request.id]
        finally:
            limit.cancel()
            await self.cancel(request.id)
        return PredictionReply(ok=False, code="E-TIMEOUT", detail=f"no answer within {request.limit_s:g} s")

    def submit(self, request: PredictionRequest) -> None:
        """Start one; an id seen before starts nothing. Raises NotFound without an endpoint, Unavailable when full."""
        if request.id in self._tasks or request.id in self._replies:
            return
        if not self._open:
            raise NotFound("there is no endpoint")
        if len(self._tasks) >= WAITING_MAX:
            raise Unavailable(f"{WAITING_MAX} predictions wait already", 5.0)
        self._tasks[request.id] = asyncio.create_task(self._one(request), name=f"prediction {request.id}")

    def status(self, prediction_id: str) -> PredictionReply | None:
        """Return the reply or ``None`` while there is none yet. Raises NotFound."""
        if prediction_id in self._replies:
            return self._replies[prediction_id]
        if prediction_id in self._tasks:
            return None
        raise NotFound(f"no prediction {prediction_id}")

    async def cancel(self, prediction_id: str) -> None:
        """End one that waits or runs; it is answered as cancelled."""
        task = self._tasks.get(prediction_id)
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
            if prediction_id in self._tasks:  # cancelled before its first step
                self._keep(prediction_id, CANCELLED)

    async def scale(self, workers_max: int) -> None:
        """Run at most this many at once from now on; what runs is not ended."""
        if workers_max < 0:
            raise ValueError(f"{workers_max} workers are not possible")
        async with self._room:
            self._workers_max = workers_max
            self._room.notify_all()

    async def close(self) -> None:
        """End all that waits or runs and take no more."""
        self._open = False
        for prediction_id in list(self._tasks):
            await self.cancel(prediction_id)

    async def _one(self, request: PredictionRequest) -> None:
        try:
            async with self._room:
                await self._room.wait_for(lambda: self._running < self._workers_max)
                self._running += 1
            try:
                reply = await self._answer(request)
            finally:
                async with self._room:
                    self._running -= 1
                    self._room.notify_all()
        except asyncio.CancelledError:
            reply = CANCELLED
        except (OSError, ProviderError) as error:
            reply = PredictionReply(ok=False, code="E-PREDICT", detail=str(error))
        self._keep(request.id, reply)

    def _keep(self, prediction_id: str, reply: PredictionReply) -> None:
        self._tasks.pop(prediction_id, None)
        self._replies[prediction_id] = reply
        while len(self._replies) > REPLIES_KEPT:
            self._replies.popitem(last=False)
