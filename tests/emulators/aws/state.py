"""Instances, volumes and spot requests as EC2 keeps them, and a life as the auditor sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

from tests.emulators.aws.catalogue import Image, MachineType


class State(StrEnum):
    """EC2's words."""

    PENDING = "pending"
    RUNNING = "running"
    SHUTTING_DOWN = "shutting-down"
    TERMINATED = "terminated"
    STOPPING = "stopping"
    STOPPED = "stopped"


CODES = {
    State.PENDING: 0,
    State.RUNNING: 16,
    State.SHUTTING_DOWN: 32,
    State.TERMINATED: 48,
    State.STOPPING: 64,
    State.STOPPED: 80,
}
OVER = (State.SHUTTING_DOWN, State.TERMINATED)
REASONS = {
    "Client.UserInitiatedShutdown": "User initiated shutdown",
    "Client.InstanceInitiatedShutdown": "Instance initiated shutdown",
    "Client.InternalError": "Client error on launch",
    "Client.VolumeLimitExceeded": "Volume limit exceeded",
    "Server.SpotInstanceTermination": "Spot instance termination",
    "Server.InsufficientInstanceCapacity": "Insufficient capacity to launch the instance",
    "Server.InternalError": "Internal error on launch",
    "Server.ScheduledStop": "Instance retired",
}
Who = Literal["account", "instance", "platform"]


@dataclass
class Life:
    """What the auditor knows of one instance, judged from outside any client."""

    instance_id: str
    name: str
    account: str
    token: str
    type: str
    zone: str
    spot: bool
    asked_at: float
    visible_at: float
    """From when on lists show it."""
    ran_at: float | None = None
    """When it reached running, and billing began."""
    boots: list[float] = field(default_factory=list)
    ended_at: float | None = None
    """When it left running, and billing ended; ``None`` if it still bills."""
    ended_by: Who | None = None
    reason: str | None = None
    gone_at: float | None = None
    """When it was terminated."""
    foreign: bool = False

    def shown(self) -> dict[str, Any]:
        """Return its JSON form."""
        return dict(vars(self))


@dataclass
class Volume:
    """One EBS volume."""

    id: str
    account: str
    region: str
    zone: str
    size_gb: int
    device: str
    created_at: float
    encrypted: bool
    on_termination: bool
    instance_id: str | None
    tags: dict[str, str] = field(default_factory=dict)
    kind: str = "gp3"


@dataclass
class SpotRequest:
    """One spot instance request."""

    id: str
    account: str
    region: str
    max_price: Decimal
    persistent: bool
    created_at: float
    instance_id: str
    state: str = "active"
    code: str = "fulfilled"
    message: str = "Your Spot request is fulfilled."
    updated_at: float = 0.0
    tags: dict[str, str] = field(default_factory=dict)

    def put(self, state: str, code: str, message: str, now: float) -> None:
        """Change its state."""
        self.state, self.code, self.message, self.updated_at = state, code, message, now


@dataclass(frozen=True)
class Order:
    """What a launch asked for, checked and complete."""

    name: str
    type: MachineType
    image: Image
    image_id: str
    zone: str
    subnet: str
    groups: tuple[str, ...]
    price: Decimal
    """USD per hour while it runs."""
    user_data: bytes = field(repr=False, default=b"")
    token: str = ""
    role: str | None = None
    profile: str | None = None
    terminates: bool = False
    """``InstanceInitiatedShutdownBehavior`` is terminate."""
    spot_max: Decimal | None = None
    """``None``: on demand."""
    persistent: bool = False
    tokens_required: bool = True
    hop_limit: int = 2
    public: bool = True
    disks: tuple[tuple[str, int, bool, bool], ...] = ()
    """Device, GB, deleted on termination, encrypted."""
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    """Resource type → tags."""
    key_name: str | None = None
    monitoring: bool = False


@dataclass(frozen=True)
class Fate:
    """What faults have in store for an instance from its launch on."""

    late_s: float = 0.0
    lag_s: float = 0.0
    tag_lag_s: float = 0.0
    fails: str | None = None
    stuck: bool = False
    no_boot: bool = False
    foreign: bool = False


@dataclass
class Instance:
    """One instance that exists, or will."""

    id: str
    number: int
    """Order of launch; gives it its address."""
    account: str
    region: str
    order: Order
    life: Life
    fate: Fate
    reservation: str
    launched_at: float
    state: State = State.PENDING
    states: list[tuple[float, State]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    reason: str | None = None
    transition: str = ""
    boots: int = 0
    on: bool = False
    """Its machine is with the runner."""
    epoch: int = 0
    """Goes up when what was planned for it no longer holds."""
    spot: SpotRequest | None = None
    notice_at: float | None = None
    """When it will be interrupted, as its metadata tells."""
    rebalance_at: float | None = None
    console: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Return the name that faults, runner and auditor know it by."""
        return self.order.name

    @property
    def private_ip(self) -> str:
        """Return its address in the default network."""
        return f"172.31.{self.number // 250 % 250}.{self.number % 250 + 4}"

    @property
    def public_ip(self) -> str | None:
        """Return its address outside, while it runs."""
        return f"203.0.113.{self.number % 250 + 1}" if self.order.public and self.state is State.RUNNING else None

    def put(self, state: State, now: float) -> None:
        """Change its state."""
        self.state = state
        self.states.append((now, state))

    def state_at(self, when: float) -> State:
        """Return its state at an earlier time."""
        return next((state for at, state in reversed(self.states) if at <= when), State.PENDING)


def reason_text(code: str) -> str:
    """Return a reason's message as EC2 writes it."""
    return f"{code}: {REASONS[code]}"
