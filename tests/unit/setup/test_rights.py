"""What a key may do is found out without anything that could be carried out."""

from __future__ import annotations

import pytest

from lastcall.setup.rights import RIGHTS, KeyInvalid, find_rights
from providers.interface import Unavailable
from tests.support.runpod_wire import Wire, account, page, problem, reply

ROUTES = [f"{right.call.method} {right.call.path}" for right in RIGHTS]


def allowed() -> Wire:
    wire = Wire()
    for right, route in zip(RIGHTS, ROUTES, strict=True):
        wire.on(route, problem(422) if right.call.method == "POST" else reply({}))
    wire.on(next(route for route in ROUTES if route.startswith("DELETE")), problem(404))
    return wire


async def test_422_and_404_mean_that_the_key_may() -> None:
    wire = allowed()
    assert [one.has for one in await find_rights(account(wire), trying_writes=True)] == [True] * len(RIGHTS)
    assert wire.bodies() == [{}], "nothing that could be made"


@pytest.mark.parametrize("route", ROUTES)
async def test_403_means_that_it_may_not(route: str) -> None:
    wire = allowed()
    wire.on(route, problem(403))
    found = await find_rights(account(wire), trying_writes=True)
    assert [one.has for one in found] == [other != route for other in ROUTES]


async def test_without_trying_writes_only_reads_are_tried() -> None:
    wire = allowed()
    found = await find_rights(account(wire), trying_writes=False)
    assert {route.split()[0] for route in wire.routes()} == {"GET"}
    assert [one.has for one in found if one.right.changes] == [None, None]


async def test_an_unknown_key_is_told_from_an_outage_and_a_proxys_no() -> None:
    wire = allowed()
    wire.on(ROUTES[0], problem(401))
    with pytest.raises(KeyInvalid):
        await find_rights(account(wire), trying_writes=True)
    for answer in (problem(503), page(403), page(502)):
        wire.on(ROUTES[0], answer)
        with pytest.raises(Unavailable):
            await find_rights(account(wire), trying_writes=True)
