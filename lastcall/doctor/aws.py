"""Checks of AWS: whose key, the clock, bucket and storage, roles, groups, alarm, launch, quotas, bill."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lastcall.config.settings import Settings
from lastcall.doctor.findings import Finding, Room, Verdict, clock
from lastcall.setup.aws import storage_advice
from lastcall.setup.aws_wanted import Found, client_of, find
from providers.aws.client import Client
from providers.aws.provider import build_aws_storage
from providers.aws.quotas import QUOTAS, quota
from providers.aws.resources.alarm import BudgetAlarm
from providers.aws.resources.buckets import DataBucket, Elsewhere, Foreign
from providers.aws.resources.everything import Everything, everything
from providers.aws.resources.log_group import LogGroup
from providers.aws.resources.resource import Resource, see
from providers.aws.resources.roles import InstanceProfile
from providers.aws.trying import try_launch
from providers.interface import NotFound, ProviderError, Refused

SETUP: Final = "lastcall setup aws"
POLICY: Final = "give the key the daemon policy that lastcall setup aws --dry-run prints"
_CLIENT, _FOUND, _BUCKET = "aws.client", "aws.found", "aws.bucket is there"
NEEDED: Final = (DataBucket, InstanceProfile, LogGroup)
"""Without these no training ends well; without the others it does."""


def settings_of(room: Room) -> Settings | None:
    """Return the configuration, ``None`` where AWS is not the provider."""
    if room.loaded is None or room.loaded.settings.provider != "aws":
        return None
    return room.loaded.settings


def aws_client(room: Room, settings: Settings) -> Client:
    """Return the one client of all checks. Raises Refused."""
    if _CLIENT not in room.notes:
        made = room.notes[_CLIENT] = client_of(settings, room.transport, room.clock)
        room.closing.append(made.close)
    client: Client = room.notes[_CLIENT]
    return client


async def account(room: Room) -> Sequence[Finding]:
    """Whose key it is, whether AWS answers, and whether its clock agrees; leaves what the account shall hold."""
    settings = settings_of(room)
    if settings is None:
        return []
    try:
        client = aws_client(room, settings)
        found = await find(client, settings)
    except Refused as error:
        return [Finding("AWS account", "fail", str(error), "see the line itself; lastcall config show --origin")]
    except ProviderError as error:
        return [Finding("AWS account", "fail", str(error), "check the network; machines end by their own timers")]
    room.notes[_FOUND] = found
    detail = f"{found.account}, as {found.arn}, in {found.wanted.region}"
    return [Finding("AWS account", "ok", detail), clock("AWS", client.clock_off_s())]


async def resources(room: Room) -> Sequence[Finding]:
    """Everything that setup makes: there, and as wanted."""
    things = _things(room)
    if things is None:
        return []
    wanted = [one for one in things.in_order() if not isinstance(one, BudgetAlarm) or one.wanted.alarm is not None]
    return [await _of(one, room) for one in wanted]


async def _of(one: Resource, room: Room) -> Finding:
    lacking: Verdict = "fail" if isinstance(one, NEEDED) else "warn"
    try:
        found = await see(one)
    except Elsewhere as error:
        return Finding(one.name, "fail", str(error), f"set aws.region to {error.region}, or aws.bucket to another one")
    except Refused as error:
        verdict: Verdict = "fail" if isinstance(one, DataBucket) else "warn"
        own = "set aws.bucket to one of this account; where it is one, " if isinstance(error, Foreign) else ""
        return Finding(one.name, verdict, str(error), f"{own}{POLICY if error.right else SETUP}")
    except ProviderError as error:
        return Finding(one.name, "warn", str(error), "try again")
    if isinstance(one, DataBucket):
        room.notes[_BUCKET] = found.there
    if not found.there:
        return Finding(one.name, lacking, f"{one.title} is not there", SETUP)
    if found.differences:
        return Finding(one.name, "warn", f"{one.title}: {found.amiss}", SETUP)
    return Finding(one.name, "ok", one.title)


async def storage(room: Room) -> Sequence[Finding]:
    """Written, read and deleted; nothing is said where there is no bucket."""
    settings = settings_of(room)
    if settings is None or not room.notes.get(_BUCKET):
        return []
    client = aws_client(room, settings)
    try:
        await build_aws_storage(client.settings, client, room.transport).probe()
    except ProviderError as error:
        return [Finding("storage", "fail", str(error), storage_advice(error))]
    return [Finding("storage", "ok", "written, read and deleted a file")]


async def launching(room: Room) -> Sequence[Finding]:
    """Whether EC2 would launch an instance; none is."""
    settings = settings_of(room)
    if settings is None or _FOUND not in room.notes:
        return []
    try:
        await try_launch(aws_client(room, settings))
    except Refused as error:
        return [Finding("launch", "fail", str(error), POLICY if error.right else SETUP)]
    except NotFound as error:
        return [Finding("launch", "fail", str(error), SETUP)]
    except ProviderError as error:
        return [Finding("launch", "warn", f"not known: {error}", "try again")]
    return [Finding("launch", "ok", "EC2 would launch an instance; none was")]


async def bill(room: Room) -> Sequence[Finding]:
    """Whether AWS's bill tells machines apart, as setup saw it last: asking AWS may cost a cent each time."""
    settings, found = settings_of(room), room.notes.get(_FOUND)
    if settings is None or found is None:
        return []
    if settings.aws.bill_split_for == found.account:
        return [Finding("bill", "ok", "AWS's bill tells machines apart")]
    later = f"{SETUP}, a day after the first machine, has it tell them apart"
    return [Finding("bill", "ok", f"AWS's bill does not tell machines apart as far as is known; {later}")]


async def quotas(room: Room) -> Sequence[Finding]:
    """How many processors the account may have at a time."""
    settings = settings_of(room)
    if settings is None or _FOUND not in room.notes:
        return []
    client, told = aws_client(room, settings), []
    more = "ask for more: AWS console, Service Quotas, Amazon EC2"
    try:
        for one in QUOTAS:
            told.append((one, await quota(client, one.code)))
    except (Refused, NotFound) as error:
        return [Finding("quotas", "warn", f"not readable: {error}", POLICY)]
    except ProviderError as error:
        return [Finding("quotas", "warn", f"not known: {error}", "try again")]
    detail = ", ".join(f"{one.words} {value:.0f}" for one, value in told)
    none = [one for one, value in told if value <= 0 and one.needed(spot=settings.aws.spot)]
    if none:
        verdict: Verdict = "fail" if any(not one.spot for one in none) else "warn"
        return [Finding("quotas", verdict, f"processors at a time: {detail}", more)]
    return [Finding("quotas", "ok", f"processors at a time: {detail}")]


def _things(room: Room) -> Everything | None:
    settings = settings_of(room)
    found: Found | None = room.notes.get(_FOUND)
    if settings is None or found is None:
        return None
    return everything(aws_client(room, settings), found.wanted)
