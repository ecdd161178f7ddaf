"""Refusals in the platform's own form: RFC 9457 documents (fact sheet 0)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.emulators.runpod.wire import Response

TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Content Too Large",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
}

NO_CAPACITY = (
    "There are no longer any instances available with the requested specifications. Please refresh and try again."
)
"""The only thing that tells a full data centre from a request that breaks a rule (fact sheet 0)."""


class Problem(Exception):
    """A refusal; nothing happened."""

    def __init__(
        self, status: int, detail: str, errors: Sequence[str] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{status} {detail}")
        self.status = status
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """Return it as an answer."""
        document: dict[str, Any] = {"title": TITLES[self.status], "status": self.status, "detail": self.detail}
        if self.errors:
            document["errors"] = list(self.errors)
        headers = {"content-type": "application/problem+json", **self.headers}
        return Response(self.status, headers, json.dumps(document).encode())


def document(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON answer."""
    return Response(status, {"content-type": "application/json", **(headers or {})}, json.dumps(body).encode())


def empty(status: int = 204) -> Response:
    """Return an answer without a body."""
    return Response(status)


def not_found(what: str = "resource") -> Problem:
    """Return the 404 for what is unknown or somebody else's."""
    return Problem(404, f"{what} not found")


def invalid(errors: Sequence[str]) -> Problem:
    """Return the 422 for a document that breaks the schema."""
    return Problem(422, "Request validation failed.", errors)
