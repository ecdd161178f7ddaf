"""What belongs to our instances and AWS bills or fills by itself, disks and spot requests: one list for all who ask.

Whoever proves an instance gone needs to know that no disk and no open request carries its name, and once a minute
somebody looks for those that outlived theirs. One list of everything that is tagged answers all of them, so that jobs
that end together, and the look of that minute, cost two calls in all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeVar

from providers.aws.client import Call, Client
from providers.aws.codec import NAME_TAG, SpotRequest, Volume, next_token, read_spot_requests, read_volumes
from providers.gate import Priority
from providers.interface import Unavailable
from providers.shared import Shared

PAGE_ITEMS: Final = 1000
"""The most EC2 gives (API reference, ``DescribeVolumes`` and ``DescribeSpotInstanceRequests``)."""
PAGE_BYTES_MAX: Final = 16 << 20
PAGES_MAX: Final = 50
DISK_STATES: Final = ("creating", "available", "in-use", "error")
"""All but ``deleting`` and ``deleted``."""
REQUEST_STATES: Final = ("open", "active", "disabled")
"""All but ``closed``, ``cancelled`` and ``failed``, from which none comes back."""
_TAGGED: Final = {"Name": "tag-key", "Values": [NAME_TAG]}
T = TypeVar("T")


class Belongings(NamedTuple):
    """Disks and spot requests of ours that exist."""

    volumes: tuple[Volume, ...]
    requests: tuple[SpotRequest, ...]


class BelongingsLister:
    """Lists them, once for all who ask at a time."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.last: tuple[float, Belongings] | None = None
        """The last whole list and when it began, monotonic seconds."""
        self._lists = Shared(client.clock, self._list, "aws belongings")

    async def begun_since(self, moment: float) -> Belongings:
        """Return a whole list begun at ``moment`` (monotonic seconds) or later. Raises Unavailable or Refused."""
        return await self._lists.begun_since(moment)

    async def close(self) -> None:
        """End a list that is out."""
        await self._lists.close()

    async def _list(self) -> Belongings:
        began = self._client.clock.monotonic()
        disks = {"Filters": [_TAGGED, {"Name": "status", "Values": list(DISK_STATES)}]}
        volumes = await self._pages("DescribeVolumes", disks, read_volumes, "for disks")
        still = {"Filters": [_TAGGED, {"Name": "state", "Values": list(REQUEST_STATES)}]}
        requests = await self._pages("DescribeSpotInstanceRequests", still, read_spot_requests, "for spot requests")
        held = Belongings(
            tuple(one for one in volumes if one.state not in ("deleting", "deleted")),
            tuple(one for one in requests if one.state not in ("closed", "cancelled", "failed")),
        )
        self.last = began, held
        return held

    async def _pages(
        self, action: str, asked: Mapping[str, object], read: Callable[[Mapping[str, Any]], list[T] | None], what: str
    ) -> list[T]:
        """Return what all pages hold. A list that does not end, or cannot be read, is none. Raises Unavailable."""
        found: list[T] = []
        token: str | None = None
        for _ in range(PAGES_MAX):
            page = {**asked, "MaxResults": PAGE_ITEMS, **({"NextToken": token} if token else {})}
            call = Call("ec2", action, page, Priority.PROOF, reply_bytes_max=PAGE_BYTES_MAX)
            said = await self._client.read(call, what)
            items = read(said)
            if items is None:
                break
            found += items
            token = next_token(said)
            if token is None:
                return found
        raise Unavailable(f"AWS's answer when asked {what} could not be read to its end")
