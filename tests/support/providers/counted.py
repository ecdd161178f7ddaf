"""A worker thread of which a clock that stands still knows whether anything may still come from it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from providers.worker import Worker
from tests.support.providers.clocks import settle

P = ParamSpec("P")
R = TypeVar("R")

LOOK_S: Final = 0.0005
"""Between two looks at a thread that is at work (real seconds)."""


class CountedWorker(Worker):
    """A thread that counts the calls it was given and those it answered."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.asked = 0
        self.answered = 0

    async def call(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        self.asked += 1
        try:
            return await super().call(work, *args, **kwargs)
        finally:
            self.answered += 1

    async def settled(self) -> None:
        """Return once nothing can happen before time passes: one whole ``settle`` without a call under way or ended.

        An answer that arrives in the middle of one leaves whoever waited for it too few steps, so that one more is
        needed.
        """
        while True:
            before = self.answered
            idle = self.asked == before
            await settle()
            if idle and self.asked == before:
                return
            if self.asked != self.answered:
                await asyncio.sleep(LOOK_S)
