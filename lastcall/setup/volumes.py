"""The network volume: found by id or name, or made where jobs can run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from lastcall.setup.places import Place, find_places, with_s3
from lastcall.setup.steps import Person, Report, Step
from providers.interface import Ambiguous, NoCapacity, NotFound, ProviderError, Refused
from providers.runpod import resources
from providers.runpod.client import Client
from providers.runpod.codec import Volume
from providers.runpod.prices import volume_usd_per_month

NAME: Final = "lastcall"
SIZE_GB: Final = 100
PLACES_SHOWN: Final = 5


class VolumeWish(NamedTuple):
    """Which volume it should be."""

    id: str | None = None
    data_center: str | None = None
    size_gb: int = SIZE_GB
    default_gpu: str = ""


async def find_volume(client: Client, wish: VolumeWish, report: Report, person: Person) -> Volume | None:
    """Return the volume, made now if need be; tells why, and returns ``None``, without one."""
    told = len(report.steps)
    try:
        found = await _known(client, wish, report)
        if found is not None or len(report.steps) > told:
            return found
        return await _make(client, wish, report, person)
    except ProviderError as error:
        report.tell(Step("volume", "failed", str(error), "try again when RunPod answers"))
        return None


async def _known(client: Client, wish: VolumeWish, report: Report) -> Volume | None:
    """Return the volume that is there; a step is told unless there is simply none yet."""
    tell = report.tell
    if wish.id is not None:
        try:
            found = [await resources.volume(client, wish.id)]
        except NotFound:
            advice = "check the id and that the key is of the same account, or leave it out to have one made"
            tell(Step("volume", "failed", f"this account has no network volume {wish.id}", advice))
            return None
    else:
        found = [one for one in await resources.volumes(client) if one.name == NAME]
        if wish.data_center is not None:
            found = [one for one in found if one.place == wish.data_center]
    if len(found) > 1:
        ids = ", ".join(f"{one.id} in {one.place}" for one in found)
        tell(Step("volume", "failed", f"there are {len(found)} volumes named {NAME}: {ids}", "choose: --volume ID"))
        return None
    if not found:
        return None
    return await _fits(client, found[0], wish, report)


async def _fits(client: Client, volume: Volume, wish: VolumeWish, report: Report) -> Volume | None:
    words = f"{volume.name or volume.id} ({volume.id}), {volume.size_gb or '?'} GB in {volume.place}"
    if wish.data_center is not None and volume.place != wish.data_center:
        advice = f"leave out --data-center, or --volume to have another one made in {wish.data_center}"
        report.tell(Step("volume", "failed", f"{words}: a volume cannot be moved to {wish.data_center}", advice))
        return None
    if client.settings.s3_endpoint is None and volume.place not in await with_s3(client):
        detail = f"{words}: volumes there have no S3 API, and files could not be sent"
        report.tell(Step("volume", "failed", detail, "choose another volume, or have one made: --data-center DC"))
        return None
    report.tell(Step("volume", "unchanged", words))
    return volume


async def _make(client: Client, wish: VolumeWish, report: Report, person: Person) -> Volume | None:
    places = await find_places(client, wish.default_gpu)
    chosen = _choose(places, wish, report)
    if chosen is None:
        return None
    words = (
        f"network volume {NAME}, {wish.size_gb} GB in {chosen.id}, ${volume_usd_per_month(wish.size_gb):.2f} a month"
    )
    stock = f" (has {', '.join(chosen.wanted)})" if chosen.wanted else " (has none of the usual GPUs now)"
    if report.dry_run:
        report.tell(Step("volume", "planned", f"would make {words}{stock}"))
        return None
    if not person.agrees(f"Make {words}{stock}? It costs that until it is deleted."):
        report.tell(Step("volume", "failed", "no volume was made", "choose one that is there: --volume ID"))
        return None
    return await _made(client, wish, chosen, places, report)


def _choose(places: Sequence[Place], wish: VolumeWish, report: Report) -> Place | None:
    if wish.data_center is None:
        if places:
            return places[0]
        report.tell(Step("volume", "failed", "RunPod names no data centre with S3", "choose one: --data-center DC"))
        return None
    for place in places:
        if place.id == wish.data_center:
            return place
    known = ", ".join(place.id for place in places[:PLACES_SHOWN])
    detail = f"volumes in {wish.data_center} have no S3 API, and files could not be sent"
    report.tell(Step("volume", "failed", detail, f"choose one of {known}"))
    return None


async def _made(
    client: Client, wish: VolumeWish, chosen: Place, places: Sequence[Place], report: Report
) -> Volume | None:
    others = ", ".join(place.id for place in places if place.id != chosen.id and place.wanted) or "another one"
    report.unsure[NAME] = (
        f"network volume {NAME} in {chosen.id} may have been made, ${volume_usd_per_month(wish.size_gb):.2f} a month "
        "until it is deleted; run it again, which looks for the volume first, or delete it in RunPod's console, Storage"
    )
    try:
        made = await resources.create_volume(client, NAME, wish.size_gb, chosen.id)
    except NoCapacity as error:
        del report.unsure[NAME]
        report.tell(Step("volume", "failed", str(error), f"choose another data centre: --data-center {others}"))
        return None
    except Refused as error:
        del report.unsure[NAME]
        report.tell(Step("volume", "failed", str(error), "give the key write access to network volumes, or add credit"))
        return None
    except Ambiguous as error:
        # It may exist and bill. A second run finds it by its name; making another one here would double it.
        report.tell(Step("volume", "failed", str(error), "run it again: it looks for the volume first"))
        return None
    del report.unsure[NAME]
    report.tell(Step("volume", "done", f"made {made.name} ({made.id}), {wish.size_gb} GB in {made.place}"))
    return made
