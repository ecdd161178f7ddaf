"""AWS's protocols: operations into HTTP requests and answers into values, by botocore's models. No I/O but its data.

Only this module, ``answers``, ``keys`` and ``endpoints`` import botocore. They are loaded when the AWS provider is
opened, never by the command line. Requests travel over our own transport (ADR 0013).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode

import botocore.exceptions
import botocore.loaders
import botocore.model
import botocore.parsers
import botocore.serialize
import botocore.utils

from providers.aws.answers import Ec2Parser
from providers.aws.settings import SERVICES

_ROOT_BYTES: Final = 512
"""The root element of an answer stands within so many bytes."""
_ROOT = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)[\s/>]")
_QUERY: Final = frozenset({"ec2", "query"})
_REST: Final = "rest-xml"
_REST_ID: Final = "x-amz-request-id"
"""Header that S3 itself sets on every answer ("Common response headers")."""


class Unreadable(ValueError):
    """The body is not what the operation answers with."""


class Encoded(NamedTuple):
    """A request as it is sent to a service."""

    headers: Mapping[str, str]
    body: bytes
    method: str = "POST"
    target: str = "/"
    """Path and query, encoded; of S3 the bucket stands first in the path."""


class Fault(NamedTuple):
    """What a service says went wrong."""

    code: str
    message: str


class Service:
    """One service: its operations as requests and answers."""

    def __init__(self, name: str, loader: Any) -> None:
        model = botocore.model.ServiceModel(loader.load_service_model(name, "service-2"), name)
        self.name = name
        self.signing_name: str = model.signing_name
        self._protocol: str = model.resolved_protocol
        self._model = model
        self._serializer = botocore.serialize.create_serializer(self._protocol, include_validation=True)
        self._parser = _parser(self._protocol)

    def encode(self, operation: str, parameters: Mapping[str, object]) -> Encoded:
        """Return the request of an operation. Raises ValueError for parameters that the operation does not take."""
        model = self._model.operation_model(operation)
        try:
            made = self._serializer.serialize_to_request(dict(parameters), model)
        except botocore.exceptions.ParamValidationError as error:
            raise ValueError(f"{self.name}.{operation}: {error}") from error
        body = made["body"]
        data = urlencode(body).encode() if isinstance(body, dict) else bytes(body)
        headers = {str(name).lower(): str(value) for name, value in made["headers"].items()}
        headers["content-length"] = str(len(data))
        if model.http_checksum.get("requestChecksumRequired"):
            headers["content-md5"] = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
        return Encoded(headers, data, str(made["method"]), _target(made["url_path"], made["query_string"]))

    def decode(self, operation: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        """Return the value of a good answer. Raises Unreadable for anything that this operation does not answer with.

        A proxy's page that happens to parse would read as an empty list: so the root element, or the request id, must
        be the service's own.
        """
        model = self._model.operation_model(operation)
        if not self._is_own(operation, headers, body):
            raise Unreadable(f"not an answer to {operation}")
        return self._parse(200, headers, body, model.output_shape)

    def fault(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault | None:
        """Return what an error answer says, or ``None`` where the service itself did not write it."""
        if self._protocol in _QUERY:
            if root_of(body) not in ("Response", "ErrorResponse"):
                return None
        elif self._protocol == _REST:
            if root_of(body) != "Error":
                return None
        elif not _is_json_object(body):
            return None
        try:
            said = self._parse(max(status, 400), headers, body, None).get("Error", {})
        except Unreadable:
            return None
        code = str(said.get("Code", ""))
        if not code or code == str(status):
            return None
        return Fault(code[:200], str(said.get("Message", "")))

    def _is_own(self, operation: str, headers: Mapping[str, str], body: bytes) -> bool:
        if self._protocol in _QUERY:
            return root_of(body) == f"{operation}Response"
        if self._protocol == _REST:
            return _REST_ID in headers
        return "x-amzn-requestid" in headers and _is_json_object(body or b"{}")

    def _parse(self, status: int, headers: Mapping[str, str], body: bytes, shape: Any) -> dict[str, Any]:
        answer = {"status_code": status, "headers": dict(headers), "body": body}
        try:
            parsed: dict[str, Any] = self._parser.parse(answer, shape)
        except (botocore.parsers.ResponseParserError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise Unreadable(f"not readable: {type(error).__name__}") from None
        return parsed


class Services:
    """The services' models, each loaded when it is first needed (EC2's takes some 70 ms), once for all clients."""

    def __getitem__(self, name: str) -> Service:
        """Return a service. Raises KeyError for one that Lastcall does not speak to."""
        if name not in SERVICES:
            raise KeyError(name)
        return _loaded(name)

    @property
    def data(self) -> Any:
        """botocore's loader, for the data of endpoints."""
        return _loader()


@cache
def _loader() -> Any:
    return botocore.loaders.Loader()


@cache
def _loaded(name: str) -> Service:
    return Service(name, _loader())


def _target(path: str, query: Mapping[str, Any] | None) -> str:
    """Return path and query as one, encoded as a signature wants it: a space is %20, a name without value has its =."""
    bare, _, own = path.partition("?")
    pairs = [*parse_qsl(own, keep_blank_values=True), *(query or {}).items()]
    return f"{bare}?{urlencode(pairs, quote_via=quote)}" if pairs else bare


def _parser(protocol: str) -> Any:
    if protocol == "ec2":
        return Ec2Parser(timestamp_parser=_moment)
    factory = botocore.parsers.ResponseParserFactory()
    factory.set_parser_defaults(timestamp_parser=_moment)
    return factory.create_parser(protocol)


def _moment(text: object) -> datetime:
    """Read a time as AWS writes it, ten times as fast as botocore does; it reads what is written otherwise."""
    if isinstance(text, str) and text.endswith("Z"):
        with suppress(ValueError):
            return datetime.fromisoformat(text)
    found: datetime = botocore.utils.parse_timestamp(text)
    return found


def root_of(body: bytes) -> str:
    """Return the name of an XML document's root element, without its prefix; empty where there is none."""
    found = _ROOT.search(body[:_ROOT_BYTES])
    return found[1].decode("ascii", "replace") if found else ""


def _is_json_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        return False
