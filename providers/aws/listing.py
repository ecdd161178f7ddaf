"""The region's whole list of instances, page by page. One listing serves everybody whose need arose before it began.

A list that breaks off, repeats itself, cannot be understood or shows another account's machines is not complete, and
absence in it proves nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Final

from messages.machines import Listing, MachineState
from providers.aws.account import OTHER, Account
from providers.aws.client import Call, Client
from providers.aws.codec import Instance, next_token, read_instances
from providers.aws.instances import blind
from providers.aws.leftovers import Leftovers
from providers.aws.pace import Priority
from providers.aws.unanswered import Unanswered
from providers.interface import ProviderError, Refused, Unavailable
from providers.shared import Shared
from providers.sights import Sights

PAGE_ITEMS: Final = 1000
"""The most EC2 gives."""
PAGE_BYTES_MAX: Final = 64 << 20
PAGES_MAX: Final = 50
"""A longer list is not read to its end, and so never complete."""
STATES: Final = ("pending", "running", "shutting-down", "stopping", "stopped")
"""All but terminated, which EC2 shows for about an hour."""
_WHAT: Final = "for the list of instances"


class Lister:
    """Lists instances. ``sights`` remembers when each was first seen."""

    def __init__(self, client: Client, account: Account, sights: Sights, unanswered: Unanswered) -> None:
        self._client = client
        self._account = account
        self._sights = sights
        self._unanswered = unanswered
        self._leftovers = Leftovers(client)
        self._lists = Shared(client.clock, self._list, "aws listing")
        self._known: frozenset[str] = frozenset()
        """Ids of the last complete listing: an empty one stands once its account was read after it."""
        timings = client.settings.timings
        self._doubt_until = client.clock.monotonic() + timings.quiet_s + timings.min_age_s

    async def begun_since(self, moment: float) -> Listing:
        """Return a listing that began at ``moment`` (monotonic seconds) or later. Raises Unavailable."""
        return await self._lists.begun_since(moment)

    async def anew(self) -> Listing:
        """Return a listing that begins after this call. Raises Unavailable."""
        return await self._lists.anew()

    def doubt(self) -> None:
        """Say that a create is unanswered: until its quiet time is over, no empty listing stands for itself."""
        timings = self._client.settings.timings
        now = self._client.clock.monotonic()
        self._doubt_until = max(self._doubt_until, now + timings.quiet_s + timings.min_age_s)

    async def close(self) -> None:
        """End a listing that is out."""
        await self._lists.close()

    async def _list(self) -> Listing:
        clock = self._client.clock
        account, confirmed = await self._whose(self._account.fresh())
        await self._unanswered.repeat()
        began = clock.now()
        found, complete = await self._walk()
        if confirmed and self._suspicious(found):
            account, confirmed = await self._whose(self._account.confirm())
        if any(self._account.named(one.owner) != account for one in found if one.owner):
            account, confirmed = OTHER, False
        found += self._unanswered.missing(frozenset(one.id for one in found))
        if confirmed and complete:
            found += await self._leftovers.of(frozenset(one.name for one in found))
        alive = [one for one in found if one.state is not MachineState.GONE]
        machines = tuple(one.machine(account, self._sights.first_seen(one.id)) for one in alive)
        whole = complete and confirmed
        if whole:
            self._known = frozenset(machine.id for machine in machines)
            self._sights.listed(m for m in machines if m.state is not MachineState.ENDING)
        return Listing(account=account, began=began, ended=clock.now(), complete=whole, machines=machines)

    async def _whose(self, asked: Awaitable[str]) -> tuple[str, bool]:
        """Return the account's name and whether it is confirmed."""
        try:
            return await asked, True
        except Refused:
            return OTHER, False
        except ProviderError:
            return self._account.last or OTHER, False

    def _suspicious(self, found: Iterable[Instance]) -> bool:
        """Tell whether a list shows nothing where something was, or may be: another account's looks the same."""
        ids = frozenset(one.id for one in found)
        if not ids and self._client.clock.monotonic() < self._doubt_until:
            return True
        return bool(self._known) and not ids & self._known

    async def _walk(self) -> tuple[list[Instance], bool]:
        """Return the instances of all pages, and whether that is all. Raises Unavailable without a first page."""
        found: dict[str, Instance] = {}
        tokens: list[str] = []
        complete = True
        for number in range(1, PAGES_MAX + 1):
            try:
                page, whole, token = await self._page(tokens[-1] if tokens else None)
            except ProviderError as error:
                if number == 1:
                    raise blind(error) from error
                return list(found.values()), False
            complete = complete and whole
            for instance in page:
                complete = complete and instance.id not in found  # a double means that the list moved
                found.setdefault(instance.id, instance)
            if token is None:
                return list(found.values()), complete
            if token in tokens:
                break
            tokens.append(token)
        return list(found.values()), False

    async def _page(self, token: str | None) -> tuple[list[Instance], bool, str | None]:
        asked: dict[str, object] = {
            "MaxResults": PAGE_ITEMS,
            "Filters": [{"Name": "instance-state-name", "Values": list(STATES)}],
        }
        if token is not None:
            asked["NextToken"] = token
        call = Call("ec2", "DescribeInstances", asked, Priority.LIST, reply_bytes_max=PAGE_BYTES_MAX)
        said = await self._client.read(call, _WHAT)
        page = read_instances(said)
        if page is None:
            raise Unavailable("AWS's list of instances could not be read")
        return page[0], page[1], next_token(said)
