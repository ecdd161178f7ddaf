"""The account's whole list of pods, and how often it may be asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Final

from messages.machines import Listing, Machine, MachineState
from providers.gate import Priority
from providers.interface import ProviderError, Refused, Unavailable
from providers.listing import Lists, Page
from providers.runpod.account import OTHER, Account
from providers.runpod.client import Call, Client
from providers.runpod.codec import Pod
from providers.runpod.pages import PageReader
from providers.runpod.problems import Unreadable
from providers.sights import Sights
from providers.turns import turn

PAGE_ITEMS: Final = 1000
"""The most RunPod gives (fact sheet 1.1)."""
PAGE_BYTES_MAX: Final = 64 << 20
"""Every pod comes with its variables, the boot program among them: some 12 KB each."""
SLICE_ITEMS: Final = 256
"""Pods made machines between two turns of the others: about a millisecond."""
CONFIRMS_PER_LIST: Final = 0.1
"""Looks at the account a listing needs: one a minute, at a listing every 5 s."""
_WHAT: Final = "for the list of pods"


class Lister(Lists[Pod]):
    """Lists pods. ``sights`` remembers when each was first seen."""

    def __init__(self, client: Client, account: Account, sights: Sights) -> None:
        super().__init__(client.clock, client.settings.timings, "runpod listing", PAGE_ITEMS)
        self._client = client
        self._account = account
        self._sights = sights
        self._pages = 1
        self._reader = PageReader()

    def interval_s(self) -> float:
        """Return how far apart listings must be: half of the tightest quota window is theirs at most."""
        least = self._client.settings.timings.list_interval_s
        rate = self._client.quota.lowest_rate()
        return least if rate is None else max(least, self._pages / (rate / 2))

    async def _list(self) -> Listing:
        account, confirmed = await self._whose(self._account.fresh())
        began = self._clock.now()
        self._reader.begin()
        walk = await self._walk()
        if confirmed and self._suspicious(walk.items):
            account, confirmed = await self._whose(self._account.confirm())
        seen = tuple([machine async for machine in self._machines(walk.items)])
        listing = self._told(account, began, seen, walk, sure=confirmed)
        if listing.complete:
            await turn()
            self._sights.listed(seen)
        return listing

    async def _whose(self, asked: Awaitable[str]) -> tuple[str, bool]:
        """Return the account's name and whether it is confirmed."""
        try:
            return await asked, True
        except Refused:
            return OTHER, False
        except ProviderError:
            return self._account.fingerprint, False

    async def _machines(self, pods: Sequence[Pod]) -> AsyncIterator[Machine]:
        account, first_seen = self._account.fingerprint, self._sights.first_seen
        for number, pod in enumerate(pods, 1):
            if pod.state is not MachineState.GONE:
                yield pod.machine(account, first_seen(pod.id))
            if number % SLICE_ITEMS == 0 or number == len(pods):
                await turn()

    async def _page(self, cursor: str | None, number: int, size: int) -> Page[Pod]:
        query = {"limit": str(size)} | ({"cursor": cursor} if cursor is not None else {})
        call = Call("GET", "/pods", Priority.LIST, query=query, reply_bytes_max=PAGE_BYTES_MAX)
        reply = await self._client.good(call, _WHAT)
        try:
            read = await self._reader.read(reply.body)
        except Unreadable:
            read = None
        if read is None:
            raise Unavailable("RunPod's list of pods could not be read")
        self._pages = max(number, self._pages if read.cursor else 1)
        self._client.quota.needs_for_lists((self._pages + CONFIRMS_PER_LIST) / self.interval_s())
        return Page(read.pods, read.whole, read.cursor)
