"""What runs inside pods, behind one small interface: real processes, scripts in virtual time, or nothing at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tests.emulators.common.runner import Printed as Printed


@dataclass(frozen=True)
class PodSpec:
    """One start of one pod's container, as the host sees it."""

    id: str
    name: str
    account: str
    image: str
    command: tuple[str, ...]
    """Entry point and its arguments; empty never: the image's own command stands in."""
    env: Mapping[str, str]
    """Of the image, the create call, and the platform, in this order (fact sheet 2.3)."""
    api_key: str
    """The pod's own key, also in ``env``."""
    data_center: str
    start: int = 1
    """1 at the first start, then 2, 3 …: the platform restarts containers for ever."""
    volume_id: str | None = None
    mount_path: str | None = None
    """Where the network volume, or else the pod's own volume disk, appears."""
    own_disk: bool = False
    """The mount is the pod's own volume disk, kept while it is stopped."""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


class PodBroken(Exception):
    """The container cannot be started on any host; the pod goes to ERROR."""


class PodRunner(Protocol):
    """Runs what pods run. ``now`` is the platform's clock, seconds since 1970; nothing here may block for long."""

    def start(self, pod: PodSpec, now: float) -> None:
        """Start the container; its own disk is empty. Errors: PodBroken."""
        ...

    def advance(self, now: float) -> Sequence[str]:
        """Let time pass until ``now``; return ids of pods whose first process may have ended."""
        ...

    def poll(self, pod_id: str, now: float) -> int | None:
        """Return the exit code of the first process, or ``None`` while it runs or when there is none."""
        ...

    def kill(self, pod_id: str, grace_s: float, now: float) -> None:
        """Ask every process of the pod to end, and end all of them ``grace_s`` later. Idempotent."""
        ...

    def forget(self, pod_id: str, now: float) -> None:
        """The pod is deleted: nothing of it but a network volume stays."""
        ...

    def lines(self, pod_id: str) -> Sequence[Printed]:
        """Return what the container has printed since the last call."""
        ...

    def next_due(self) -> float | None:
        """Return when something changes by itself, if that is known beforehand."""
        ...

    def close(self) -> None:
        """End everything; nothing is left running."""
        ...


class NoProgram:
    """Pods that run nothing, and never end by themselves."""

    def start(self, pod: PodSpec, now: float) -> None:
        """Start nothing."""

    def advance(self, now: float) -> Sequence[str]:
        """Return nobody."""
        return ()

    def poll(self, pod_id: str, now: float) -> int | None:
        """Return ``None``: it runs."""
        return None

    def kill(self, pod_id: str, grace_s: float, now: float) -> None:
        """End nothing."""

    def forget(self, pod_id: str, now: float) -> None:
        """Know nothing to forget."""

    def lines(self, pod_id: str) -> Sequence[Printed]:
        """Return no lines."""
        return ()

    def next_due(self) -> float | None:
        """Return ``None``."""
        return None

    def close(self) -> None:
        """Hold nothing."""
