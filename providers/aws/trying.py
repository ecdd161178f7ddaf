"""Asks EC2 whether an instance could be launched, without launching one: rights, image, profile, group and subnet."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Final

from messages.ids import JobId
from messages.machines import LaunchRequest, Offer
from providers.aws.client import Call, Client
from providers.aws.creating import run_parameters
from providers.aws.images import Images
from providers.aws.problems import error_of
from providers.interface import Unavailable
from providers.transport import TransportError

MACHINE_TYPE: Final = "t3.medium"
"""The smallest that trainings get; every region has it."""
NAME: Final = "lc1-could-it-be-launched"
"""Rights hang on how the name begins; no reaper takes it for a machine's."""
COULD: Final = "DryRunOperation"
"""What EC2 answers when it would have launched ("RunInstances", DryRun)."""
_WHAT: Final = "whether an instance could be launched"


async def try_launch(client: Client) -> None:
    """Return when it could be launched. Raises Refused with the reason, NotFound, or Unavailable."""
    settings, now = client.settings, client.clock.now().replace(microsecond=0)
    image = await Images(client).image(gpu=False)
    offer = Offer(
        id=MACHINE_TYPE,
        provider="aws",
        machine_type=settings.instance_type or MACHINE_TYPE,
        place=settings.region,
        rate_usd_per_hour=Decimal(1),
        spot=settings.spot,
    )
    request = LaunchRequest(
        name=NAME,
        job_id=JobId.derived("doctor", NAME),
        attempt=1,
        offer=offer,
        folder="none",
        soft_deadline=now,
        hard_deadline=now + timedelta(hours=1),
        max_runtime_s=1,
    )
    try:
        answer = await client.exchange(
            Call("ec2", "RunInstances", {**run_parameters(request, settings, image), "DryRun": True})
        )
    except TransportError as error:
        raise Unavailable(f"AWS did not answer when asked {_WHAT}: {error}") from error
    if answer.problem.code != COULD:
        raise error_of(answer.problem, _WHAT)
