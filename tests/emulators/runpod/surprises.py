"""Faults that strike at a moment rather than at a call."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from tests.emulators.runpod.faults import Switch
from tests.emulators.runpod.hosts import Hosts
from tests.emulators.runpod.ledger import Ledger
from tests.emulators.runpod.podstate import Config, Fate, Hardware, Pod

FOREIGN = Hardware("gpu", "NVIDIA RTX A4000", 1, 6, 25, "SECURE", "EU-RO-1", "12.8")
FOREIGN_PRICE = Decimal("0.25")


def happen(name: str, switch: Switch[Any], hosts: Hosts, ledger: Ledger, main: str, now: float) -> None:
    """Let one fault strike; ``main`` is the account that somebody else also uses."""
    struck = [pod for pod in hosts.pods() if fnmatchcase(pod.config.name, switch.names)]
    if name == "balance.zero":
        for account in dict.fromkeys([main, *(pod.account for pod in hosts.pods())]):
            ledger.set_balance(account, Decimal(0), now)
            hosts.balance_gone(account, now)
    elif name == "foreign_pods":
        _intrude(switch.value, hosts, main, now)
    else:
        for pod in struck:
            _strike(name, switch.value, pod, hosts, now)


def _strike(name: str, value: Any, pod: Pod, hosts: Hosts, now: float) -> None:
    if name == "price.rise":
        hosts.reprice(pod, pod.price * Decimal(str(value)), now)
    elif name == "pod.oom":
        hosts.kill_container(pod, now)
    elif name == "spot.kill":
        hosts.take_back(pod, now)


def _intrude(value: int | Sequence[str], hosts: Hosts, account: str, now: float) -> None:
    names = [f"someone-elses-{n}" for n in range(value)] if isinstance(value, int) else list(value)
    for name in names:
        hosts.create(account, Config(name, "ubuntu:24.04"), FOREIGN, FOREIGN_PRICE, now, Fate(foreign=True))
