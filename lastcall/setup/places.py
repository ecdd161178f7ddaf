"""In which data centre a new network volume goes: where S3 is, and the GPUs that jobs ask for. Pure but for the asking.

A volume stays where it is made, and pods that mount it can only run there (fact sheet 5.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from providers.interface import ProviderError
from providers.runpod import resources
from providers.runpod.catalogue import Gpu, Stock
from providers.runpod.client import Client
from providers.runpod.offers import LARGE_GPU, MIDDLE_GPU

WITH_S3: Final = (
    "EU-CZ-1", "EU-RO-1", "EUR-IS-1", "EUR-NO-1", "US-CA-2", "US-GA-2", "US-IL-1", "US-KS-2", "US-MD-1", "US-MO-1",
    "US-MO-2", "US-NC-1", "US-NC-2", "US-NE-1", "US-WA-1",
)  # fmt: skip
"""As documented (fact sheet 5.2), for when GraphQL does not say: it is to be closed in 2027 (fact sheet 0)."""


class Place(NamedTuple):
    """A data centre that can be chosen."""

    id: str
    wanted: tuple[str, ...]
    """Names of the wanted GPU types that are in stock there."""
    stock: int
    """Sum of their stock; more is better."""


async def with_s3(client: Client) -> Sequence[str]:
    """Return the data centres whose volumes have an S3 API, as RunPod says or else as documented."""
    try:
        return await resources.data_centers_with_s3(client) or WITH_S3
    except ProviderError:
        return WITH_S3


async def find_places(client: Client, default_gpu: str) -> list[Place]:
    """Return the data centres with S3, the best stocked with wanted GPUs first. Raises Unavailable, Refused."""
    return rank(await resources.gpus(client), await with_s3(client), (default_gpu, MIDDLE_GPU, LARGE_GPU))


def rank(gpus: Sequence[Gpu], places: Sequence[str], wanted: Sequence[str]) -> list[Place]:
    """Return ``places``, those with the first wanted GPU first, then by how many kinds and how much there is."""
    by_id = {gpu.id: gpu for gpu in gpus}
    kinds = [by_id[name] for name in dict.fromkeys(wanted) if name in by_id]

    def look(place: str) -> tuple[bool, Place]:
        there = [gpu for gpu in kinds if gpu.stock.get(place, Stock.NONE) > Stock.NONE]
        stock = sum(int(gpu.stock[place]) for gpu in there)
        return bool(there) and there[0].id == wanted[0], Place(place, tuple(gpu.name for gpu in there), stock)

    looked = [look(place) for place in sorted(places)]
    looked.sort(key=lambda one: (not one[0], -len(one[1].wanted), -one[1].stock))
    return [place for _, place in looked]
