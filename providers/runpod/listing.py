"""The account's whole list of pods, and how often it may be asked for."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final

from messages.machines import Listing, Machine, MachineState
from providers.gate import Priority
from providers.interface import ProviderError, Refused, Unavailable
from providers.listing import Lists, Page
from providers.runpod.account import OTHER, Account
from providers.runpod.client import Call, Client
from providers.runpod.codec import Pod, read_page, read_pod
from providers.sights import Sights

PAGE_ITEMS: Final = 1000
"""The most RunPod gives (fact sheet 1.1)."""
PAGE_BYTES_MAX: Final = 64 << 20
"""Every pod comes with its variables, the boot program among them: some 12 KB each."""
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

    def interval_s(self) -> float:
        """Return how far apart listings must be: half of the tightest quota window is theirs at most."""
        least = self._client.settings.timings.list_interval_s
        rate = self._client.quota.lowest_rate()
        return least if rate is None else max(least, self._pages / (rate / 2))

    async def _list(self) -> Listing:
        account, confirmed = await self._whose(self._account.fresh())
        began = self._clock.now()
        walk = await self._walk()
        if confirmed and self._suspicious(walk.items):
            account, confirmed = await self._whose(self._account.confirm())
        seen = tuple(self._machine(pod) for pod in walk.items if pod.state is not MachineState.GONE)
        listing = self._told(account, began, seen, walk, sure=confirmed)
        if listing.complete:
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

    def _machine(self, pod: Pod) -> Machine:
        return pod.machine(self._account.fingerprint, self._sights.first_seen(pod.id))

    async def _page(self, cursor: str | None, number: int, size: int) -> Page[Pod]:
        query = {"limit": str(size)} | ({"cursor": cursor} if cursor is not None else {})
        call = Call("GET", "/pods", Priority.LIST, query=query, reply_bytes_max=PAGE_BYTES_MAX)
        read = read_page(await self._client.read(call, _WHAT), "pods")
        if read is None:
            raise Unavailable("RunPod's list of pods could not be read")
        pods = [pod for item in read.items if (pod := read_pod(item)) is not None]
        self._pages = max(number, self._pages if read.cursor else 1)
        self._client.quota.needs_for_lists((self._pages + CONFIRMS_PER_LIST) / self.interval_s())
        return Page(pods, len(pods) == len(read.items), read.cursor)
