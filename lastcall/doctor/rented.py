"""Checks of RunPod: the API, the clock, the key, the volume, its storage, money, self-ending, packages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lastcall.doctor.findings import Finding, Room, clock
from lastcall.renting import runpod_settings
from lastcall.setup import rights, storage
from providers.interface import NotFound, ProviderError
from providers.runpod import resources
from providers.runpod.client import Call, Client
from providers.runpod.provider import build_runpod_storage
from providers.runpod.settings import RunPodSettings
from providers.transport import HttpRequest, TransportError

RUNWAY_H: Final = 24
"""Money for less is told."""
INDEX_S: Final = 15.0
_CLIENT, _SETTINGS = "runpod.client", "runpod.settings"
SETUP: Final = "lastcall setup runpod"


def settings_of(room: Room) -> RunPodSettings | None:
    """Return what the provider is told, ``None`` where RunPod is not the provider."""
    if room.loaded is None or room.loaded.settings.provider != "runpod":
        return None
    found: RunPodSettings | None = room.notes.get(_SETTINGS)
    if found is None:
        found = room.notes[_SETTINGS] = runpod_settings(room.loaded.settings)
    return found


def client_of(room: Room, settings: RunPodSettings) -> Client:
    """Return the one client of all checks, which keeps the quota."""
    if _CLIENT not in room.notes:
        room.notes[_CLIENT] = Client(room.transport, room.clock, settings)
    client: Client = room.notes[_CLIENT]
    return client


async def api(room: Room) -> Sequence[Finding]:
    """Reachable, and at the same time as this computer."""
    settings = settings_of(room)
    if settings is None:
        return []
    try:
        await client_of(room, settings).answer(Call("GET", "/network-volumes"), "whether it is there")
    except ProviderError as error:
        return [Finding("RunPod API", "fail", str(error), "check the network; machines end by their own timers")]
    off_s = client_of(room, settings).clock_off_s()
    return [Finding("RunPod API", "ok", f"answers at {settings.api_url}"), clock("RunPod", off_s)]


async def key(room: Room) -> Sequence[Finding]:
    """Valid, and with every right."""
    settings = settings_of(room)
    if settings is None:
        return []
    advice = "make or change the key in RunPod's console, Settings"
    try:
        findings = await rights.find_rights(client_of(room, settings), trying_writes=True)
    except rights.KeyInvalid as error:
        return [Finding("RunPod key", "fail", str(error), advice)]
    except ProviderError as error:
        return [Finding("RunPod key", "fail", str(error), "try again")]
    found = [
        Finding(
            "RunPod key",
            "fail" if one.right.needed else "warn",
            f"it may not {one.right.name}: {one.right.without}",
            advice,
        )
        for one in findings
        if one.has is False
    ]
    return found or [Finding("RunPod key", "ok", "valid, with every right that is needed")]


async def volume(room: Room) -> Sequence[Finding]:
    """There, and where it is said to be; and readable and writable through S3."""
    settings = settings_of(room)
    if settings is None:
        return []
    try:
        found = await resources.volume(client_of(room, settings), settings.volume_id)
    except NotFound:
        detail = f"this account has no network volume {settings.volume_id}"
        return [Finding("volume", "fail", detail, SETUP)]
    except ProviderError as error:
        return [Finding("volume", "fail", str(error), "try again")]
    words = f"{found.name or found.id}, {found.size_gb or '?'} GB in {found.place}"
    if settings.data_center is not None and found.place != settings.data_center:
        detail = f"{words}; the configuration says {settings.data_center}"
        return [Finding("volume", "fail", detail, f"set runpod.data_center to {found.place}")]
    placed = settings.model_copy(update={"data_center": found.place})
    try:
        await build_runpod_storage(placed, room.clock, room.transport).probe()
    except ProviderError as error:
        return [Finding("volume", "ok", words), Finding("storage", "fail", str(error), storage.advice(error))]
    return [Finding("volume", "ok", words), Finding("storage", "ok", "written, read and deleted a file")]


async def money(room: Room) -> Sequence[Finding]:
    """What is left, and for how long."""
    settings = settings_of(room)
    if settings is None:
        return []
    try:
        found = await resources.balance(client_of(room, settings))
    except ProviderError:
        return [Finding("balance", "warn", "RunPod's GraphQL does not say it; everything works without", "")]
    left, rate = found.left_usd, found.spending_usd_per_hour
    if left is None:
        return [Finding("balance", "warn", "RunPod does not say it", "")]
    credit = "add credit in RunPod's console, Billing"
    if left <= 0:
        return [Finding("balance", "fail", f"${left:.2f}: RunPod starts nothing and ends what runs", credit)]
    if rate is None or rate <= 0:
        return [Finding("balance", "ok", f"${left:.2f}, nothing is being spent")]
    hours = left / rate
    words = f"${left:.2f}, spending ${rate:.3f} an hour: {_span(int(hours))} left"
    return [Finding("balance", "warn", words, credit) if hours < RUNWAY_H else Finding("balance", "ok", words)]


def _span(hours: int) -> str:
    return f"{hours // 24} days" if hours >= 2 * RUNWAY_H else f"{hours} hours"


async def self_ending(room: Room) -> Sequence[Finding]:
    """Whether machines end themselves with nobody watching."""
    settings = settings_of(room)
    if settings is None:
        return []
    if settings.self_ending == "proven":
        return [Finding("self-ending", "ok", "proven for this account")]
    detail = "not proven for this account: machines are bounded only while Lastcall runs"
    return [Finding("self-ending", "warn", detail, SETUP)]


async def packages(room: Room) -> Sequence[Finding]:
    """The index that pods install training libraries from, where one is set."""
    settings = settings_of(room)
    if settings is None:
        return []
    index = settings.package_index
    if index is None:
        return [Finding("packages", "ok", "pods use pip's own index")]
    try:
        answer = await room.transport.request(HttpRequest("GET", f"{index.rstrip('/')}/pip/", total_s=INDEX_S))
    except TransportError as error:
        detail = f"{index} does not answer from here: {error}"
        return [Finding("packages", "warn", detail, "check runpod.package_index; pods must reach it")]
    if answer.status >= 500 or answer.status in (401, 403):
        detail = f"{index} answers {answer.status}"
        return [Finding("packages", "warn", detail, "check runpod.package_index; pods must reach it")]
    return [Finding("packages", "ok", f"{index} answers")]
