"""Looks once a day at what stores cost: measures what every user keeps where that is charged for, and books rents."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from actors.ledger.requests import BookStored, KeptByUser
from actors.runtime.actor import Ref
from actors.runtime.world import Clock
from actors.storage.access import Area, Layout
from actors.storage.rent import Rent
from messages.ids import UserId
from messages.machines import ProviderKind
from providers.interface import CloudStorageProvider, SellsSpace

FIRST_S: Final = 600.0
"""From the start to the first look: jobs and what they need come first."""
DAILY_S: Final = 86_400.0
ASK_S: Final = 60.0


class Measured(NamedTuple):
    """A store, and where users' things lie in it."""

    store: CloudStorageProvider
    layout: Layout


class SpaceMeter:
    """Looks at every store that costs by itself."""

    def __init__(
        self,
        stores: Mapping[ProviderKind, Measured],
        rents: Mapping[ProviderKind, Rent],
        clock: Clock,
        ledger: Ref[Any],
        log: Callable[..., Any],
    ) -> None:
        sold = {kind: one for kind, one in stores.items() if isinstance(one.store, SellsSpace)}
        self._looks: dict[ProviderKind, Callable[[], Awaitable[None]]] = {
            **{kind: partial(self._measure, kind, one) for kind, one in sold.items()},
            **{kind: rent.look for kind, rent in rents.items()},
        }
        self._clock = clock
        self._ledger = ledger
        self._log = log

    @property
    def has_work(self) -> bool:
        """Whether any store costs by itself."""
        return bool(self._looks)

    async def run(self) -> None:
        """Measure for ever, once a day. Whatever goes wrong ends one look at one store, never the measuring."""
        await self._clock.sleep(FIRST_S)
        while True:
            for kind, look in self._looks.items():
                try:
                    await look()
                except Exception as error:
                    self._log("space_not_measured", provider=kind, error=str(error) or repr(error))
            await self._clock.sleep(DAILY_S)

    async def _measure(self, kind: ProviderKind, one: Measured) -> None:
        store = one.store
        if not isinstance(store, SellsSpace):
            raise TypeError(f"{kind} does not charge for its space")
        sizes = await sizes_of(one)
        users = tuple(KeptByUser(user_id=user, size_bytes=size) for user, size in sorted(sizes.items()))
        booked = BookStored(
            provider=kind,
            usd_per_gb_month=store.kept_usd_per_gb_month,
            prices_as_of=store.prices_as_of,
            users=users,
        )
        await self._ledger.ask(booked, ASK_S)
        self._log("space_measured", provider=kind, users=len(users), bytes=sum(sizes.values()))


async def sizes_of(one: Measured) -> dict[UserId, int]:
    """Return how many bytes each user keeps; what belongs to nobody does not count. Raises Unavailable, Refused."""
    sizes: dict[UserId, int] = {}
    for area in Area:
        prefix = one.layout.prefix(area) + "/"
        async for stored in one.store.list(prefix):
            user = _owner(stored.key.removeprefix(prefix))
            if user is not None:
                sizes[user] = sizes.get(user, 0) + stored.size_bytes
    return sizes


def _owner(rest: str) -> UserId | None:
    folder, _, inside = rest.partition("/")
    try:
        return UserId(folder.removeprefix("user_")) if inside and folder.startswith("user_") else None
    except ValueError:
        return None
