"""Messages and actors that the tests of this folder share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from actors.runtime.actor import Actor, Terminated
from actors.runtime.mailbox import Bounds
from messages.base import Control, Message, Observation, Request


class Note(Message):
    """Remembered by whoever gets it."""

    text: str


class Order(Control):
    """A control message."""

    text: str


class Seen(Observation):
    """An observation; one slot per place."""

    place: str
    value: int

    @property
    def slot(self) -> str:
        return f"seen/{self.place}"


class Count(Request[int]):
    """How long is the text?"""

    text: str = ""


class Act(Request[str]):
    """Do what the test says; the actor looks ``name`` up in its acts."""

    name: str


class UrgentAct(Act):
    """The same, on the control lane."""

    lane = "control"


Said = Note | Order | Seen | Count | Act | Terminated
Deed = Callable[["Player"], Coroutine[Any, Any, object]]


class Player(Actor[Said]):
    """Writes down what it gets in a list that outlives it, and does what a test has put into ``deeds``."""

    def __init__(self, diary: list[str], deeds: dict[str, Deed] | None = None) -> None:
        self.diary = diary
        self.deeds = deeds or {}

    async def on_start(self) -> None:
        self.diary.append("start")
        if "start" in self.deeds:
            await self.deeds["start"](self)

    async def receive(self, msg: Said) -> object | None:
        match msg:
            case Note(text=text) | Order(text=text):
                self.diary.append(text)
                if text in self.deeds:
                    return await self.deeds[text](self)
            case Seen(place=place, value=value):
                self.diary.append(f"{place}={value}")
            case Count(text=text):
                return len(text)
            case Act(name=name):
                return await self.deeds[name](self)
            case Terminated(name=name, parked=parked):
                self.diary.append(f"{name} {'parked' if parked else 'stopped'}")
        return None

    async def on_stop(self) -> None:
        self.diary.append("stop")
        if "stop" in self.deeds:
            await self.deeds["stop"](self)

    async def on_failure(self, error: Exception) -> None:
        self.diary.append(f"failure: {error}")
        if "failure" in self.deeds:
            await self.deeds["failure"](self)


class Tiny(Player):
    """A player whose every bound is small."""

    bounds = Bounds(
        requests_max=2,
        control_reserved=1,
        observations_max=2,
        receive_limit=2,
        replies_max=1,
        tasks_max=1,
        timers_max=2,
        stop_s=1.0,
    )


class Reports(list[tuple[str, str, str]]):
    """Collects what the system reports: name, kind of error, consequence."""

    def __call__(self, name: str, error: BaseException, consequence: str) -> None:
        self.append((name, f"{type(error).__name__}: {error}", consequence))


async def settle(turns: int = 20) -> None:
    """Let everything that can go on without time go on."""
    for _ in range(turns):
        await asyncio.sleep(0)


def crash(text: str = "boom") -> Deed:
    """Return a deed that raises RuntimeError."""

    async def deed(_: Player) -> object:
        raise RuntimeError(text)

    return deed


def linger(seconds: float, answer: object = "done") -> Deed:
    """Return a deed that takes a while inside the handler."""

    async def deed(player: Player) -> object:
        await player.ctx.clock.sleep(seconds)
        return answer

    return deed
