"""What is asked beside pods: the catalogue, volumes, templates, registries, the balance, where S3 is."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final, NamedTuple, TypeVar

from providers.fields import text
from providers.gate import Priority
from providers.interface import Ambiguous, NoCapacity, Refused, Unavailable
from providers.runpod.catalogue import Cpu, Gpu, read_cpus, read_gpus
from providers.runpod.client import Call, Client, path_of
from providers.runpod.codec import Volume, decimal, is_object, place, read_page, read_volume
from providers.runpod.problems import Unreadable
from providers.transport import TransportError

T = TypeVar("T")

PAGES_MAX: Final = 50
PAGE_ITEMS: Final = 100
"""What every list of this kind gives at most (fact sheet 1.1)."""
CREATE_S: Final = 60.0
_IN_STOCK: Final = {"include": "AVAILABILITY", "product": "POD"}
_BALANCE = "query { myself { clientBalance currentSpendPerHr spendLimit } }"
_WITH_S3 = "query { dataCenters { id s3apiEnabled } }"


class Named(NamedTuple):
    """A template or registry credential."""

    id: str
    name: str


class Balance(NamedTuple):
    """Money of the account in US dollars; ``None`` where RunPod does not say."""

    left_usd: Decimal | None
    spending_usd_per_hour: Decimal | None
    spend_limit_usd_per_hour: Decimal | None


async def gpus(client: Client) -> tuple[Gpu, ...]:
    """Return the GPU types on offer, with their stock. Raises Refused or Unavailable."""
    found = read_gpus(await client.read(Call("GET", "/catalog/gpus", query=_IN_STOCK), "for the catalogue"))
    if found is None:
        raise Unavailable("RunPod's catalogue of GPUs could not be read")
    return found


async def cpus(client: Client) -> tuple[Cpu, ...]:
    """Return the flavours of machines without GPU, with their stock. Raises Refused or Unavailable."""
    found = read_cpus(await client.read(Call("GET", "/catalog/cpus", query=_IN_STOCK), "for the catalogue"))
    if found is None:
        raise Unavailable("RunPod's catalogue of CPUs could not be read")
    return found


async def volumes(client: Client) -> list[Volume]:
    """Return the account's network volumes. Raises Refused or Unavailable."""
    return await _listed(client, "/network-volumes", "networkVolumes", read_volume, "for the network volumes")


async def volume(client: Client, volume_id: str) -> Volume:
    """Return one network volume. Raises NotFound, Refused or Unavailable."""
    found = read_volume(await client.read(Call("GET", path_of("network-volumes", volume_id)), "for a network volume"))
    if found is None:
        raise Unavailable("RunPod's answer about a network volume could not be read")
    return found


async def create_volume(client: Client, name: str, size_gb: int, data_center: str) -> Volume:
    """Make a network volume, by one call. Raises NoCapacity, Refused, or Ambiguous on anything but a clean answer."""
    body = {"name": name, "size": size_gb, "dataCenter": data_center.upper()}
    try:
        reply = await client.exchange(Call("POST", "/network-volumes", body=body, total_s=CREATE_S, read_s=CREATE_S))
    except TransportError as error:
        raise Ambiguous(f"RunPod did not answer the making of a network volume: {error}") from error
    if reply.status in (200, 201):
        try:
            made = read_volume(reply.json())
        except Unreadable:
            made = None
        if made is None:
            raise Ambiguous("RunPod's answer to the making of a network volume could not be read")
        return made
    sentence = reply.problem.sentence("to make a network volume")
    if reply.problem.clean and reply.status == 400:
        raise NoCapacity(sentence)
    if reply.problem.clean:
        raise Refused(sentence)
    raise Ambiguous(sentence)


async def templates(client: Client) -> list[Named]:
    """Return the account's templates. Raises Refused or Unavailable."""
    return await _listed(client, "/templates", "templates", _named, "for the templates")


async def registries(client: Client) -> list[Named]:
    """Return the account's registry credentials, without their secrets. Raises Refused or Unavailable."""
    return await _listed(client, "/registries", "registries", _named, "for the registry credentials")


async def balance(client: Client) -> Balance:
    """Return the account's money, which only GraphQL knows (fact sheet 6.2). Raises Refused or Unavailable."""
    said = await client.graphql(_BALANCE, {}, "for the balance", Priority.REST)
    me = said.get("myself") if is_object(said) else None
    if not is_object(me):
        raise Unavailable("RunPod does not say whose balance it is")
    return Balance(
        decimal(me.get("clientBalance")), decimal(me.get("currentSpendPerHr")), decimal(me.get("spendLimit"))
    )


async def data_centers_with_s3(client: Client) -> list[str]:
    """Return the ids of data centres whose volumes have an S3 API. Raises Refused or Unavailable."""
    said = await client.graphql(_WITH_S3, {}, "which data centres have S3", Priority.REST)
    listed = said.get("dataCenters") if is_object(said) else None
    if not isinstance(listed, list):
        raise Unavailable("RunPod does not say which data centres have S3")
    found = [place(one.get("id")) for one in listed if is_object(one) and one.get("s3apiEnabled") is True]
    return sorted(one for one in found if one is not None)


async def _listed(client: Client, path: str, key: str, read: Callable[[object], T | None], what: str) -> list[T]:
    found: list[T] = []
    cursors: list[str] = []
    for _ in range(PAGES_MAX):
        query = {"limit": str(PAGE_ITEMS), "cursor": cursors[-1]} if cursors else {}
        page = read_page(await client.read(Call("GET", path, query=query), what), key)
        if page is None or page.cursor in cursors:
            raise Unavailable(f"RunPod's answer when asked {what} could not be read")
        found += [one for item in page.items if (one := read(item)) is not None]
        if page.cursor is None:
            return found
        cursors.append(page.cursor)
    raise Unavailable(f"RunPod's answer when asked {what} has no end")


def _named(value: object) -> Named | None:
    identity = text(value.get("id")) if is_object(value) else None
    return Named(identity, text(value.get("name")) or "") if is_object(value) and identity else None
