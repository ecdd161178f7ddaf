"""A cloud's whole list of machines, page by page, and when an empty one may be believed.

A list that breaks off, repeats itself or cannot be understood is not complete, and absence in it proves nothing. One
listing serves everybody whose need arose before it began.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from messages.machines import Listing, Timings
from providers.interface import ProviderClock, ProviderError, Unavailable
from providers.shared import Shared

PAGES_MAX: Final = 50
"""A longer list is not read to its end, and so never complete."""


class Item(Protocol):
    """A machine as its provider tells of it."""

    @property
    def id(self) -> str:
        """What the provider calls it."""
        ...


T = TypeVar("T", bound=Item)


class Page(NamedTuple, Generic[T]):
    """One page of a list."""

    items: Sequence[T]
    whole: bool
    """Whether all that it holds could be read."""
    cursor: str | None
    """Where the next page begins; ``None``: this is the last one."""


class Lists(ABC, Generic[T]):
    """Lists the machines of one account; a subclass knows its pages, and whose account it is."""

    def __init__(self, clock: ProviderClock, timings: Timings, name: str) -> None:
        self._clock = clock
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

    async def _walk(self) -> tuple[list[T], bool]:
        """Return the machines of all pages, and whether that is all. Raises Unavailable without a first page."""
        found: dict[str, T] = {}
        cursors: list[str] = []
        complete = True
        for number in range(1, PAGES_MAX + 1):
            try:
                page = await self._page(cursors[-1] if cursors else None, number)
            except ProviderError as error:
                if number == 1:
                    raise _blind(error) from error
                return list(found.values()), False
            complete = complete and page.whole
            for item in page.items:
                complete = complete and item.id not in found  # a double means that the list moved
                found.setdefault(item.id, item)
            if page.cursor is None:
                return list(found.values()), complete
            if page.cursor in cursors:
                break
            cursors.append(page.cursor)
        return list(found.values()), False

    @abstractmethod
    async def _list(self) -> Listing:
        """Make one listing. Raises Unavailable."""

    @abstractmethod
    async def _page(self, cursor: str | None, number: int) -> Page[T]:
        """Return the page at ``cursor``; ``number`` counts from 1. Raises ProviderError."""


def _blind(error: ProviderError) -> Unavailable:
    """A listing that could not be had is blindness, whatever its reason (interface.py)."""
    return error if isinstance(error, Unavailable) else Unavailable(str(error))
