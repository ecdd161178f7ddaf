"""What the synchronous cores give. The aiohttp servers and the simulators all carry it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(slots=True)
class Response:
    """One answer, and what happens to it on its way."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay_s: float = 0.0
    """Held back this long by the emulator's clock before the first byte."""
    lost: Literal["reset", "hang", "cut"] | None = None
    """reset: the connection breaks before a byte; hang: no byte ever comes; cut: half of the body, then a break."""
    drip_s: float = 0.0
    """Seconds between two bytes of the body; 0: all at once."""
    wait: Callable[[float], Response | None] | None = None
    """A long poll: asked again with the time until it answers; after ``wait_s`` this response itself goes out."""
    wait_s: float = 0.0
    follow: Callable[[], bytes] | None = None
    """A stream that does not end: asked again and again for what is new after ``body``."""

    def having(self, headers: Mapping[str, str], body: bytes | None = None) -> Response:
        """Return the same with other headers, and another body where one is given."""
        body = self.body if body is None else body
        return Response(
            self.status, headers, body, self.delay_s, self.lost, self.drip_s, self.wait, self.wait_s, self.follow
        )
