"""Proof that a pod is gone (design.md 6): GET finds nothing, and 15 s later a complete list and one more GET neither.
A list of more than one page counts with the next one, which has to agree.

All of it under the account the pod was launched in, confirmed in the same minute. A pod whose create is young may not
be shown yet, so its absence is looked at again and again until it is old enough; whatever shows meanwhile is alive.
Lists are shared: proofs wait for the listing that is due anyway, and only then ask for one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from messages.base import seconds
from messages.machines import Alive, Gone, Listing, Machine, MachineState, Proof, Unknown
from providers import proof
from providers.interface import NotFound, Refused, Unavailable
from providers.runpod.account import Account
from providers.runpod.client import Client
from providers.runpod.listing import Lister
from providers.runpod.pods import describe

PATIENCE_S: Final = 90.0
"""How long each look may wait for its turn under the quota: a window is a minute, and a proof that is given up has
spent the calls of its first looks for nothing."""


class Prover(proof.Prover[str]):
    """Proves pods gone."""

    def __init__(self, client: Client, account: Account, lister: Lister) -> None:
        super().__init__(client.clock, client.settings.timings)
        self._client = client
        self._account = account
        self._lister = lister

    async def _prove(self, machine: Machine) -> Proof:
        clock, timings = self._clock, self._timings
        if machine.account != self._account.fingerprint:
            return Unknown(detail=f"it was launched under {machine.account}, this is {self._account.fingerprint}")
        first, seen = await self._look(machine)
        if seen is not None:
            return Alive(detail=f"RunPod still knows it as {seen or 'a pod without a status'}")
        due, since = clock.monotonic() + timings.absence_gap_s, clock.now() + seconds(timings.absence_gap_s)
        await clock.sleep(timings.absence_gap_s + self._lister.interval_s())
        listing = await self._unlisted(machine, since, await self._listed(due), self._next)
        if not isinstance(listing, Listing):
            return listing
        second, seen = clock.now(), await self._get(machine)
        if seen is not None:
            return Alive(detail=f"RunPod knows it again as {seen or 'a pod without a status'}")
        return await self._confirmed(machine, first, listing, second)

    async def _confirmed(self, machine: Machine, first: datetime, listing: Listing, second: datetime) -> Proof:
        """Read whose account answered: after an empty listing anew, else within the minute."""
        clock = self._clock
        try:
            account = await (self._account.fresh() if listing.machines else self._account.confirm())
        except Refused as error:
            return Unknown(detail=f"another account answers: {error}")
        return Gone(
            account=account,
            at=clock.now(),
            absent_since=first,
            listing_began=listing.began,
            evidence=(
                f"{first:%H:%M:%S} RunPod was asked for pod {machine.id}: not found",
                proof.evidence_of(listing, "the account's pods"),
                f"{second:%H:%M:%S} asked again for pod {machine.id}: not found",
                f"{clock.now():%H:%M:%S} the account was confirmed as {account}",
            ),
        )

    async def _next(self) -> Listing:
        """Return a later listing, the one that is due anyway where there is one. Raises Unavailable.

        Within an interval from ``due`` on one begins, wherever in it a proof stands: none is made for the proof alone.
        """
        interval_s = self._lister.interval_s()
        due = self._clock.monotonic() + interval_s / 2
        await self._clock.sleep(1.5 * interval_s)
        return await self._listed(due)

    async def _listed(self, due: float) -> Listing:
        """Return a listing begun at ``due`` or later, asked for as often as patience allows. Raises Unavailable."""
        clock = self._clock
        give_up = clock.monotonic() + PATIENCE_S
        while True:
            try:
                return await self._lister.begun_since(due)
            except Unavailable as error:
                if clock.monotonic() + error.retry_after_s > give_up:
                    raise
                await clock.sleep(error.retry_after_s)

    async def _get(self, machine: Machine) -> str | None:
        """Return the status RunPod tells of it, or ``None`` for "not found". Raises ProviderError."""
        try:
            pod = await describe(self._client, machine.id, PATIENCE_S)
        except NotFound:
            return None
        return None if pod.state is MachineState.GONE else pod.status
