"""Faults that strike at a moment rather than at a call."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from tests.emulators.aws.catalogue import REGIONS
from tests.emulators.aws.state import State
from tests.emulators.common.switches import Switch

if TYPE_CHECKING:
    from tests.emulators.aws.core import Ec2Core


def happen(name: str, switch: Switch[Any], core: Ec2Core, now: float) -> None:
    """Let one fault strike every instance whose name fits."""
    hosts = core.hosts
    if name == "foreign_instances":
        core.intrude(next(iter(core.settings.accounts)), next(iter(REGIONS)), switch.value, now)
        return
    for one in [one for one in hosts.instances() if fnmatchcase(one.name, switch.names) and not one.fate.foreign]:
        if name == "spot.kill":
            hosts.warn(one, now, notice=switch.value == "notice")
        elif name == "spot.rebalance" and one.spot is not None:
            one.rebalance_at = now
        elif name == "instance.reboot":
            hosts.reboot(one, now)
        elif name == "instance.dies" and one.state is State.RUNNING:
            hosts.die(one, now)
