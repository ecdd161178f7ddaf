"""What an answer says when it is not the one that was hoped for. Pure, tolerant: any bytes may come.

A refusal counts as clean, so that nothing was made, only when RunPod itself wrote it: ``application/problem+json`` with
an ``x-request-id``, and one of the statuses that a validation gives (design.md 6; fact sheet 0). Proxies before RunPod
answer with the same statuses, in HTML.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final, NamedTuple, NoReturn

from providers.interface import NotFound, ProviderError, Refused, Unavailable
from providers.runpod.quota import retry_after_s
from providers.transport import HttpReply

CLEAN_STATUSES: Final = frozenset({400, 401, 402, 403, 404, 413, 422, 429})
DETAIL_CHARS_MAX: Final = 300
REQUEST_ID_CHARS_MAX: Final = 64
ERRORS_SHOWN_MAX: Final = 3


class Unreadable(ValueError):
    """The body is not the JSON it should be."""


class Problem(NamedTuple):
    """What RunPod says went wrong."""

    status: int
    detail: str
    """One line, plain, without secrets; empty where nothing readable came."""
    request_id: str
    clean: bool
    """RunPod itself refused: nothing was made or changed."""

    def sentence(self, what: str) -> str:
        """Return one line for a person: what was asked, what came."""
        said = f": {self.detail}" if self.detail else ""
        tail = f" (request {self.request_id})" if self.request_id else ""
        return f"RunPod answered {self.status} when asked {what}{said}{tail}"


def parse_json(body: bytes) -> object:
    """Return the body's value; numbers with a point come as exact decimals. Raises Unreadable."""
    try:
        value: object = json.loads(body, parse_float=Decimal, parse_constant=no_constant)
    except (ValueError, RecursionError, ArithmeticError):
        raise Unreadable("not JSON") from None
    return value


def read_problem(reply: HttpReply, secrets: tuple[str, ...] = ()) -> Problem:
    """Return what ``reply`` says, whatever it is."""
    request_id = _plain(_hide(reply.headers.get("x-request-id", ""), secrets))[:REQUEST_ID_CHARS_MAX]
    content = reply.headers.get("content-type", "").split(";")[0].strip().lower()
    said = _object(reply.body)
    clean = (
        reply.status in CLEAN_STATUSES
        and content == "application/problem+json"
        and said is not None
        and request_id != ""
    )
    return Problem(reply.status, _detail(said or {}, secrets), request_id, clean)


def error_of(problem: Problem, headers: Mapping[str, str], what: str) -> ProviderError:
    """Return what a failed read or an idempotent call means: NotFound, Refused, else Unavailable."""
    sentence = problem.sentence(what)
    if problem.clean and problem.status == 404:
        return NotFound(sentence)
    if problem.clean and problem.status != 429:
        return Refused(sentence)
    return Unavailable(sentence, retry_after_s(headers))


def _object(body: bytes) -> dict[str, object] | None:
    try:
        value = parse_json(body)
    except Unreadable:
        return None
    return value if isinstance(value, dict) else None


def _detail(said: Mapping[str, object], secrets: tuple[str, ...]) -> str:
    """Take the words of a problem, of whichever dialect (fact sheet 0 and 1.2). Half a key would be no key to hide."""
    words = next((said[k] for k in ("detail", "message", "error", "title") if isinstance(said.get(k), str)), "")
    errors = said.get("errors")
    listed = [e for e in errors if isinstance(e, str)][:ERRORS_SHOWN_MAX] if isinstance(errors, list) else []
    return _plain(_hide("; ".join([str(words), *listed] if words else listed), secrets))


def _plain(text: str) -> str:
    """Return one line of printable characters, bounded."""
    return re.sub(r"\s+", " ", "".join(c if c.isprintable() else " " for c in text[: DETAIL_CHARS_MAX * 4])).strip()[
        :DETAIL_CHARS_MAX
    ]


def _hide(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def no_constant(_: str) -> NoReturn:
    """Refuse ``NaN`` and the like. Raises ValueError."""
    raise ValueError("not a number of JSON")
