"""What the synchronous core takes. The aiohttp server and the simulator both carry these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.emulators.common.wire import Response as Response


@dataclass(slots=True)
class Request:
    """One request as it arrived, for any service: the credential scope of its signature says for which."""

    method: str
    path: str
    """As sent, still percent-encoded, without the query."""
    query: str = ""
    """As sent, without the question mark."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    body: bytes = b""
