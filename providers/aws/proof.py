"""Proof that an instance is gone, with its spot request and its disks (design.md 6; faults 18, 19).

EC2 says ``terminated`` for about an hour, then forgets. So gone is: terminated, or "not found" of an id that is old
enough with two complete lists 60 s apart that do not show it; and no open spot request and no disk of its name. A list
of more than one page counts with the next one, which has to agree. All of it under the account it was launched in,
confirmed in the same minute. What is left over is removed on the way.

Lists are shared: proofs wait for those that are due anyway. While these still show an instance as shutting down nobody
asks for it by its id, so that a proof asks once.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Final

from messages.base import seconds
from messages.machines import Alive, Gone, Listing, Machine, MachineState, Proof, Unknown
from providers import proof
from providers.aws import instances, leftovers
from providers.aws.account import Account
from providers.aws.belongings import Belongings, BelongingsLister
from providers.aws.client import Client
from providers.aws.codec import Instance
from providers.aws.listing import Lister
from providers.interface import NotFound, ProviderError, Refused

ENDING_WAIT_S: Final = 60.0
"""How long EC2 takes to shut an instance down, some 20 to 60 s: a proof waits for it."""


class Prover(proof.Prover[Instance]):
    """Proves instances gone."""

    def __init__(self, client: Client, account: Account, lister: Lister, belongings: BelongingsLister) -> None:
        super().__init__(client.clock, client.settings.timings)
        self._client = client
        self._account = account
        self._lister = lister
        self._belongings = belongings

    async def _prove(self, machine: Machine) -> Proof:
        clock = self._clock
        account = await self._account.fresh()
        if machine.account != account:
            return Unknown(detail=f"it was launched under {machine.account}, this is {account}")
        since, listed = clock.now(), await self._past_its_end(machine)
        first, seen = await self._look(machine)
        if seen is not None and seen.state is not MachineState.GONE:
            return Alive(detail=f"AWS says {seen.said or 'nothing of its state'}")
        evidence = [_said(first, machine, seen)]
        left = await self._left_over(machine, clock.monotonic())
        if left is not None:
            return left
        looks = 1 if seen is not None else 2
        if seen is None:  # it may have been too young for a list before
            since, listed = clock.now(), await self._later()
        for number in range(looks):
            if number:
                since = clock.now() + seconds(self._timings.absence_gap_s)
                listed = await self._later(self._timings.absence_gap_s)
            found = await self._unlisted(machine, since, listed, self._later)
            if not isinstance(found, Listing):
                return found
            listed = found
            evidence.append(proof.evidence_of(listed, "the account's instances"))
        return await self._confirmed(machine, self._ended(seen, first), listed, evidence)

    def _ended(self, seen: Instance | None, first: datetime) -> datetime:
        """Return since when it is gone: a minute after EC2, by its own clock, began to end it, or the first look."""
        if seen is None or seen.ended_at is None:
            return first
        return min(first, seen.ended_at + seconds(ENDING_WAIT_S - (self._client.clock_off_s() or 0.0)))

    async def _later(self, gap_s: float = 0.0) -> Listing:
        """Return a later listing, begun at least ``gap_s`` from now: the one that is due anyway where there is one.

        Within an interval from ``due`` on one begins, wherever in it a proof stands: none is made for the proof alone.
        """
        interval_s = self._timings.list_interval_s
        wait_s = max(gap_s, interval_s / 2)
        due = self._clock.monotonic() + wait_s
        await self._clock.sleep(wait_s + interval_s)
        return await self._lister.begun_since(due)

    async def _past_its_end(self, machine: Machine) -> Listing:
        """Return the first later listing that does not show it as shutting down, or the last of a while."""
        until = self._clock.monotonic() + ENDING_WAIT_S
        while True:
            listing = await self._later()
            ending = any(m.id == machine.id and m.state is MachineState.ENDING for m in listing.machines)
            if not ending or self._clock.monotonic() >= until:
                return listing

    async def _left_over(self, machine: Machine, since: float) -> Alive | None:
        """Return what still exists of a machine without an instance, and have it removed."""
        if not machine.name:
            return None
        held = await self._held(machine.name, since)
        for request in held.requests:
            with suppress(ProviderError):
                await instances.cancel_spot_request(self._client, request.id)
            return Alive(detail=f"its spot request {request.id} is {request.state}; it is being cancelled")
        for volume in held.volumes:
            if volume.state == "available":
                with suppress(ProviderError):
                    await instances.delete_volume(self._client, volume.id)
            return Alive(detail=f"its disk {volume.id} is {volume.state}; it is being deleted")
        return None

    async def _held(self, name: str, since: float) -> Belongings:
        """Return what carries a name, as of ``since`` (monotonic seconds) or later. Raises ProviderError."""
        held = await self._belongings.begun_since(since)
        return Belongings(
            tuple(one for one in held.volumes if one.name == name),
            tuple(one for one in held.requests if one.name == name),
        )

    async def _confirmed(self, machine: Machine, first: datetime, listing: Listing, evidence: list[str]) -> Proof:
        """Read whose account answered: after an empty listing anew, else within the minute."""
        clock = self._clock
        try:
            account = await (self._account.fresh() if listing.machines else self._account.confirm())
        except Refused as error:
            return Unknown(detail=f"another account answers: {error}")
        if account != machine.account:
            return Unknown(detail=f"another account answers: {account}")
        return Gone(
            account=account,
            at=clock.now(),
            absent_since=first,
            listing_began=listing.began,
            evidence=(
                *evidence,
                f"{clock.now():%H:%M:%S} no open spot request and no disk carry its name",
                f"{clock.now():%H:%M:%S} the account was confirmed as {account}",
            ),
        )

    async def _get(self, machine: Machine) -> Instance | None:
        try:
            return await leftovers.describe(self._client, machine.id)
        except NotFound:
            return None


def _said(at: datetime, machine: Machine, seen: Instance | None) -> str:
    words = "not found" if seen is None else seen.said
    return f"{at:%H:%M:%S} AWS was asked for instance {machine.id}: {words}"
