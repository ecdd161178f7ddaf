"""One pod as the platform keeps it, its states and what may be done in each, and its life as the auditor sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

from tests.emulators.runpod.ledger import (
    CONTAINER_DISK,
    VOLUME_DISK,
    VOLUME_DISK_STOPPED,
    Kind,
    per_hour,
)
from tests.emulators.runpod.podlog import PodLog


class Status(StrEnum):
    """The platform's words (fact sheet 1.1)."""

    PROVISIONING = "PROVISIONING"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    EXITED = "EXITED"
    ERROR = "ERROR"
    TERMINATED = "TERMINATED"


ACTIONS: dict[Status, tuple[str, ...]] = {
    Status.PROVISIONING: ("stop", "terminate"),
    Status.STARTING: ("stop", "terminate"),
    Status.RUNNING: ("stop", "restart", "terminate"),
    Status.EXITED: ("start", "terminate"),
    Status.ERROR: ("start", "terminate"),
    Status.TERMINATED: (),
}

Who = Literal["account", "pod", "platform"]


@dataclass(frozen=True)
class Config:
    """What the create call, or a later change, asked for."""

    name: str
    image: str
    args: str = ""
    cmd: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    env: dict[str, str] = field(default_factory=dict, repr=False)
    ports: tuple[str, ...] = ()
    disk_gb: int = 50
    registry: str | None = None
    locked: bool = False
    global_networking: bool = False
    start_ssh: bool = False
    start_jupyter: bool = False
    volume_id: str | None = None
    mount_path: str | None = None
    own_disk_gb: int = 0
    """GB of the pod's own volume disk; 0: none."""


@dataclass(frozen=True)
class Hardware:
    """What the pod got."""

    kind: Literal["gpu", "cpu"]
    id: str
    count: int
    """GPUs, or vCPUs."""
    vcpu: int
    memory_gb: int
    cloud: str
    data_center: str
    cuda: str | None = None


@dataclass
class Life:
    """What the auditor knows of one pod, judged from outside any client."""

    pod_id: str
    name: str
    account: str
    asked_at: float
    """When the create call came in."""
    created_at: float | None = None
    """When it came into being; later than asked where placement was late."""
    visible_at: float | None = None
    """From when on lists show it."""
    starts: list[float] = field(default_factory=list)
    """Every start of its container."""
    exits: list[tuple[float, int]] = field(default_factory=list)
    """Every end of its first process, with the code."""
    ended_at: float | None = None
    """When it stopped existing, and billing."""
    ended_by: Who | None = None
    how: str | None = None
    """Name of the call, or ``balance``."""
    stopped: list[tuple[float, Who, str]] = field(default_factory=list)
    """Every stop that left it standing, by whom and how."""
    foreign: bool = False
    """Put there by ``foreign_pods``: somebody else's."""

    def shown(self) -> dict[str, Any]:
        """Return its JSON form."""
        return dict(vars(self))


@dataclass(frozen=True)
class Fate:
    """What faults have in store for a pod from its creation on."""

    late_s: float = 0.0
    """Until it exists."""
    list_lag_s: float = 0.0
    find_lag_s: float = 0.0
    stuck: bool = False
    pull_fail: str | None = None
    zombie: bool = False
    """RUNNING with uptime 0; nothing runs."""
    broken: bool = False
    foreign: bool = False
    """Somebody else's: it runs no program of ours."""


@dataclass
class Pod:
    """One pod that exists, or will."""

    id: str
    number: int
    """Order of creation."""
    account: str
    config: Config
    hardware: Hardware
    price: Decimal
    """USD per hour of the whole pod while it runs, without disks."""
    life: Life
    status: Status = Status.PROVISIONING
    exists: bool = False
    """``False`` while placement is late."""
    statuses: list[tuple[float, Status]] = field(default_factory=list)
    started_at: float | None = None
    """When it last reached RUNNING."""
    up_since: float | None = None
    """When its container started; ``None`` while it is down."""
    epoch: int = 0
    """Goes up when what was planned for it no longer holds."""
    hidden_until: float = 0.0
    """Not shown before then (``pod.resurrect``)."""
    fate: Fate = Fate()
    log: PodLog = field(default_factory=PodLog, repr=False)
    ports: dict[int, int] = field(default_factory=dict)
    """Private TCP port → public port; others at every start."""

    def move(self, status: Status, now: float) -> None:
        """Enter a state."""
        self.status = status
        self.statuses.append((now, status))

    def status_at(self, when: float) -> Status:
        """Return the state it was in at a time."""
        past = [status for at, status in self.statuses if at <= when]
        return past[-1] if past else self.statuses[0][1]

    def rates(self, billed_from: str) -> dict[Kind, Decimal]:
        """Return what it costs in its present state, per hour."""
        disk = self.config.own_disk_gb
        if not self.exists or self.status is Status.TERMINATED:
            return {}
        if self.status is Status.EXITED:
            return {Kind.VOLUME_DISK: per_hour(VOLUME_DISK_STOPPED, disk)} if disk else {}
        if billed_from == "running" and self.status in (Status.PROVISIONING, Status.STARTING):
            return {}
        compute = Kind.GPU if self.hardware.kind == "gpu" else Kind.CPU
        return {
            compute: self.price,
            Kind.CONTAINER_DISK: per_hour(CONTAINER_DISK, self.config.disk_gb),
            Kind.VOLUME_DISK: per_hour(VOLUME_DISK, disk),
        }
