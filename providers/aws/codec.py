"""Instances, volumes and spot requests as EC2 tells of them, read tolerantly. Pure.

A reader gives ``None`` where a value is not there or makes no sense, and never raises. What it cannot understand it
calls unknown, and unknown means alive.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from string import ascii_lowercase
from typing import Any, Final, NamedTuple

from messages.base import Instant
from messages.machines import Machine, MachineState
from messages.money import MICRO
from providers.aws.reasons import words
from providers.fields import TEXT_CHARS_MAX, text
from providers.sights import OURS

NAME_TAG: Final = "lastcall:name"
RATE_TAG: Final = "lastcall:rate"
"""Compute price in US dollars an hour, as offered: EC2 itself does not say what an instance costs."""
DISK_RATE_TAG: Final = "lastcall:disk-rate"
GPUS_TAG: Final = "lastcall:gpus"
PLACE_TAG: Final = "lastcall:place"
"""What the offer called the place: a zone, or the region where any of its zones will do."""
RATE_MAX: Final = Decimal(1_000_000)

_STATES: Final = {
    "pending": MachineState.STARTING,
    "running": MachineState.RUNNING,
    "shutting-down": MachineState.ENDING,
    "stopping": MachineState.STOPPED_BILLING,
    "stopped": MachineState.STOPPED_BILLING,
    "terminated": MachineState.GONE,
}
"""A stopped instance still bills its disk ("Amazon EC2 instance state changes")."""
_WHEN = re.compile(r"\((?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (?:GMT|UTC)\)", re.ASCII)


_ZONES: Final = frozenset(["", *ascii_lowercase])
"""What a zone's name has behind its region's, or behind itself."""


class Instance(NamedTuple):
    """An instance."""

    id: str
    owner: str
    """Account number."""
    name: str
    """Of ours the machine's name; of others their ``Name`` tag, if any."""
    status: str
    state: MachineState
    reason: str
    """Why it is in this state, in words; empty where there is nothing to say."""
    machine_type: str | None
    place: str | None
    launched_at: datetime | None
    ended_at: datetime | None
    spot_request: str | None
    rate_usd_per_hour: Decimal | None
    disk_usd_per_hour: Decimal | None
    gpu_count: int | None

    @property
    def said(self) -> str:
        """State and reason as one line."""
        return f"{self.status}: {self.reason}" if self.reason else self.status

    def machine(self, account: str, first_seen: Instant) -> Machine:
        """Return it as every provider tells of machines."""
        return Machine(
            id=self.id,
            name=self.name,
            account=account,
            state=self.state,
            rate_usd_per_hour=self.rate_usd_per_hour,
            first_seen=first_seen,
            raw_status=self.said,
            machine_type=self.machine_type,
            gpu_count=self.gpu_count,
            place=self.place,
            made_at=self.launched_at,
        )


class Volume(NamedTuple):
    """A disk."""

    id: str
    state: str
    """``creating``, ``available``, ``in-use``, ``deleting``, ``deleted``, ``error``."""
    name: str


class SpotRequest(NamedTuple):
    """A request for a spot instance."""

    id: str
    state: str
    """``open``, ``active``, ``closed``, ``cancelled``, ``failed``."""
    instance_id: str | None
    name: str
    status: str


def read_instances(value: Mapping[str, Any]) -> tuple[list[Instance], bool] | None:
    """Return the instances of a page, and whether each could be read; ``None`` for what is no page."""
    reservations = value.get("Reservations")
    if not isinstance(reservations, list):
        return None
    found, whole = [], True
    for reservation in reservations:
        instances = reservation.get("Instances") if isinstance(reservation, dict) else None
        if not isinstance(instances, list):
            whole = False
            continue
        owner = text(reservation.get("OwnerId")) or ""
        for item in instances:
            instance = read_instance(item, owner)
            whole = whole and instance is not None
            if instance is not None:
                found.append(instance)
    return found, whole


def read_instance(value: object, owner: str) -> Instance | None:
    """Return an instance, or ``None`` for what has no id."""
    if not isinstance(value, dict):
        return None
    identity = text(value.get("InstanceId"))
    if identity is None:
        return None
    tags = read_tags(value.get("Tags"))
    state = value.get("State")
    status = (text(state.get("Name")) if isinstance(state, dict) else None) or ""
    why = value.get("StateReason")
    code = text(why.get("Code")) if isinstance(why, dict) else None
    message = text(why.get("Message")) if isinstance(why, dict) else None
    placement = value.get("Placement")
    transition = text(value.get("StateTransitionReason")) or ""
    return Instance(
        id=identity,
        owner=owner,
        name=_name(tags, text(value.get("ClientToken"))),
        status=status,
        state=_STATES.get(status, MachineState.UNKNOWN),
        reason=words(code, message),
        machine_type=text(value.get("InstanceType")),
        place=_place(tags, text(placement.get("AvailabilityZone")) if isinstance(placement, dict) else None),
        launched_at=moment(value.get("LaunchTime")),
        ended_at=_transition(transition),
        spot_request=text(value.get("SpotInstanceRequestId")),
        rate_usd_per_hour=_rate(tags.get(RATE_TAG)),
        disk_usd_per_hour=_rate(tags.get(DISK_RATE_TAG), Decimal("1e-9")),
        gpu_count=int(gpus) if (gpus := tags.get(GPUS_TAG, "")).isascii() and gpus.isdecimal() else None,
    )


def was_over(value: Mapping[str, Any]) -> bool:
    """Tell whether the answer to a terminate says that the one instance asked about was terminated before."""
    changes = value.get("TerminatingInstances")
    before = [c.get("PreviousState") for c in changes if isinstance(c, dict)] if isinstance(changes, list) else []
    names = [state.get("Name") for state in before if isinstance(state, dict)]
    return [_STATES.get(name) for name in names if isinstance(name, str)] == [MachineState.GONE]


def read_volumes(value: Mapping[str, Any]) -> list[Volume] | None:
    """Return the volumes of a page, or ``None`` for what is none."""
    items = value.get("Volumes")
    if not isinstance(items, list) or not all(isinstance(item, dict) and text(item.get("VolumeId")) for item in items):
        return None
    return [
        Volume(str(v["VolumeId"]), text(v.get("State")) or "", read_tags(v.get("Tags")).get(NAME_TAG, ""))
        for v in items
    ]


def read_spot_requests(value: Mapping[str, Any]) -> list[SpotRequest] | None:
    """Return the spot requests of a page, or ``None`` for what is none."""
    items = value.get("SpotInstanceRequests")
    if not isinstance(items, list) or not all(
        isinstance(item, dict) and text(item.get("SpotInstanceRequestId")) for item in items
    ):
        return None
    return [
        SpotRequest(
            str(item["SpotInstanceRequestId"]),
            text(item.get("State")) or "",
            text(item.get("InstanceId")),
            read_tags(item.get("Tags")).get(NAME_TAG, ""),
            text((item.get("Status") or {}).get("Code")) or "" if isinstance(item.get("Status"), dict) else "",
        )
        for item in items
    ]


def next_token(value: Mapping[str, Any]) -> str | None:
    """Return where the next page begins; ``None``: this is the last one."""
    token = value.get("NextToken")
    return token if isinstance(token, str) and token else None


def read_tags(value: object) -> dict[str, str]:
    """Return tags as a mapping; what is none is left out."""
    tags = value if isinstance(value, Sequence) and not isinstance(value, str) else ()
    return {
        tag["Key"]: tag["Value"][:TEXT_CHARS_MAX]
        for tag in tags
        if isinstance(tag, dict) and isinstance(tag.get("Key"), str) and isinstance(tag.get("Value"), str)
    }


def moment(value: object) -> datetime | None:
    """Return a time in UTC, or ``None``."""
    if not isinstance(value, datetime) or value.tzinfo is None:
        return None
    try:
        return value.astimezone(UTC)
    except (OverflowError, ValueError):
        return None


def decimal(value: object) -> Decimal | None:
    """Return a finite number given as text, or ``None``."""
    if not isinstance(value, str):
        return None
    try:
        number = Decimal(value)
    except (InvalidOperation, ValueError):
        return None
    return number if number.is_finite() else None


def _name(tags: Mapping[str, str], token: str | None) -> str:
    """The client token tells ours from a copy: who copies an instance copies its tags (fault 17)."""
    ours, other = tags.get(NAME_TAG, ""), tags.get("Name", "")
    if ours and (token is None or token == ours):
        return ours
    return "" if other.startswith(OURS) else other


def _place(tags: Mapping[str, str], zone: str | None) -> str | None:
    """Return the place in the offer's words where the zone is in it, else the zone."""
    asked = tags.get(PLACE_TAG, "")
    return asked if zone is not None and asked and zone.removeprefix(asked) in _ZONES else zone


def _rate(value: str | None, step: Decimal = MICRO) -> Decimal | None:
    number = decimal(value)
    if number is None or not 0 <= number <= RATE_MAX:
        return None
    return number.quantize(step)


def _transition(reason: str) -> datetime | None:
    """``User initiated (2026-11-25 10:00:00 GMT)``: when it began to end."""
    found = _WHEN.search(reason)
    try:
        return datetime.fromisoformat(f"{found['at']}+00:00") if found else None
    except ValueError:
        return None
