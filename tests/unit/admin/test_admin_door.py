"""Places for connections: the one that idled longest makes room, busy ones never do (fault 72)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from aiohttp import web

from actors.admin.connections import Connection, Door
from actors.admin.limits import Limits
from actors.admin.problems import Fault, fault_of
from messages.errors import Refusal
from tests.integration.socket.conftest import HandClock


class Wire(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.aborted = False
        self.closed = False
        self.written = b""

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None:
        self.closed = True

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed or self.aborted

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


OPEN: list[Connection] = []


@pytest.fixture
async def door(clock: HandClock) -> AsyncIterator[Door]:
    def unparsed(transport: asyncio.BaseTransport | None, fault: Fault) -> str:
        return "req_x"

    yield Door(Limits(connections=2, idle_s=30), clock, unparsed)
    while OPEN:
        await OPEN.pop().shutdown(0.1)


def enter(door: Door) -> tuple[Connection, Wire]:
    async def handler(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response()

    wire = Wire()
    connection = cast(Connection, door.protocol(web.Server(handler)))
    connection.connection_made(wire)
    if isinstance(connection, Connection):
        OPEN.append(connection)
    return connection, wire


async def test_the_longest_idle_makes_room(door: Door, clock: HandClock) -> None:
    _, first = enter(door)
    clock.advance(1)
    _, second = enter(door)
    enter(door)
    assert (first.aborted, second.aborted) == (True, False)
    assert (len(door), door.evicted) == (2, 1)


async def test_who_was_served_counts_as_fresh(door: Door, clock: HandClock) -> None:
    connection, first = enter(door)
    _, second = enter(door)
    clock.advance(5)
    with door.busy(connection):
        assert len(door) == 2
    enter(door)
    assert (first.aborted, second.aborted) == (False, True)


async def test_when_all_are_busy_the_newcomer_is_answered_and_closed(door: Door) -> None:
    one, _ = enter(door)
    two, _ = enter(door)
    with door.busy(one), door.busy(two):
        _, wire = enter(door)
        assert wire.written.startswith(b"HTTP/1.1 503")
        assert wire.closed
        assert door.turned_away == 1


async def test_the_sweep_cuts_what_has_idled_too_long_and_nothing_else(door: Door, clock: HandClock) -> None:
    _, old = enter(door)
    busy, served = enter(door)
    with door.busy(busy):
        clock.advance(30)
        door.sweep()
        assert (old.aborted, served.aborted) == (True, False)
    door.sweep()
    assert not served.aborted


async def test_a_connection_that_ends_while_served_is_forgotten(door: Door) -> None:
    connection, _ = enter(door)
    with door.busy(connection):
        connection.connection_lost(None)
    assert len(door) == 0


async def test_a_request_on_no_known_connection_is_served_all_the_same(door: Door) -> None:
    with door.busy(None):
        assert len(door) == 0


def test_a_refusal_of_no_one_is_a_fault_with_its_own_hint() -> None:
    fault = fault_of(Refusal("E-BUSY", "x" * 1000, hint="do this"))
    assert (len(fault.detail), fault.hint) == (500, "do this")
