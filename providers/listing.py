"""A cloud's whole list of machines, page by page, and when an empty one may be believed.

A list that breaks off, repeats itself or cannot be understood is not complete, and absence in it proves nothing. One
listing serves everybody whose need arose before it began.

A service whose cursor is a number of machines loses one from a list when another, of an earlier page, ends while the
list is walked: all behind it moves up, the first of the next page into the last place of the one that was read. Nothing
tells such a list from a whole one. So absence from more than one page needs two complete lists in a row
(``Listing.absent_since``), and those have their borders in other places: what the first hid is inside a page of the
second, whatever ends meanwhile and whichever way the service sorts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from messages.machines import Earlier, Listing, Machine, Timings
from providers.interface import ProviderError, Unavailable
from providers.seams import ProviderClock
from providers.shared import Shared

PAGES_MAX: Final = 50
"""A longer list is not read to its end, and so never complete."""
SHORTER: Final = 0.09
"""By so much of a page the pages of every second list are shorter: up to ten pages none of its borders is nearer to one
of the other list's than that."""


class Item(Protocol):
    """A machine as its provider tells of it."""

    @property
    def id(self) -> str:
        """What the provider calls it."""
        ...


T = TypeVar("T", bound=Item)


class Walk(NamedTuple, Generic[T]):
    """What the pages of one list showed."""

    items: list[T]
    whole: bool
    """Whether that is all, as far as the service says."""
    paged: bool
    """Whether it took more than one page."""


class Page(NamedTuple, Generic[T]):
    """One page of a list."""

    items: Sequence[T]
    whole: bool
    """Whether all that it holds could be read."""
    cursor: str | None
    """Where the next page begins; ``None``: this is the last one."""


class Lists(ABC, Generic[T]):
    """Lists the machines of one account; a subclass knows its pages, and whose account it is."""

    def __init__(self, clock: ProviderClock, timings: Timings, name: str, page_items: int) -> None:
        """``page_items`` is the most the service shows on one page."""
        self._clock = clock
        self._page_items = page_items
        self._short = False
        """Whether the pages of the next list are the shorter ones."""
        self._before: Earlier | None = None
        self._lists = Shared(clock, self._list, name)
        self._known: frozenset[str] = frozenset()
        """Ids of the last complete listing: an empty one stands once its account was read after it."""
        self._doubt_s = timings.quiet_s + timings.min_age_s
        self._doubt_until = clock.monotonic() + self._doubt_s

    async def begun_since(self, moment: float) -> Listing:
        """Return a listing that began at ``moment`` (monotonic seconds) or later. Raises Unavailable."""
        return await self._lists.begun_since(moment)

    async def anew(self) -> Listing:
        """Return a listing that begins after this call. Raises Unavailable."""
        return await self._lists.anew()

    def doubt(self) -> None:
        """Say that a create is unanswered: until its quiet time is over, no empty listing stands for itself."""
        self._doubt_until = max(self._doubt_until, self._clock.monotonic() + self._doubt_s)

    async def close(self) -> None:
        """End a listing that is out."""
        await self._lists.close()

    def _suspicious(self, found: Iterable[T]) -> bool:
        """Tell whether a list shows nothing where something was, or may be: another account's looks the same."""
        ids = frozenset(one.id for one in found)
        if not ids and self._clock.monotonic() < self._doubt_until:
            return True
        return bool(self._known) and not ids & self._known

    async def _walk(self) -> Walk[T]:
        """Return the machines of all pages. Raises Unavailable without a first page."""
        found: dict[str, T] = {}
        cursors: list[str] = []
        complete = True
        size = max(1, self._page_items - max(1, int(self._page_items * SHORTER))) if self._short else self._page_items
        for number in range(1, PAGES_MAX + 1):
            try:
                page = await self._page(cursors[-1] if cursors else None, number, size)
            except ProviderError as error:
                if number == 1:
                    raise _blind(error) from error
                break
            complete = complete and page.whole
            for item in page.items:
                complete = complete and item.id not in found  # a double means that the list moved
                found.setdefault(item.id, item)
            if page.cursor is None:
                self._short = number > 1 and not self._short
                return Walk(list(found.values()), complete, number > 1)
            if page.cursor in cursors:
                break
            cursors.append(page.cursor)
        return Walk(list(found.values()), whole=False, paged=True)

    def _told(
        self, account: str, began: datetime, machines: tuple[Machine, ...], walk: Walk[T], *, sure: bool
    ) -> Listing:
        """Return a listing of what was walked; ``sure``: the account is confirmed."""
        whole = walk.whole and sure
        listing = Listing(
            account=account,
            began=began,
            ended=self._clock.now(),
            complete=whole,
            machines=machines,
            paged=walk.paged,
            before=self._before if walk.paged else None,
        )
        if whole:
            self._known = frozenset(machine.id for machine in machines)
            self._before = Earlier(began=began, shown=listing.shown) if walk.paged else None
        return listing

    @abstractmethod
    async def _list(self) -> Listing:
        """Make one listing. Raises Unavailable."""

    @abstractmethod
    async def _page(self, cursor: str | None, number: int, size: int) -> Page[T]:
        """Return the page at ``cursor``, ``size`` machines at most; ``number`` counts from 1. Raises ProviderError."""


def _blind(error: ProviderError) -> Unavailable:
    """A listing that could not be had is blindness, whatever its reason (interface.py)."""
    return error if isinstance(error, Unavailable) else Unavailable(str(error))
