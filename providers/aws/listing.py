"""The region's whole list of instances; one that shows another account's machines is not complete."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final

from messages.machines import Listing, MachineState
from providers.aws.account import OTHER, Account
from providers.aws.belongings import BelongingsLister
from providers.aws.client import Call, Client
from providers.aws.codec import Instance, next_token, read_instances
from providers.aws.leftovers import Leftovers
from providers.aws.unanswered import Unanswered
from providers.gate import Priority
from providers.interface import ProviderError, Refused, Unavailable
from providers.listing import Lists, Page
from providers.sights import Sights

PAGE_ITEMS: Final = 1000
"""The most EC2 gives."""
PAGE_BYTES_MAX: Final = 64 << 20
STATES: Final = ("pending", "running", "shutting-down", "stopping", "stopped")
"""All but terminated, which EC2 shows for about an hour."""
_WHAT: Final = "for the list of instances"


class Lister(Lists[Instance]):
    """Lists instances. ``sights`` remembers when each was first seen."""

    def __init__(
        self, client: Client, account: Account, sights: Sights, unanswered: Unanswered, belongings: BelongingsLister
    ) -> None:
        super().__init__(client.clock, client.settings.timings, "aws listing", PAGE_ITEMS)
        self._client = client
        self._account = account
        self._sights = sights
        self._unanswered = unanswered
        self._leftovers = Leftovers(client, belongings)

    async def _list(self) -> Listing:
        waiting = self._unanswered.waiting  # whose account it is must be known now before a create goes out again
        account, confirmed = await self._whose(self._account.confirm() if waiting else self._account.fresh())
        if confirmed:
            await self._unanswered.repeat(account)
        began = self._clock.now()
        walk = await self._walk()
        found = walk.items
        if confirmed and self._suspicious(found):
            account, confirmed = await self._whose(self._account.confirm())
        if any(self._account.named(one.owner) != account for one in found if one.owner):
            account, confirmed = OTHER, False
        found += self._unanswered.missing(frozenset(one.id for one in found))
        if confirmed and walk.whole:
            found += await self._leftovers.of(frozenset(one.name for one in found))
        alive = [one for one in found if one.state is not MachineState.GONE]
        machines = tuple(one.machine(account, self._sights.first_seen(one.id)) for one in alive)
        listing = self._told(account, began, machines, walk, sure=confirmed)
        if listing.complete:
            self._sights.listed(m for m in machines if m.state is not MachineState.ENDING)
        return listing

    async def _whose(self, asked: Awaitable[str]) -> tuple[str, bool]:
        """Return the account's name and whether it is confirmed."""
        try:
            return await asked, True
        except Refused:
            return OTHER, False
        except ProviderError:
            return self._account.last or OTHER, False

    async def _page(self, cursor: str | None, _number: int, size: int) -> Page[Instance]:
        asked: dict[str, object] = {
            "MaxResults": size,
            "Filters": [{"Name": "instance-state-name", "Values": list(STATES)}],
        }
        if cursor is not None:
            asked["NextToken"] = cursor
        call = Call("ec2", "DescribeInstances", asked, Priority.LIST, reply_bytes_max=PAGE_BYTES_MAX)
        said = await self._client.read(call, _WHAT)
        read = read_instances(said)
        if read is None:
            raise Unavailable("AWS's list of instances could not be read")
        return Page(*read, next_token(said))
