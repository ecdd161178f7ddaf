"""Creates whose answer did not come: repeated as they were, with the same token, until a clean answer (design.md 6).

A repeat within a minute makes the instance that was decided, or finds the one that was made; later nothing is sent any
more, and lists decide once the quiet time is over. None of it outlives the process: after a restart only lists speak.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, NamedTuple

from providers.aws import instances
from providers.aws.client import Client
from providers.aws.codec import Instance
from providers.interface import Ambiguous, HeldBack, ProviderError

REPEAT_S: Final = 60.0
"""From the first call on."""
UNANSWERED_MAX: Final = 256
SHOWN_S: Final = 120.0
"""How long what a repeat found is listed although EC2's own list does not show it yet."""


class _Open(NamedTuple):
    parameters: Mapping[str, object]
    until: float
    account: str


class Unanswered:
    """Remembers creates without a clean answer, and what repeating them found. Times are monotonic seconds."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._open: dict[str, _Open] = {}
        self._found: dict[str, tuple[float, Instance]] = {}

    @property
    def waiting(self) -> bool:
        """Whether a create is still without an answer."""
        return bool(self._open)

    def add(self, parameters: Mapping[str, object], began: float, account: str) -> None:
        """Remember a create that began at ``began`` under an account."""
        self._open[str(parameters["ClientToken"])] = _Open(parameters, began + REPEAT_S, account)
        while len(self._open) > UNANSWERED_MAX:
            del self._open[next(iter(self._open))]

    async def repeat(self, account: str) -> None:
        """Send every open create of this account once more: in another one its token would be new. Never raises."""
        now = self._client.clock.monotonic()
        self._open = {name: one for name, one in self._open.items() if now < one.until}
        own = [(name, one) for name, one in self._open.items() if one.account == account]
        if own:
            await asyncio.gather(*(self._again(name, one) for name, one in own))

    def missing(self, listed: frozenset[str]) -> list[Instance]:
        """Return what was found by repeating and is in no list yet; what is listed is forgotten."""
        now = self._client.clock.monotonic()
        self._found = {
            key: (until, one) for key, (until, one) in self._found.items() if now < until and key not in listed
        }
        return [one for _, one in self._found.values()]

    async def _again(self, name: str, one: _Open) -> None:
        try:
            made = await instances.create(self._client, one.parameters)
        except (Ambiguous, HeldBack):
            return
        except ProviderError:  # a clean refusal: nothing was made
            self._open.pop(name, None)
            return
        self._open.pop(name, None)
        self._found[made.id] = (self._client.clock.monotonic() + SHOWN_S, made)
