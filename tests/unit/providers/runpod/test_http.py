"""What the transport makes of answers, without a socket."""

from __future__ import annotations

import aiohttp
import pytest
from yarl import URL

from providers.http import AiohttpTransport
from providers.transport import HttpRequest, NoReply, NotSent
from tests.support.aioresponses_fit import aioresponses

URL_ = "https://api.runpod.io/v2/pods"


async def test_an_answer_comes_whole_with_its_headers_in_lower_case() -> None:
    async with AiohttpTransport("lastcall/1") as transport:
        with aioresponses() as mocked:
            mocked.get(URL_, status=404, body=b'{"a":1}', headers={"X-Request-ID": "r", "RateLimit": "x"})
            reply = await transport.request(HttpRequest("GET", URL_))
    assert (reply.status, reply.body) == (404, b'{"a":1}')
    assert (reply.headers["x-request-id"], reply.headers["ratelimit"]) == ("r", "x")


async def test_redirects_come_back_as_answers() -> None:
    async with AiohttpTransport("lastcall/1") as transport:
        with aioresponses() as mocked:
            mocked.get(URL_, status=307, headers={"Location": "https://evil.example/"})
            reply = await transport.request(HttpRequest("GET", URL_, {"authorization": "Bearer x"}))
            assert reply.status == 307
            assert list(mocked.requests) == [("GET", URL(URL_))]


KEY = aiohttp.client_reqrep.ConnectionKey("h", 443, True, True, None, None, None)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (aiohttp.ClientConnectorError(KEY, OSError("refused")), NotSent),
        (aiohttp.ClientConnectorDNSError(KEY, OSError("name")), NotSent),
        (aiohttp.ConnectionTimeoutError(), NotSent),
        (aiohttp.InvalidURL("x"), NotSent),
        (aiohttp.ServerDisconnectedError(), NoReply),
        (aiohttp.SocketTimeoutError(), NoReply),
        (aiohttp.ClientOSError(104, "reset"), NoReply),
        (aiohttp.ClientPayloadError("cut"), NoReply),
        (TimeoutError(), NoReply),
        (ConnectionResetError(), NoReply),
    ],
)
async def test_only_what_never_left_this_computer_is_not_sent(error: Exception, kind: type[Exception]) -> None:
    async with AiohttpTransport("lastcall/1") as transport:
        with aioresponses() as mocked:
            mocked.post(URL_, exception=error)
            with pytest.raises(kind) as caught:
                await transport.request(HttpRequest("POST", f"{URL_}", {"authorization": "Bearer SECRET"}))
    assert type(caught.value) is kind
    assert "SECRET" not in str(caught.value)


async def test_a_closed_transport_sends_nothing() -> None:
    transport = AiohttpTransport("lastcall/1")
    await transport.close()
    with pytest.raises(NotSent):
        await transport.request(HttpRequest("GET", URL_))
