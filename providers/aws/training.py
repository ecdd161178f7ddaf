"""The AWS ``CloudTrainingProvider``: EC2 instances, spot and on-demand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from typing import ClassVar, Final

from messages.machines import LaunchRequest, Listing, Machine, Offer, Proof, ProviderKind
from providers.aws import instances, leftovers
from providers.aws.account import Account
from providers.aws.belongings import BelongingsLister
from providers.aws.billing import billed
from providers.aws.catalogue import Catalogue
from providers.aws.client import Client
from providers.aws.cloudwatch import kept_lines
from providers.aws.creating import disk_gb, run_parameters
from providers.aws.explorer import PAGES_MAX, read_bill
from providers.aws.images import Images
from providers.aws.listing import Lister
from providers.aws.logs import console
from providers.aws.market import Market
from providers.aws.offers import Known, rank
from providers.aws.prices import COST_EXPLORER_USD, usual_rate
from providers.aws.proof import Prover
from providers.aws.types import alternatives, has_driver, select_type
from providers.aws.unanswered import Unanswered
from providers.interface import (
    CREATE_WAIT_S_MAX,
    Ambiguous,
    BilledLine,
    BillLine,
    CloudTrainingProvider,
    EndAnswer,
    HeldBack,
    KeptLine,
    LogChunk,
    Need,
    NoCapacity,
    ProviderError,
    Refused,
    Unavailable,
)
from providers.sights import Sights

OWN_LISTINGS: Final = 2
"""Intervals without anybody's listing after which whoever waits for exits asks for one."""


class AwsTraining(CloudTrainingProvider):
    """Rents instances. Also tells of those that ended by themselves, from the listings that are made anyway."""

    kind: ClassVar[ProviderKind] = "aws"
    has_bill: ClassVar[bool] = False
    """AWS writes its bill a day late and asks money for showing it: ``bill`` reads it on request."""
    question_usd: ClassVar[Decimal] = COST_EXPLORER_USD
    questions_max: ClassVar[int] = PAGES_MAX

    def __init__(self, client: Client) -> None:
        settings = client.settings
        self.client = client
        self.timings = settings.timings
        self.self_ending = settings.self_ending
        self.account = Account(client)
        self.images = Images(client)
        self.market = Market(client)
        self._catalogue = Catalogue(client)
        self._sights = Sights(client.clock)
        self._unanswered = Unanswered(client)
        self._belongings = BelongingsLister(client)
        self._lister = Lister(client, self.account, self._sights, self._unanswered, self._belongings)
        self._prover = Prover(client, self.account, self._lister, self._belongings)

    def clock_off_s(self) -> float | None:
        """Return by how many seconds AWS's clock is ahead of ours, as of its last answer."""
        return self.client.clock_off_s()

    def creates_now(self) -> int | None:
        """Return 0 while creates would be held back; AWS says nothing of how many it takes."""
        return None if self.client.wait_s("ec2", instances.CREATE_PRIORITY) <= 0 else 0

    async def fingerprint(self) -> str:
        """Return account and region, asked now. Raises Unavailable, or Refused with what to check."""
        return await self.account.confirm()

    def select_compute_type(self, size_mb: float, model_type: str) -> str:
        """Return the instance type for a size and a kind of model (R6.1)."""
        return self.client.settings.instance_type or select_type(size_mb, model_type)

    async def offers(self, need: Need) -> list[Offer]:
        """Return spot and on-demand offers at prices of the last minutes, best first. Raises Unavailable or Refused."""
        settings = self.client.settings
        chosen = need.machine or self.select_compute_type(need.size_mb, need.model_type)
        own = need.machine or settings.instance_type
        types = await self._catalogue.types((chosen,) if own else alternatives(chosen))
        if not types:
            return []
        if settings.ami is None and not has_driver(chosen):
            raise Refused(
                f"the image for GPUs has no driver for {chosen}: set aws.ami to one that has, or take another"
            )
        place = await self._catalogue.subnet_place()
        spot = await self.market.spot(tuple(types), place) if settings.spot else []
        usual = {name: price for name in types if (price := await self.market.on_demand(name)) is not None}
        image = await self.images.image(gpu=types[next(iter(types))].gpu_count > 0)
        why = "your own choice" if own else "the usual choice for this size and model"
        return rank(tuple(types), Known(types, spot, usual, place, disk_gb(settings, image)), settings, why)

    def usual_rate(self, machine_type: str) -> Decimal | None:
        """Return about what a type costs an hour on demand, for estimates without an answer, or ``None``."""
        return usual_rate(self.client.settings.region, machine_type)

    async def launch(self, request: LaunchRequest, *, leaves_within_s: float = CREATE_WAIT_S_MAX) -> Machine:
        """Send one create. What must be known for it (account, image) is asked before; without it nothing is sent."""
        settings, asked_at = self.client.settings, self.client.clock.monotonic()
        if request.offer.provider != self.kind:
            raise Refused(f"offer {request.offer.id!r} is not an offer of AWS")
        try:
            account = await self.account.confirm()
            image = await self.images.image(gpu=request.offer.gpu_count > 0)
        except Unavailable as error:
            raise HeldBack(f"AWS was not asked for an instance yet: {error}", error.retry_after_s) from error
        if request.account not in (None, account):
            raise HeldBack(
                f"AWS was not asked for an instance: its keys are of {account} now, not of {request.account}"
            )
        parameters = run_parameters(request, settings, image)
        began = self.client.clock.monotonic()
        left_s = leaves_within_s - (began - asked_at)
        if left_s <= 0:
            raise HeldBack("AWS was not asked for an instance yet: what must be known before came too late")
        try:
            made = await instances.create(self.client, parameters, left_s)
        except Ambiguous:
            self._unanswered.add(parameters, began, account)
            self._lister.doubt()
            raise
        except NoCapacity:
            self.market.doubt_spot()
            raise
        whose = self.account.named(made.owner) if made.owner else account
        return made.machine(whose, self._sights.launched(made.id))

    async def list_machines(self) -> Listing:
        """Return every instance of the region, from a listing begun now. Raises Unavailable."""
        return await self._lister.anew()

    async def describe(self, machine_id: str) -> Machine:
        """Return one instance as it is now."""
        found = await leftovers.describe(self.client, machine_id)
        try:
            account = self.account.named(found.owner) if found.owner else await self.account.known()
        except Refused as error:
            raise Unavailable(str(error)) from error
        return found.machine(account, self._sights.first_seen(machine_id))

    async def terminate(self, machine_id: str) -> EndAnswer:
        """Ask for the end of an instance; its one-time spot request ends with it, and the proof looks at that."""
        return await leftovers.terminate(self.client, machine_id)

    async def prove_gone(self, machine: Machine) -> Proof:
        """Terminated or forgotten, no spot request, no disk, not listed, under the account it was launched in."""
        return await self._prover.prove(machine)

    def logs(self, machine_id: str, after: int = 0) -> AsyncIterator[LogChunk]:
        """Return what EC2 kept of the console; the job's own lines are in its folder and in CloudWatch."""
        return console(self.client, machine_id, after)

    def kept_lines(self, machine: str, position: str = "") -> AsyncIterator[KeptLine]:
        """Return what the instance of this name said, as CloudWatch keeps it, after the instance is gone too."""
        return kept_lines(self.client, machine, position)

    async def billed(self, since: datetime, until: datetime) -> list[BilledLine]:
        """Return one line for each instance that EC2 still knows, by its times and the rates it was offered at."""
        return await billed(self.client, since, until)

    async def bill(self, since: date, until: date, pay: Callable[[int], Awaitable[None]]) -> list[BillLine]:
        """Return what AWS billed for the whole account, as Cost Explorer shows it. Each page costs ``question_usd``."""
        return await read_bill(self.client, since, until, pay)

    async def next_exit(self) -> str:
        """Wait for the next instance of ours that a listing no longer shows, or shows as ending."""
        clock, interval_s = self.client.clock, self.timings.list_interval_s
        while not self._sights.exits:
            await clock.sleep(interval_s)
            with suppress(ProviderError):
                await self._lister.begun_since(clock.monotonic() - OWN_LISTINGS * interval_s)
        return self._sights.exits.popleft()

    async def close(self) -> None:
        """End the calls that are out for more than one caller; instances keep running."""
        await self._lister.close()
        await self._belongings.close()
        await self.account.close()
        await self.client.close()
