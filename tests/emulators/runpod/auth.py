"""Who asks: keys of accounts, and the key every pod gets, which may only end that pod (fact sheet 0 and 2.2)."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import parse_qs

from tests.emulators.runpod.faults import FaultBox
from tests.emulators.runpod.problems import Problem
from tests.emulators.runpod.settings import AccountSettings
from tests.emulators.runpod.wire import Request, Surface

READS = ("GET", "HEAD")
OWN_POD = ("pods.delete", "pods.action.stop", "pods.action.terminate", "graphql.podStop", "graphql.podTerminate")
"""What the key inside a pod may do, to that pod only."""


@dataclass(frozen=True)
class Caller:
    """Somebody with a valid key."""

    account: str
    rights: Literal["all", "read", "none", "pod"]
    pod_id: str | None = None
    """The pod whose own key it is."""

    @property
    def who(self) -> Literal["account", "pod"]:
        """Return ``account`` or ``pod``: what the auditor writes down."""
        return "pod" if self.pod_id else "account"


class Keys:
    """All valid keys of one platform."""

    def __init__(self, accounts: Mapping[str, AccountSettings], rng: random.Random) -> None:
        self._rng = rng
        self._accounts = tuple(accounts)
        self._callers: dict[str, Caller] = {
            secret: Caller(account, rights) for account, one in accounts.items() for secret, rights in one.keys.items()
        }
        self._pods: dict[str, str] = {}

    def for_pod(self, account: str, pod_id: str) -> str:
        """Return the key of a pod; the same one every time."""
        if pod_id not in self._pods:
            secret = f"rpa_{self._rng.getrandbits(160):040x}"
            self._pods[pod_id] = secret
            self._callers[secret] = Caller(account, "pod", pod_id)
        return self._pods[pod_id]

    def caller(self, request: Request, call: str, faults: FaultBox, now: float) -> Caller:
        """Return who asks. Raises Problem 401."""
        secret = _secret(request)
        found = self._callers.get(secret)
        if found is None:
            raise Problem(401, "invalid bearer token" if secret else "missing bearer token")
        if found.rights != "pod" and faults.hit("auth.revoke", call, now):
            raise Problem(401, "invalid bearer token")
        other = faults.hit("auth.switch_account", call, now) if found.rights != "pod" else None
        if other and other not in self._accounts:
            raise Problem(401, "invalid bearer token")
        return replace(found, account=other) if other else found


def check(caller: Caller, call: str, method: str, pod_id: str | None, faults: FaultBox, now: float) -> None:
    """Raise Problem 403 if the key does not carry the right to this call."""
    refused = Problem(403, "access denied")
    if caller.rights == "pod":
        if faults.hit("pod.key_403", call, now) or call not in OWN_POD or pod_id != caller.pod_id:
            raise refused
        return
    if faults.hit("auth.narrow", call, now) or caller.rights == "none":
        raise refused
    if caller.rights == "read" and method not in READS:
        raise refused


def _secret(request: Request) -> str:
    header = request.headers.get("authorization", "")
    kind, _, rest = header.partition(" ")
    if kind.lower() == "bearer" and rest:
        return rest.strip()
    if request.surface is Surface.SERVERLESS:
        return header.strip()
    if request.surface is Surface.GRAPHQL:
        return parse_qs(request.query).get("api_key", [""])[0]
    return ""
