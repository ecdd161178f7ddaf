"""The account's whole list of pods, page by page, and how often it may be asked for.

A list that breaks off, repeats itself or cannot be understood is not complete, and absence in it proves nothing. One
listing serves everybody whose need arose before it began.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Final

from messages.machines import Listing, Machine, MachineState
from providers.interface import ProviderError, Refused, Unavailable
from providers.runpod.account import OTHER, Account
from providers.runpod.client import Call, Client
from providers.runpod.codec import Page, Pod, read_page, read_pod
from providers.runpod.quota import Priority
from providers.shared import Shared
from providers.sights import Sights

PAGE_ITEMS: Final = 1000
"""The most RunPod gives (fact sheet 1.1)."""
PAGE_BYTES_MAX: Final = 64 << 20
"""Every pod comes with its variables, the boot program among them: some 12 KB each."""
PAGES_MAX: Final = 50
"""A longer list is not read to its end, and so never complete."""
CONFIRMS_PER_LIST: Final = 0.1
"""Looks at the account a listing needs: one a minute, at a listing every 5 s."""
_WHAT: Final = "for the list of pods"


class Lister:
    """Lists pods. ``sights`` remembers when each was first seen."""

    def __init__(self, client: Client, account: Account, sights: Sights) -> None:
        self._client = client
        self._account = account
        self._sights = sights
        self._lists = Shared(client.clock, self._list, "runpod listing")
        self._pages = 1
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

    def interval_s(self) -> float:
        """Return how far apart listings must be: half of the tightest quota window is theirs at most."""
        least = self._client.settings.timings.list_interval_s
        rate = self._client.quota.lowest_rate()
        return least if rate is None else max(least, self._pages / (rate / 2))

    async def close(self) -> None:
        """End a listing that is out."""
        await self._lists.close()

    async def _list(self) -> Listing:
        clock = self._client.clock
        account, confirmed = await self._whose(self._account.fresh())
        began = clock.now()
        pods, complete = await self._walk()
        if confirmed and self._suspicious(pods):
            account, confirmed = await self._whose(self._account.confirm())
        seen = tuple(self._machine(pod) for pod in pods if pod.state is not MachineState.GONE)
        whole = complete and confirmed
        if whole:
            self._known = frozenset(machine.id for machine in seen)
            self._sights.listed(seen)
        return Listing(account=account, began=began, ended=clock.now(), complete=whole, machines=seen)

    async def _whose(self, asked: Awaitable[str]) -> tuple[str, bool]:
        """Return the account's name and whether it is confirmed."""
        try:
            return await asked, True
        except Refused:
            return OTHER, False
        except ProviderError:
            return self._account.fingerprint, False

    def _suspicious(self, pods: Iterable[Pod]) -> bool:
        """Tell whether a list shows nothing where something was, or may be: another account's looks the same."""
        ids = frozenset(pod.id for pod in pods)
        if not ids and self._client.clock.monotonic() < self._doubt_until:
            return True
        return bool(self._known) and not ids & self._known

    def _machine(self, pod: Pod) -> Machine:
        return pod.machine(self._account.fingerprint, self._sights.first_seen(pod.id))

    async def _walk(self) -> tuple[list[Pod], bool]:
        """Return the pods of all pages, and whether that is all of them. Raises Unavailable without a first page."""
        pods: dict[str, Pod] = {}
        cursors: list[str] = []
        complete = True
        for number in range(1, PAGES_MAX + 1):
            try:
                page = await self._page(cursors[-1] if cursors else None)
            except ProviderError as error:
                if number == 1:
                    raise _unavailable(error) from error
                return list(pods.values()), False
            for item in page.items:
                pod = read_pod(item)
                complete = complete and pod is not None and pod.id not in pods  # a double means that the list moved
                if pod is not None:
                    pods.setdefault(pod.id, pod)
            self._pages = max(number, self._pages if page.cursor else 1)
            self._client.quota.needs_for_lists((self._pages + CONFIRMS_PER_LIST) / self.interval_s())
            if page.cursor is None:
                return list(pods.values()), complete
            if page.cursor in cursors:
                break
            cursors.append(page.cursor)
        return list(pods.values()), False

    async def _page(self, cursor: str | None) -> Page:
        query = {"limit": str(PAGE_ITEMS)} | ({"cursor": cursor} if cursor is not None else {})
        call = Call("GET", "/pods", Priority.LIST, query=query, reply_bytes_max=PAGE_BYTES_MAX)
        page = read_page(await self._client.read(call, _WHAT), "pods")
        if page is None:
            raise Unavailable("RunPod's list of pods could not be read")
        return page


def _unavailable(error: ProviderError) -> Unavailable:
    """A listing that could not be had is blindness, whatever its reason (interface.py)."""
    return error if isinstance(error, Unavailable) else Unavailable(str(error))
