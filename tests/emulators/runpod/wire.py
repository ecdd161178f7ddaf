"""What the synchronous core takes and gives. The aiohttp server and the simulator both carry these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tests.emulators.common.wire import Response as Response


class Surface(StrEnum):
    """Which of the platform's hosts a request went to."""

    REST = "rest"
    """``https://api.runpod.io/v2``; paths begin with ``/v2``."""
    GRAPHQL = "graphql"
    """``https://api.runpod.io/graphql``."""
    SERVERLESS = "serverless"
    """``https://api.runpod.ai/v2``; paths begin with ``/v2``."""
    S3 = "s3"
    """``https://s3api-<dc>.runpod.io``; paths begin with ``/<volume>``."""


@dataclass(slots=True)
class Request:
    """One request as it arrived."""

    surface: Surface
    method: str
    path: str
    """As sent, still percent-encoded, without the query."""
    query: str = ""
    """As sent, without the question mark."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    body: bytes = b""
