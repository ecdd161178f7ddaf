"""What runs inside instances, behind one small interface: real processes, scripts in virtual time, or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from tests.emulators.common.runner import Printed as Printed

Power = Literal["poweroff", "reboot"]
"""What a machine did to itself."""


@dataclass(frozen=True)
class InstanceSpec:
    """One boot of one instance, as the host sees it."""

    id: str
    name: str
    """The tag ``lastcall:name``, else ``Name``, else the ClientToken."""
    account: str
    region: str
    zone: str
    type: str
    image: str
    user_data: bytes = field(repr=False)
    """As the caller meant it: decoded, at most 16 KB."""
    boot: int = 1
    """1 at the first boot: only then user-data runs; the disk stays over a reboot."""
    tags: Mapping[str, str] = field(default_factory=dict)
    role: str | None = None
    """Of the instance profile."""
    spot: bool = False


class InstanceRunner(Protocol):
    """Runs what instances run. ``now`` is AWS's clock, seconds since 1970; nothing here may block for long."""

    def start(self, spec: InstanceSpec, now: float) -> None:
        """Boot the machine; its disk is empty at the first boot."""
        ...

    def advance(self, now: float) -> Sequence[str]:
        """Let time pass until ``now``; return ids of instances that may have ended their power."""
        ...

    def poll(self, instance_id: str, now: float) -> Power | None:
        """Return what a machine did to its power since its boot, or ``None`` while it is on."""
        ...

    def kill(self, instance_id: str, grace_s: float, now: float) -> None:
        """Ask everything in the machine to end, and end all of it ``grace_s`` later; the disk stays. Idempotent."""
        ...

    def forget(self, instance_id: str, now: float) -> None:
        """The instance is terminated: nothing of it stays."""
        ...

    def lines(self, instance_id: str) -> Sequence[Printed]:
        """Return what the console printed since the last call."""
        ...

    def next_due(self) -> float | None:
        """Return when something changes by itself, if that is known beforehand."""
        ...

    def close(self) -> None:
        """End everything; nothing is left running."""
        ...


class NoProgram:
    """Instances that run nothing, and stay on."""

    def start(self, spec: InstanceSpec, now: float) -> None:
        """Start nothing."""

    def advance(self, now: float) -> Sequence[str]:
        """Return nobody."""
        return ()

    def poll(self, instance_id: str, now: float) -> Power | None:
        """Return ``None``: it is on."""
        return None

    def kill(self, instance_id: str, grace_s: float, now: float) -> None:
        """End nothing."""

    def forget(self, instance_id: str, now: float) -> None:
        """Know nothing to forget."""

    def lines(self, instance_id: str) -> Sequence[Printed]:
        """Return no lines."""
        return ()

    def next_due(self) -> float | None:
        """Return ``None``."""
        return None

    def close(self) -> None:
        """Hold nothing."""
