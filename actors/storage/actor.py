"""The storage actor: one per node, a mailbox before the storage services of every provider."""

from __future__ import annotations

from typing import ClassVar

from actors.runtime.actor import Actor
from actors.runtime.mailbox import Bounds
from actors.storage.services import StorageMessage, StorageServices


class StorageActor(Actor[StorageMessage]):
    """Answers every request beside the mailbox, so that a long copy never keeps others waiting."""

    bounds: ClassVar[Bounds] = Bounds(replies_max=128)

    def __init__(self, services: StorageServices) -> None:
        self._services = services

    async def on_start(self) -> None:
        """Begin clearing up what an earlier process left, and what is old; requests do not wait for it."""
        self.ctx.start(self._services.sweep(), "sweep")
        self.ctx.start(self._services.daily(), "prune")

    async def receive(self, msg: StorageMessage) -> object:
        """Answer later; a refusal is the answer and no failure."""
        return self.ctx.reply_later(self._services.answer(msg))
