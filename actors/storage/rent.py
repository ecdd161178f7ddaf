"""A store that is rented at a size: what it costs, and what the provider's bill says of it later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from actors.ledger.requests import BookRentBill, BookStored, KeptByUser, RentBillFrom, RentLine
from actors.runtime.actor import Ref
from actors.runtime.world import Clock
from messages.ids import UserId
from messages.machines import GIGABYTE, ProviderKind
from providers.interface import RentsSpace

ASK_S: Final = 60.0


class Rent:
    """The rent of one provider's store: nobody's files make it dearer, so whoever runs Lastcall pays for it."""

    def __init__(
        self,
        kind: ProviderKind,
        space: RentsSpace,
        owner: UserId,
        clock: Clock,
        ledger: Ref[Any],
        log: Callable[..., Any],
    ) -> None:
        self._kind = kind
        self._space = space
        self._owner = owner
        self._clock = clock
        self._ledger = ledger
        self._log = log

    async def look(self) -> None:
        """Have today booked, and what the bill says of earlier days. Raises what provider and ledger raise."""
        rented = await self._space.space()
        booked = BookStored(
            provider=self._kind,
            usd_per_gb_month=rented.usd_per_month / rented.size_gb,
            prices_as_of=rented.prices_as_of,
            users=(KeptByUser(user_id=self._owner, size_bytes=rented.size_gb * GIGABYTE),),
            rented=True,
        )
        await self._ledger.ask(booked, ASK_S)
        self._log("rent_booked", provider=self._kind, size_gb=rented.size_gb)
        await self._read_bill()

    async def _read_bill(self) -> None:
        since = await self._ledger.ask(RentBillFrom(provider=self._kind), ASK_S)
        if since is None:
            return
        found = await self._space.space_billed(since, self._clock.now())
        lines = tuple(RentLine(began=one.began, ended=one.ended, amount_usd=one.amount_usd) for one in found)
        corrected = await self._ledger.ask(BookRentBill(provider=self._kind, lines=lines), ASK_S)
        self._log("rent_bill_read", provider=self._kind, lines=len(lines), corrected=corrected)
