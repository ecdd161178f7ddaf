"""What an instance may leave behind and AWS bills or fills again: disks, and spot requests that are still open.

They are found by their tag, once a minute, and listed as machines of their instance's name: whoever ends and proves
machines then ends and proves them too, also after the journal was lost (fault 19). Nobody looks
for a minute after a proof did, whose list serves as well. What goes by itself shortly after its instance is not listed:
only what is still there at a second look.
"""

from __future__ import annotations

from contextlib import suppress
from math import inf
from typing import Final

from messages.machines import MachineState
from providers.aws import instances
from providers.aws.belongings import Belongings, BelongingsLister
from providers.aws.client import Call, Client
from providers.aws.codec import Instance, SpotRequest, Volume, read_spot_requests, read_volumes
from providers.gate import Priority
from providers.interface import EndAnswer, NotFound, ProviderError, Refused, Unavailable

LOOK_S: Final = 60.0
APART_S: Final = 15.0
"""Two looks are so far apart at least: AWS closes requests and deletes disks within seconds of their instance's end."""
SHOWN_MAX: Final = 200
VOLUME: Final = "vol-"
REQUEST: Final = "sir-"
OPEN: Final = ("open", "active")


class Leftovers:
    """Looks for them now and then."""

    def __init__(self, client: Client, belongings: BelongingsLister) -> None:
        self._client = client
        self._belongings = belongings
        self._looked = self._asked = client.clock.monotonic()
        """When the last look began, and when somebody was last asked for one."""
        self._before: frozenset[str] = frozenset()
        self._shown: list[Instance] = []

    async def of(self, names: frozenset[str]) -> list[Instance]:
        """Return what is left of instances whose names are not among those that exist. Never raises.

        Where nothing can be said, what was known stays.
        """
        held = await self._next_look()
        if held is not None:
            found = _left_of(held)
            self._shown = [one for one in found if one.id in self._before]
            self._before = frozenset(one.id for one in found if one.name not in names)
        return [one for one in self._shown if one.name not in names][:SHOWN_MAX]

    async def _next_look(self) -> Belongings | None:
        """Return the next look where one is due or somebody else's will do, else ``None``."""
        now, last = self._client.clock.monotonic(), self._belongings.last
        listed_at = -inf if last is None else last[0]
        if last is not None and listed_at >= self._looked + APART_S:
            self._looked = listed_at
            return last[1]
        if now < max(self._asked, self._looked, listed_at) + LOOK_S:
            return None
        self._asked = now
        with suppress(ProviderError):
            held = await self._belongings.begun_since(now)
            self._looked = now
            return held
        return None


def _left_of(held: Belongings) -> list[Instance]:
    volumes = (one for one in held.volumes if one.state == "available")
    requests = (one for one in held.requests if one.state in OPEN)
    return [*(of_volume(one) for one in volumes), *(of_request(one) for one in requests)]


async def describe(client: Client, machine_id: str) -> Instance:
    """Return an instance, or what is left of one. Raises NotFound or Unavailable."""
    if not machine_id.startswith((VOLUME, REQUEST)):
        return await instances.describe(client, machine_id)
    try:
        if machine_id.startswith(VOLUME):
            call = Call("ec2", "DescribeVolumes", {"VolumeIds": [machine_id]}, Priority.PROOF)
            volumes = read_volumes(await client.read(call, "about a disk"))
            found = [of_volume(one) for one in volumes or () if one.state not in ("deleting", "deleted")]
        else:
            asked = {"SpotInstanceRequestIds": [machine_id]}
            call = Call("ec2", "DescribeSpotInstanceRequests", asked, Priority.PROOF)
            requests = read_spot_requests(await client.read(call, "about a spot request"))
            found = [of_request(one) for one in requests or () if one.state in OPEN]
    except Refused as error:
        raise Unavailable(str(error)) from error
    if not found:
        raise NotFound(f"AWS has no open {machine_id}")
    return found[0]


async def terminate(client: Client, machine_id: str) -> EndAnswer:
    """End an instance, or what is left of one; return whether there was any. Raises Unavailable or Refused."""
    if machine_id.startswith(VOLUME):
        return await instances.delete_volume(client, machine_id)
    if machine_id.startswith(REQUEST):
        return await instances.cancel_spot_request(client, machine_id)
    return await instances.terminate(client, machine_id)


def of_volume(volume: Volume) -> Instance:
    """Return a disk as the machine it is left of."""
    return _left(volume.id, volume.name, f"a disk that its instance left behind, {volume.state}")


def of_request(request: SpotRequest) -> Instance:
    """Return a spot request as the machine it is left of."""
    return _left(request.id, request.name, f"a spot request that is {request.state} without its instance")


def _left(identity: str, name: str, said: str) -> Instance:
    return Instance(
        id=identity,
        owner="",
        name=name,
        status=said,
        state=MachineState.STOPPED_BILLING,
        reason="",
        machine_type=None,
        place=None,
        launched_at=None,
        ended_at=None,
        spot_request=None,
        rate_usd_per_hour=None,
        disk_usd_per_hour=None,
        gpu_count=None,
    )
