"""Pods and what else RunPod's API writes, read tolerantly: unknown words, missing and extra fields, odd types. Pure.

A reader gives ``None`` where a value is not there or makes no sense, and never raises; only an object without an id is
no object. What it cannot understand it calls unknown, and unknown means alive.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Final, NamedTuple, TypeGuard

from messages.base import Instant
from messages.machines import Machine, MachineState
from messages.money import MICRO
from providers.fields import text

RATE_MAX: Final = Decimal(1_000_000)
COUNT_MAX: Final = 1_000_000_000
NUMBER_MAX: Final = Decimal(10**15)

_STATES: Final = {
    "PROVISIONING": MachineState.STARTING,
    "STARTING": MachineState.STARTING,
    "RUNNING": MachineState.RUNNING,
    "EXITED": MachineState.STOPPED_BILLING,
    "ERROR": MachineState.STOPPED_BILLING,
    "TERMINATED": MachineState.GONE,
}
"""fact sheet 1.1. An ERROR pod still exists and bills at least its disk."""


class Pod(NamedTuple):
    """A pod as RunPod tells of it."""

    id: str
    name: str
    status: str
    state: MachineState
    rate_usd_per_hour: Decimal | None
    machine_type: str | None
    gpu_count: int | None
    place: str | None
    uptime_s: float | None

    def machine(self, account: str, first_seen: Instant) -> Machine:
        """Return it as every provider tells of machines."""
        return Machine(
            id=self.id,
            name=self.name,
            account=account,
            state=self.state,
            rate_usd_per_hour=self.rate_usd_per_hour,
            first_seen=first_seen,
            raw_status=self.status,
            machine_type=self.machine_type,
            gpu_count=self.gpu_count,
            place=self.place,
            uptime_s=self.uptime_s,
        )


class Page(NamedTuple):
    """One page of a list."""

    items: tuple[object, ...]
    cursor: str | None
    """Where the next page begins; ``None``: this is the last one."""


class Following(NamedTuple):
    """What comes after a page."""

    cursor: str | None
    """Where the next page begins; ``None``: there is none."""


class Volume(NamedTuple):
    """A network volume."""

    id: str
    name: str
    size_gb: int | None
    place: str | None


def read_pod(value: object) -> Pod | None:
    """Return a pod, or ``None`` for what is none."""
    if not is_object(value):
        return None
    identity = text(value.get("id"))
    if identity is None:
        return None
    status = text(value.get("status")) or ""
    state = _STATES.get(status.upper(), MachineState.UNKNOWN)
    kind, gpus = _hardware(value)
    return Pod(
        id=identity,
        name=text(value.get("name")) or "",
        status=status,
        state=state,
        rate_usd_per_hour=_rate(value.get("cost")),
        machine_type=kind,
        gpu_count=gpus,
        place=place(value.get("dataCenterId")),
        uptime_s=uptime_of(value.get("runtime")),
    )


def read_page(value: object, key: str) -> Page | None:
    """Return a page of the list under ``key``, of either dialect, or ``None`` for what is none.

    Lists had no pages in August 2026 and have had them since (fact sheet 1.1).
    """
    if not is_object(value):
        return None
    items = value.get(key)
    if not isinstance(items, list):
        return None
    following = next_page(value)
    return None if following is None else Page(tuple(items), following.cursor)


def next_page(value: Mapping[str, object]) -> Following | None:
    """Return what a page says of the next one, or ``None`` where that cannot be understood."""
    if "pagination" not in value:
        return Following(None)
    pages = value["pagination"]
    if not is_object(pages):
        return None
    more, cursor = pages.get("hasNextPage"), pages.get("nextCursor")
    if more is False or (more is None and cursor is None):
        return Following(None)
    if not isinstance(cursor, str) or not cursor:
        return None  # more is promised, and no way to it is said
    return Following(cursor)


def read_volume(value: object) -> Volume | None:
    """Return a network volume, or ``None`` for what is none."""
    if not is_object(value):
        return None
    identity = text(value.get("id"))
    if identity is None:
        return None
    return Volume(identity, text(value.get("name")) or "", count(value.get("size")), place(value.get("dataCenter")))


def place(value: object) -> str | None:
    """Return a data centre's id, upper case."""
    found = text(value)
    return found.upper() if found else None


def count(value: object) -> int | None:
    """Return a whole number from 0 on, or ``None``."""
    number = decimal(value)
    if number is None or not 0 <= number <= COUNT_MAX or number != number.to_integral_value():
        return None
    return int(number)


def decimal(value: object) -> Decimal | None:
    """Return a finite number, given as number or text, or ``None``."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    try:
        number = Decimal(value)
    except (InvalidOperation, ValueError):
        return None
    return number if number.is_finite() and -NUMBER_MAX <= number <= NUMBER_MAX else None


def money(value: object) -> Decimal | None:
    """Return a price above zero in micro-dollars, or ``None``: 0 and null mean "not offered" or "not said"."""
    number = decimal(value)
    if number is None or not 0 < number <= RATE_MAX:
        return None
    rounded = number.quantize(MICRO)
    return rounded if rounded > 0 else None


def moment(value: object) -> datetime | None:
    """Return an RFC 3339 time in UTC, or ``None``."""
    found = text(value)
    try:
        parsed = datetime.fromisoformat(found) if found else None
    except ValueError:
        return None
    if parsed is None or parsed.tzinfo is None:
        return None
    try:
        return parsed.astimezone(UTC)
    except (OverflowError, ValueError):
        return None


def is_object(value: object) -> TypeGuard[Mapping[str, object]]:
    """Tell whether a value is a JSON object."""
    return isinstance(value, dict)


def cpu_type(flavour: str, vcpus: int) -> str:
    """Return the machine type of a pod without GPU: ``cpu3c-4``."""
    return f"{flavour}-{vcpus}"


def split_cpu_type(machine_type: str) -> tuple[str, int] | None:
    """Return flavour and vCPUs of ``cpu3c-4``, or ``None`` for a GPU's name."""
    flavour, _, vcpus = machine_type.rpartition("-")
    if not flavour.startswith("cpu") or not vcpus.isascii() or not vcpus.isdecimal():
        return None
    return flavour, int(vcpus)


def _hardware(pod: Mapping[str, object]) -> tuple[str | None, int | None]:
    """A pod has either a GPU or a CPU part; one with neither does not say."""
    gpu, cpu = pod.get("gpu"), pod.get("cpu")
    if is_object(gpu):
        return text(gpu.get("id")), count(gpu.get("count"))
    if is_object(cpu):
        flavour, vcpus = text(cpu.get("id")), count(cpu.get("vcpuCount"))
        return (cpu_type(flavour, vcpus), 0) if flavour and vcpus is not None else (None, 0)
    return None, None


def _rate(value: object) -> Decimal | None:
    """``cost`` is 0 for a stopped pod although its disk bills (fact sheet 1.1): that is no price."""
    return money(value)


def uptime_of(value: object) -> float | None:
    """Return the seconds a pod's ``runtime`` tells, or ``None`` where it tells none."""
    if not is_object(value):
        return None
    said = value.get("uptime")
    if type(said) is int and 0 <= said <= COUNT_MAX:
        return float(said)  # as it is nearly always, and there are thousands of pods
    number = decimal(said)
    return float(number) if number is not None and number >= 0 else None
