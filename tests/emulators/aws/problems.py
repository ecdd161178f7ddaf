"""Refusals, and how each family of services writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from xml.sax.saxutils import escape

from tests.emulators.aws.wire import Response

JSON = {"content-type": "application/x-amz-json-1.1"}
XML = {"content-type": "text/xml;charset=UTF-8"}
JSON_CODES = {"ExpiredToken": "ExpiredTokenException", "AccessDenied": "AccessDeniedException"}


class Problem(Exception):
    """A call that is refused."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


def response(problem: Problem, service: str, request_id: str) -> Response:
    """Return a refusal in the service's own form."""
    headers: Mapping[str, str] = XML
    code, message = escape(problem.code), escape(problem.message)
    if service == "ec2":
        text = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
            f"<RequestID>{request_id}</RequestID></Response>"
        )
    elif service in ("sts", "iam"):
        kind = "Sender" if problem.status < 500 else "Receiver"
        text = (
            f'<ErrorResponse xmlns="https://{service}.amazonaws.com/doc/"><Error><Type>{kind}</Type>'
            f"<Code>{code}</Code><Message>{message}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
        )
    elif service == "s3":
        text = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{request_id}</RequestId></Error>"
        )
        headers = {"content-type": "application/xml"}
    elif service == "lambda":
        text = json.dumps({"Type": "User", "Message": problem.message})
        headers = {"content-type": "application/json", "x-amzn-errortype": problem.code}
    else:
        name = JSON_CODES.get(problem.code, problem.code)
        text, headers = json.dumps({"__type": name, "message": problem.message}), JSON
    return Response(problem.status, headers, text.encode())
