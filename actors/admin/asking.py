"""What every handler needs: who asks, checked query values, a bounded question to an actor, and the answer as JSON."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from aiohttp import web
from pydantic import BaseModel
from pydantic_core import from_json, to_json

from actors.admin.deadline import Deadline
from actors.admin.limits import REF_CHARS_MAX, Limits
from actors.admin.problems import RefusedByActor
from actors.admin.services import Askable, Services
from actors.runtime.world import Clock, Entropy
from messages.base import Request
from messages.errors import Refusal
from messages.ids import CommandId, base32
from messages.jobs import Requester

R = TypeVar("R")
M = TypeVar("M", bound=BaseModel)

_KEY = re.compile(r"[\x21-\x7e]{1,128}")
_PRINTABLE = re.compile(r"[^\x00-\x1f\x7f]+")
_TRUE = frozenset({"1", "true", "yes"})
_FALSE = frozenset({"", "0", "false", "no"})
_WHOLE_MAX = 10**15


class Asked(NamedTuple):
    """One request's sender and id."""

    requester: Requester
    uid: int
    request_id: str


class Desk(NamedTuple):
    """What handlers share."""

    services: Services
    clock: Clock
    entropy: Entropy
    limits: Limits
    streams: set[asyncio.Task[Any]]
    """Handlers that may never end by themselves; the gateway ends them when it stops."""


ASKED: web.RequestKey[Asked] = web.RequestKey("lastcall.asked", Asked)


def asked(request: web.Request) -> Asked:
    """Return who sent ``request``; set by the gateway before any handler runs."""
    return request[ASKED]


async def ask(desk: Desk, ref: Askable, question: Request[R], *, work: bool = False, moved_bytes: int = 0) -> R:
    """Ask an actor, at most as long as the limits say. An actor's refusal is marked as audited.

    ``work`` is for a question that takes work, ``moved_bytes`` how many bytes move to or from a store for its sake.
    """
    timeout_s = desk.limits.working_s(moved_bytes) if work else desk.limits.ask_s
    try:
        return await ref.ask(question, timeout_s=timeout_s)
    except Refusal as refusal:
        raise RefusedByActor(refusal) from refusal


def view_deadline(desk: Desk) -> Deadline:
    """Return the deadline of one question to the read side."""
    return Deadline(desk.clock, desk.limits.view_s)


def command_id(desk: Desk, request: web.Request) -> CommandId:
    """Return the id of the command in ``request``: from its Idempotency-Key, or a random one."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        key = base32(desk.entropy.bytes(16), 26)
    elif not _KEY.fullmatch(key):
        raise Refusal("E-BADREQUEST", "Idempotency-Key takes 1 to 128 printable ASCII characters without spaces")
    return CommandId(f"api:{asked(request).uid}:{key}")


def part(request: web.Request, name: str = "ref") -> str:
    """Return one part of the path, checked; nothing can have a name that fails the check."""
    value = request.match_info[name]
    if len(value) > REF_CHARS_MAX or not _PRINTABLE.fullmatch(value) or not _encodable(value):
        raise Refusal("E-NOTFOUND", "no name or id looks like that")
    return value


def text_value(request: web.Request, name: str, *, default: str | None = None, chars_max: int) -> str:
    """Return a text of the query string. Without ``default`` it must be there."""
    value = request.query.get(name, default)
    if value is None:
        raise Refusal("E-BADREQUEST", f"the query value {name} is missing")
    if not value or len(value) > chars_max or not _PRINTABLE.fullmatch(value) or not _encodable(value):
        raise Refusal("E-BADREQUEST", f"{name} takes 1 to {chars_max} characters, none of them a control character")
    return value


def flag_value(request: web.Request, name: str) -> bool:
    """Return a yes or no of the query string; absent is no."""
    value = request.query.get(name, "").lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise Refusal("E-BADREQUEST", f"{name} takes 1 or 0")


def whole_value(request: web.Request, name: str, *, default: int, least: int, most: int = _WHOLE_MAX) -> int:
    """Return a whole number of the query string within its bounds."""
    raw = request.query.get(name)
    if raw is None:
        return default
    if not re.fullmatch(r"[0-9]{1,16}", raw) or not least <= int(raw) <= most:
        raise Refusal("E-BADREQUEST", f"{name} takes a whole number from {least} to {most}")
    return int(raw)


def seconds_value(request: web.Request, name: str, *, default: float, most: float) -> float:
    """Return a span of seconds of the query string; more than ``most`` counts as ``most``."""
    raw = request.query.get(name)
    if raw is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", raw):
        raise Refusal("E-BADREQUEST", f"{name} takes a number of seconds")
    return min(float(raw), most)


def _encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


async def json_body(desk: Desk, request: web.Request, model: type[M]) -> M:
    """Receive and check a JSON body. NaN, Infinity, deep nesting and what is too large or too slow is refused."""
    try:
        async with Deadline(desk.clock, desk.limits.json_body_s):
            raw = await request.read()
    except TimeoutError as late:
        raise Refusal("E-BADREQUEST", "the body did not arrive in time") from late
    except web.HTTPRequestEntityTooLarge as large:
        raise Refusal("E-TOOLARGE", f"a JSON body may have {desk.limits.json_body_bytes} bytes") from large
    try:
        value = from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise Refusal("E-BADREQUEST", f"the body is not JSON: {_parser_words(error)}") from error
    if _has_infinity(value):
        raise Refusal("E-BADREQUEST", "the body has a number that is too large")
    return model.model_validate(value)


def _has_infinity(value: object) -> bool:
    """The parser refuses ``Infinity`` but reads ``1e999`` as infinite; its own nesting limit (200) bounds this walk."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case float() as number if not math.isfinite(number):
                return True
            case list() as items:
                waiting.extend(items)
            case dict() as fields:
                waiting.extend(fields.values())
            case _:
                pass
    return False


def _parser_words(error: ValueError) -> str:
    return str(error).splitlines()[0][:200]


def answer(document: BaseModel | Mapping[str, Any], *, request: web.Request, status: int = 200) -> web.Response:
    """Return a document as JSON, in the words ``--json`` prints."""
    body = document.model_dump_json(by_alias=True).encode() if isinstance(document, BaseModel) else to_json(document)
    return web.Response(
        status=status,
        body=body,
        headers={
            "Content-Type": "application/json",
            "Cache-Control": "no-store",
            "X-Request-Id": asked(request).request_id,
        },
    )
