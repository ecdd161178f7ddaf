"""The log that outlives its machine: no line lost, none twice, wherever the reading breaks off."""

from __future__ import annotations

import json
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from providers.aws.client import Client
from providers.aws.cloudwatch import kept_lines
from providers.interface import KeepsLogs, KeptLine, Refused, Unavailable
from providers.transport import HttpReply, HttpRequest, HttpStream, NoReply
from tests.support.aws_cloud import Cloud
from tests.support.aws_sim import settings
from tests.support.providers.clocks import ManualClock

HEADERS = {"x-amzn-requestid": "r", "content-type": "application/x-amz-json-1.1"}
PAGE = 3


class Stream:
    """One log stream as CloudWatch reads it out: pages forward, and the same token once nothing is behind it."""

    def __init__(self, count: int) -> None:
        self.lines = [f"line {number}" for number in range(count)]
        self.fail_at: int | None = None
        self.asked = 0

    async def request(self, request: HttpRequest) -> HttpReply:
        self.asked += 1
        if self.asked == self.fail_at:
            raise NoReply("the connection broke")
        body: dict[str, Any] = json.loads(bytes(request.body))  # type: ignore[arg-type]
        if body["logStreamName"] == "missing":
            fault = {"__type": "ResourceNotFoundException", "message": "no such stream"}
            return HttpReply(400, HEADERS, json.dumps(fault).encode())
        begin = int(body.get("nextToken", "f/0").partition("/")[2])
        lines = self.lines[begin : begin + PAGE]
        events = [{"timestamp": 1000 * (begin + n), "message": line} for n, line in enumerate(lines)]
        answer = {"events": events, "nextForwardToken": f"f/{begin + len(lines)}"}
        return HttpReply(200, HEADERS, json.dumps(answer).encode())

    def stream(self, request: HttpRequest) -> AbstractAsyncContextManager[HttpStream]:
        raise NotImplementedError

    async def close(self) -> None:
        return None


def client(stream: Stream) -> Client:
    return Client(stream, ManualClock(), settings())


async def read(stream: Stream, position: str = "", most: int = 1000) -> list[KeptLine]:
    found: list[KeptLine] = []
    async for line in kept_lines(client(stream), "m", position):
        found.append(line)
        if len(found) == most:
            break
    return found


@pytest.mark.parametrize("count", [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE])
async def test_all_lines_come_in_order_and_reading_on_brings_what_is_new(count: int) -> None:
    stream = Stream(count)
    found = await read(stream)
    assert [line.text for line in found] == stream.lines
    position = found[-1].position if found else ""
    assert await read(stream, position) == []
    stream.lines += ["new 1", "new 2"]
    assert [line.text for line in await read(stream, position)] == ["new 1", "new 2"]


@pytest.mark.parametrize("most", range(1, 8))
async def test_whoever_stops_anywhere_goes_on_with_the_next_line(most: int) -> None:
    stream = Stream(8)
    first = await read(stream, most=most)
    stream.lines.append("new")
    rest = await read(stream, first[-1].position)
    assert [line.text for line in (*first, *rest)] == stream.lines


async def test_a_break_between_pages_loses_and_doubles_nothing() -> None:
    stream = Stream(8)
    stream.fail_at = 3
    found: list[KeptLine] = []

    async def until_it_breaks() -> None:
        async for line in kept_lines(client(stream), "m"):
            found.append(line)

    with pytest.raises(Unavailable):
        await until_it_breaks()
    found += await read(stream, found[-1].position)
    assert [line.text for line in found] == stream.lines


async def test_a_machine_that_said_nothing_has_no_lines() -> None:
    assert [line async for line in kept_lines(client(Stream(3)), "missing")] == []


async def test_nonsense_is_no_position() -> None:
    with pytest.raises(Refused):
        await read(Stream(1), "nonsense token")


def test_it_is_an_ability_of_this_provider() -> None:
    assert isinstance(Cloud().training, KeepsLogs)
