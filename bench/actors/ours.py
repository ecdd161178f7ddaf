"""Our runtime as an arm of ``bench.py``: ``--adapter bench/actors/ours.py:Tell --adapter bench/actors/ours.py:Send``.

``Tell`` refuses when full, so its sender has at most as many messages queued as fit and waits for them; ``Send`` awaits
room, as the ``deque_bounded`` arm does. Asks have a timeout in both. Production clock and bounds.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))

from arms import Adapter

from actors.runtime.actor import Actor
from actors.runtime.clock import SystemClock, SystemEntropy
from actors.runtime.mailbox import Bounds
from actors.runtime.system import ActorSystem


class Bench(Actor):
    """Hands every message to the behaviour that the bench measures."""

    bounds = Bounds(requests_max=1_000)

    def __init__(self, behaviour):
        self.receive = behaviour.on  # as in the raw arms, whose loop awaits it too: measures the runtime alone


class Tell(Adapter):
    name = "ours"
    max_burst = 1_000

    async def start(self):
        self.system = ActorSystem(SystemClock(), SystemEntropy())
        self.count = 0

    async def spawn(self, behaviour):
        self.count += 1
        return self.system.spawn(partial(Bench, behaviour), f"bench/{self.count}")

    def tell(self, ref, msg):
        ref.tell(msg)

    def teller(self, ref, inside=False):
        return ref.tell

    async def ask(self, ref, msg):
        return await ref.ask(msg, 5)

    async def stop(self, ref):
        await ref.stop()

    async def close(self):
        await self.system.shutdown(1)


class Send(Tell):
    name = "ours send"
    max_burst = None
    sync_tell = sync_tell_inside = False
    skip = ("ask", "spawn")

    async def tell(self, ref, msg):
        await ref.send(msg)

    def teller(self, ref, inside=False):
        return ref.send
