"""Everything that goes wrong becomes one ``application/problem+json`` (RFC 9457) with a registered code."""

from __future__ import annotations

from typing import NamedTuple

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from pydantic import ValidationError

from messages.documents import Problem
from messages.errors import ErrorCode, Refusal, error
from providers.interface import NotFound, Refused, StorageFull, Unavailable

CONTENT_TYPE = "application/problem+json"
_DETAIL_CHARS_MAX = 500
_RETRY_AFTER_S = "1"


class RefusedByActor(Exception):
    """A refusal that came from an actor, which audited it already."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


class Fault(NamedTuple):
    """What an exception means to the one who asked."""

    entry: ErrorCode
    detail: str
    hint: str
    status: int
    audited: bool
    """Whether somebody else wrote the audit event already, or none is due."""


_HTTP_CODES = {
    400: "E-BADREQUEST",
    403: "E-FORBIDDEN",
    404: "E-NOTFOUND",
    405: "E-BADREQUEST",
    408: "E-BADREQUEST",
    413: "E-TOOLARGE",
    431: "E-TOOLARGE",
}


def fault_of(cause: BaseException) -> Fault:
    """Return what ``cause`` means. Whatever is not known is ``E-INTERNAL`` and tells nothing of its insides."""
    match cause:
        case RefusedByActor():
            return _refusal(cause.refusal, audited=True)
        case Refusal():
            return _refusal(cause, audited=False)
        case ValidationError():
            return _fault("E-BADREQUEST", first_complaint(cause))
        case web.HTTPException():
            return _http(cause)
        case TimeoutError():
            return _fault("E-BUSY", "there was no answer in time; the request may still be carried out", audited=True)
        case Unavailable():
            return _fault("E-BUSY", f"the provider or its storage did not answer: {cause}", audited=True)
        case StorageFull():
            return _fault("E-STORAGEFULL", str(cause), audited=True)
        case Refused():
            return _fault("E-STORAGE", str(cause), audited=True)
        case LineTooLong():
            return _fault("E-TOOLARGE", "a header is too long", status=web.HTTPRequestHeaderFieldsTooLarge.status_code)
        case web.RequestPayloadError() | HttpProcessingError():
            return _fault("E-BADREQUEST", "the body could not be read")
        case NotFound():
            return _fault("E-NOTFOUND", "its bytes are not in storage")
        case _:
            return _fault("E-INTERNAL", "", audited=True)


def _fault(code: str, detail: str, *, status: int | None = None, hint: str = "", audited: bool = False) -> Fault:
    entry = error(code)
    said = (detail or entry.text)[:_DETAIL_CHARS_MAX]
    return Fault(entry, said, hint or entry.hint, status or entry.status, audited)


def _refusal(refusal: Refusal, *, audited: bool) -> Fault:
    return _fault(refusal.code, refusal.detail, hint=refusal.extra.get("hint", ""), audited=audited)


def _http(cause: web.HTTPException) -> Fault:
    code = _HTTP_CODES.get(cause.status, "E-INTERNAL")
    detail = {404: "there is no such address", 405: f"{cause.reason}: this address takes another method"}
    return _fault(code, detail.get(cause.status, ""), status=cause.status)


def first_complaint(cause: ValidationError) -> str:
    """Return the first thing that is wrong, in words, without repeating what was sent."""
    first = cause.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else str(first["msg"])


def problem(fault: Fault, request_id: str) -> Problem:
    """Return the document that answers a fault."""
    return Problem(
        type=fault.entry.docs,
        title=fault.entry.text,
        status=fault.status,
        detail=fault.detail,
        code=fault.entry.code,
        hint=fault.hint,
        docs=fault.entry.docs,
        request_id=request_id,
    )


def problem_response(fault: Fault, request_id: str) -> web.Response:
    """Return the answer to a fault. ``Retry-After`` is set where the same request can succeed later."""
    response = web.Response(
        status=fault.status,
        body=problem(fault, request_id).model_dump_json().encode(),
        headers={"Content-Type": CONTENT_TYPE, "X-Request-Id": request_id, "Cache-Control": "no-store"},
    )
    if fault.entry.retry and fault.status == web.HTTPServiceUnavailable.status_code:
        response.headers["Retry-After"] = _RETRY_AFTER_S
    return response
