"""What lies in another provider's store than the one new things go to: found, and copied here before it is used.

A copy has the key of its source, and is only believed with the size and digest the journal holds. Copying again what
is here already does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Final, NamedTuple, Protocol, runtime_checkable

from actors.ledger.requests import Charge
from actors.storage.parts import StorageParts
from actors.storage.reading import bring
from messages.errors import Refusal
from messages.ids import UserId
from messages.machines import GIGABYTE, ProviderKind
from messages.money import ZERO, ceil_micro, human
from messages.storage import ObjectInfo
from providers.interface import CloudStorageProvider, NotFound, Unavailable

MEGABYTE: Final = 1_000_000
WHAT_CHARS_MAX: Final = 200


@runtime_checkable
class PricedReads(Protocol):
    """Optional: the provider charges for what is read out of its store. Where it does not, nothing has to be said."""

    read_usd_per_gb: Decimal


@runtime_checkable
class UpperPrices(Protocol):
    """Optional: the store's prices may be those of another, dearer place, because its own are not known."""

    prices_at_most: bool


class Located(NamedTuple):
    """Where an object lies."""

    parts: StorageParts
    stored: ObjectInfo


def stores(parts: StorageParts, provider: ProviderKind | None) -> Iterator[StorageParts]:
    """Yield the stores to look into: here, then where it was put; everywhere when nobody noted where."""
    yield parts
    for kind, other in parts.others.items():
        if provider in (None, kind):
            yield other


async def locate(parts: StorageParts, provider: ProviderKind | None, key: str, what: str) -> Located | None:
    """Return where ``key`` lies, a copy here first, or ``None`` when it is in no store that could hold it.

    Raises Refusal ``E-ELSEWHERE`` when it lies with a provider that is not held, and Unavailable.
    """
    for one in stores(parts, provider):
        with suppress(NotFound):
            return Located(one, await one.store.stat(key))
    parts.at(provider, what)
    return None


async def has(parts: StorageParts, key: str, size_bytes: int) -> bool:
    """Say whether an object is in a store already. Raises Unavailable."""
    with suppress(NotFound):
        return (await parts.store.stat(key)).size_bytes == size_bytes
    return False


async def copy(source: StorageParts, target: StorageParts, key: str, size_bytes: int, sha256: str) -> int:
    """Have an object in ``target`` as it is in ``source``; return how many bytes were copied.

    Raises Refusal ``E-ARTIFACT`` when it is not in ``source``, Unavailable for a copy that differs, Refused.
    """
    if await has(target, key, size_bytes):
        return 0
    try:
        brought = await bring(source.store, key, target.store, key)
    except NotFound:
        raise Refusal("E-ARTIFACT", f"its bytes are not with {source.kind} any more") from None
    if brought != (size_bytes, sha256):
        await target.store.delete(key)
        raise Unavailable(f"the copy from {source.kind} differs from what was stored")
    return size_bytes


async def pay(
    parts: StorageParts, source: StorageParts, size_bytes: int, user: UserId, what: str, cause: str
) -> Decimal:
    """Have what copying costs booked before it is copied, once for each ``cause``; return it.

    Raises Refusal ``E-BUDGET``.
    """
    return await _charged(parts, source, size_bytes, user, f"copying {what}", lambda: f"copy:{cause}")


async def pay_near(
    parts: StorageParts, source: StorageParts, files: Mapping[str, int], user: UserId, what: str, cause: str
) -> Decimal:
    """The same for files (key → size) that a program on this computer reads: those that have no copy here yet."""
    if not price(source.store, 1):
        return ZERO
    lacking = [size for key, size in files.items() if not await source.near.has(key, size)]
    return await pay(parts, source, sum(lacking), user, what, f"near:{cause}")


async def pay_download(parts: StorageParts, source: StorageParts, size_bytes: int, user: UserId, what: str) -> Decimal:
    """The same for what a person downloads, which leaves the store each time."""
    entropy = parts.world.entropy
    return await _charged(
        parts, source, size_bytes, user, f"downloading {what}", lambda: f"download:{entropy.bytes(8).hex()}"
    )


async def _charged(
    parts: StorageParts, source: StorageParts, size_bytes: int, user: UserId, doing: str, cause: Callable[[], str]
) -> Decimal:
    cost_usd = price(source.store, size_bytes)
    if not cost_usd or parts.charge is None:
        return cost_usd
    charge = Charge(
        user_id=user,
        provider=source.kind,
        what=f"{doing} out of {source.kind}"[:WHAT_CHARS_MAX],
        amount_usd=cost_usd,
        source=cause(),
    )
    await parts.charge(charge)
    return cost_usd


def price(store: CloudStorageProvider, size_bytes: int) -> Decimal:
    """Return what reading so much out of a store costs, in dollars; what costs anything is never nothing."""
    per_gb = store.read_usd_per_gb if isinstance(store, PricedReads) else ZERO
    return ceil_micro(per_gb * size_bytes / GIGABYTE)


def words(source: StorageParts, size_bytes: int) -> str:
    """Say that something is copied first, how much, and at what price."""
    cost_usd = price(source.store, size_bytes)
    costs = f"which costs {dollars(source.store, cost_usd)}" if cost_usd else "which costs nothing"
    return f"copied from {source.kind} first: {size_bytes / MEGABYTE:.1f} MB, {costs}"


def dollars(store: CloudStorageProvider, cost_usd: Decimal) -> str:
    """Say what something costs, and that it may be less where the store's own prices are not known."""
    at_most = "at most " if isinstance(store, UpperPrices) and store.prices_at_most else ""
    return f"{at_most}{human(cost_usd)}"
