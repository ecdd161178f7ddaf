"""One instance: made by one call that may be repeated, read, ended, with all that belongs to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from providers.aws.client import Call, Client
from providers.aws.codec import (
    Instance,
    read_instance,
    read_instances,
    was_over,
)
from providers.aws.problems import create_error
from providers.fields import text
from providers.gate import NotAdmitted, Priority
from providers.interface import CREATE_WAIT_S_MAX, Ambiguous, EndAnswer, HeldBack, NotFound, Refused, Unavailable
from providers.transport import NotSent, TransportError

CREATE_S: Final = 30.0
CREATE_PRIORITY: Final = Priority.PROOF
TERMINATE_S: Final = 20.0
_WHAT: Final = "for an instance"


async def create(
    client: Client, parameters: Mapping[str, object], leaves_within_s: float = CREATE_WAIT_S_MAX
) -> Instance:
    """Send one create and return the instance. Raises NoCapacity, Refused, HeldBack, or Ambiguous.

    A throttled create is Ambiguous too although nothing was made: the same request is then repeated, which its token
    makes safe (ADR 0013). HeldBack never left this computer.
    """
    call = Call(
        "ec2",
        "RunInstances",
        parameters,
        CREATE_PRIORITY,
        total_s=CREATE_S,
        leaves_within_s=min(CREATE_WAIT_S_MAX, leaves_within_s),
    )
    try:
        answer = await client.exchange(call)
    except NotAdmitted as held:
        raise HeldBack(f"AWS was not asked for an instance yet: {held}", held.wait_s) from None
    except NotSent as error:
        raise HeldBack(f"AWS was not asked for an instance yet: {error}") from error
    except TransportError as error:
        raise Ambiguous(f"AWS did not answer the create: {error}") from error
    if answer.value is None:
        raise create_error(answer.problem, _WHAT) or Ambiguous(answer.problem.sentence(_WHAT))
    instances = answer.value.get("Instances")
    if isinstance(instances, list) and len(instances) == 1:
        made = read_instance(instances[0], text(answer.value.get("OwnerId")) or "")
        if made is not None and made.name == parameters["ClientToken"]:
            return made
    raise Ambiguous("AWS's answer to the create could not be read")


async def describe(client: Client, instance_id: str) -> Instance:
    """Return one instance as it is now, terminated ones too for a while. Raises NotFound or Unavailable."""
    call = Call("ec2", "DescribeInstances", {"InstanceIds": [instance_id]}, Priority.PROOF)
    try:
        page = read_instances(await client.read(call, "about an instance"))
    except Refused as error:
        raise Unavailable(str(error)) from error
    if page is None or [one.id for one in page[0]] != [instance_id]:
        raise Unavailable("AWS's answer about an instance could not be read")
    return page[0][0]


async def terminate(client: Client, instance_id: str) -> EndAnswer:
    """Ask for the end of an instance. Raises Unavailable or Refused.

    One that EC2 has forgotten, or says was ``terminated`` before, is absent; one that was shutting down already is
    accepted, because it bills no more from that state on (EC2 User Guide, *Instance lifecycle*).
    """
    call = Call("ec2", "TerminateInstances", {"InstanceIds": [instance_id]}, Priority.TERMINATE, total_s=TERMINATE_S)
    try:
        answer = await client.read(call, "to end an instance")
    except NotFound:
        return EndAnswer.ABSENT
    return EndAnswer.ABSENT if was_over(answer) else EndAnswer.ACCEPTED


async def cancel_spot_request(client: Client, request_id: str) -> EndAnswer:
    """Cancel a spot request, so that it never starts anything again; "not found" is an answer too."""
    call = Call("ec2", "CancelSpotInstanceRequests", {"SpotInstanceRequestIds": [request_id]}, Priority.TERMINATE)
    return await _end(client, call, "to cancel a spot request")


async def delete_volume(client: Client, volume_id: str) -> EndAnswer:
    """Delete a disk; "not found" is an answer too."""
    call = Call("ec2", "DeleteVolume", {"VolumeId": volume_id}, Priority.TERMINATE)
    return await _end(client, call, "to delete a disk")


async def _end(client: Client, call: Call, what: str) -> EndAnswer:
    try:
        await client.read(call, what)
    except NotFound:
        return EndAnswer.ABSENT
    return EndAnswer.ACCEPTED
