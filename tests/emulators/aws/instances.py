"""The calls about instances that exist: listing, ending, stopping, their volumes, tags and consoles."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.emulators.aws import view
from tests.emulators.aws.asked import (
    Asked,
    Call,
    Document,
    filtered,
    in_pages,
    page_size,
    tag_facts,
    token_of,
    token_place,
)
from tests.emulators.aws.auth import Keys
from tests.emulators.aws.codec import instant
from tests.emulators.aws.faults import END, LIST
from tests.emulators.aws.hosts import Hosts
from tests.emulators.aws.network import Network, check_tags, shown_tags, tags_of
from tests.emulators.aws.problems import Problem
from tests.emulators.aws.state import OVER, Instance, State, Volume
from tests.emulators.common.switches import SwitchBox

PAGED = ("MaxResults", "NextToken", "Filters")
IDS_MAX = 1000
_ID = re.compile(r"i-([0-9a-f]{8}|[0-9a-f]{17})")
_VOLUME_ID = re.compile(r"vol-([0-9a-f]{8}|[0-9a-f]{17})")


SINGLY = {
    "TerminateInstances": ("InstanceIds",),
    "StopInstances": ("InstanceIds",),
    "StartInstances": ("InstanceIds",),
    "RebootInstances": ("InstanceIds",),
    "GetConsoleOutput": ("InstanceId",),
    "DeleteVolume": ("VolumeId",),
    "CreateTags": ("Resources",),
    "DeleteTags": ("Resources",),
    "CancelSpotInstanceRequests": ("SpotInstanceRequestIds",),
    "DeleteSecurityGroup": ("GroupId",),
    "AuthorizeSecurityGroupIngress": ("GroupId",),
    "AuthorizeSecurityGroupEgress": ("GroupId",),
    "RevokeSecurityGroupIngress": ("GroupId",),
    "RevokeSecurityGroupEgress": ("GroupId",),
}
"""Action → the parameters with ids; their rights are judged resource by resource."""
KINDS = {"i": "instance", "vol": "volume", "sir": "spot-instances-request", "sg": "security-group"}


class Instances:
    """Answers the calls about instances and volumes."""

    def __init__(self, hosts: Hosts, network: Network, keys: Keys, faults: SwitchBox, console_lag_s: float) -> None:
        self._hosts = hosts
        self._network = network
        self._keys = keys
        self._faults = faults
        self._console_lag_s = console_lag_s
        self.calls: Mapping[str, Call] = {
            "DescribeInstances": Call(self._list, ("InstanceIds", *PAGED)),
            "DescribeInstanceStatus": Call(self._status, ("InstanceIds", "IncludeAllInstances", *PAGED)),
            "DescribeInstanceAttribute": Call(self._attribute, ("InstanceId", "Attribute")),
            "TerminateInstances": Call(self._terminate, ("InstanceIds", "Force", "SkipOsShutdown")),
            "StopInstances": Call(self._stop, ("InstanceIds", "Force")),
            "StartInstances": Call(self._start, ("InstanceIds",)),
            "RebootInstances": Call(self._reboot, ("InstanceIds",)),
            "GetConsoleOutput": Call(self._console, ("InstanceId", "Latest")),
            "DescribeVolumes": Call(self._volumes, ("VolumeIds", *PAGED)),
            "DeleteVolume": Call(self._delete_volume, ("VolumeId",)),
            "CreateTags": Call(self._tag, ("Resources", "Tags")),
            "DeleteTags": Call(self._untag, ("Resources", "Tags")),
            "DescribeTags": Call(self._tags, PAGED),
        }

    def own(self, asked: Asked, ids: Sequence[str]) -> list[Instance]:
        """Return instances of this account and region, all or none. Raises Problem."""
        for one in ids:
            if not _ID.fullmatch(one):
                raise Problem("InvalidInstanceID.Malformed", f'Invalid id: "{one}"')
        found = [self._visible(asked, one) for one in ids]
        missing = [one for one, instance in zip(ids, found, strict=True) if instance is None]
        if missing:
            what = f"ID '{missing[0]}' does" if len(missing) == 1 else f"IDs '{', '.join(missing)}' do"
            raise Problem("InvalidInstanceID.NotFound", f"The instance {what} not exist")
        return [one for one in found if one is not None]

    def authorise(self, asked: Asked) -> None:
        """Check the rights of a call to everything it names; else to ``*``. Raises Problem.

        An instance that is not there is not judged: the call goes on to say that it does not know it.
        """
        made = tags_of(asked, ("security-group",)).get("security-group", {})
        tags_given = made or {one["Key"]: one.get("Value", "") for one in asked.get("Tags", ())}
        context = {"aws:RequestedRegion": asked.region, **{f"aws:RequestTag/{k}": v for k, v in tags_given.items()}}
        context |= {"aws:TagKeys": ",".join(tags_given)} if tags_given else {}
        if made:
            tagging = context | {"ec2:CreateAction": asked.action}
            self._keys.authorise(asked.caller, "ec2:CreateTags", [asked.arn("security-group", "*")], tagging, asked.now)
        for arn, tags in self._named(asked):
            own = {f"{prefix}:ResourceTag/{key}": value for prefix in ("aws", "ec2") for key, value in tags.items()}
            self._keys.authorise(asked.caller, f"ec2:{asked.action}", [arn], context | own, asked.now)

    def _named(self, asked: Asked) -> list[tuple[str, dict[str, str]]]:
        """Return the resource names a call changes or reads singly, with the tags they have."""
        if asked.action == "CreateSecurityGroup":
            return [(asked.arn("security-group", "*"), {}), (asked.arn("vpc", asked.get("VpcId", "*")), {})]
        if asked.action not in SINGLY:
            return [("*", {})]
        ids = [one for name in SINGLY[asked.action] for one in _texts(asked.get(name))]
        places = self._places(asked)
        missing = KINDS[ids[0].partition("-")[0]] if ids and ids[0].partition("-")[0] in KINDS else "resource"
        return [
            (
                asked.arn(*(places[one][0], one) if one in places else (missing, one)),
                places[one][1] if one in places else {},
            )
            for one in ids
            if one in places or missing != "instance"
        ]

    def _visible(self, asked: Asked, instance_id: str) -> Instance | None:
        one = self._hosts.get(instance_id)
        if one is None or (one.account, one.region) != (asked.account, asked.region):
            return None
        return one if one.life.visible_at <= asked.now else None

    # Listing.

    def _list(self, asked: Asked) -> Document:
        ids = asked.get("InstanceIds", ())
        if ids and (asked.get("MaxResults") is not None or asked.get("NextToken")):
            text = "The parameter instancesSet cannot be used with the parameter maxResults"
            raise Problem("InvalidParameterCombination", text)
        if ids and self._faults.hit("list.not_found", LIST, asked.now):
            raise Problem("InvalidInstanceID.NotFound", f"The instance ID '{ids[0]}' does not exist")
        found = self.own(asked, ids) if ids else self._all(asked)
        if self._faults.hit("list.empty_once", LIST, asked.now):
            found = []
        found = filtered(asked, found, lambda one: self._facts(one, asked.now))
        size, (page, after) = page_size(asked), token_place(asked)
        if page > 1 and self._faults.hit("list.mid_500", LIST, asked.now):
            raise Problem("InternalError", "An internal error has occurred", 500)
        rest = [one for one in found if one.number > after]
        if self._faults.standing("list.drop_page", LIST, asked.now) == page:
            self._faults.hit("list.drop_page", LIST, asked.now)
            rest, page = rest[size:], page + 1
        document: Document = {"Reservations": self._reservations(rest[:size], asked.now)}
        if len(rest) > size:
            document["NextToken"] = token_of(asked, rest[size - 1].number, page + 1)
        return document

    def _all(self, asked: Asked) -> list[Instance]:
        return [one for one in self._hosts.instances(asked.account, asked.region) if one.life.visible_at <= asked.now]

    def _reservations(self, found: Sequence[Instance], now: float) -> list[Document]:
        by_id: dict[str, list[Instance]] = {}
        for one in found:
            by_id.setdefault(one.reservation, []).append(one)
        return [
            {
                "ReservationId": reservation,
                "OwnerId": members[0].account,
                "Groups": [],
                "Instances": [
                    view.instance(one, self._shown(one, now), now, self._hosts.volumes_of(one.id)) for one in members
                ],
            }
            for reservation, members in by_id.items()
        ]

    def _shown(self, one: Instance, now: float) -> State:
        stale = self._faults.standing("status.stale", LIST, now, one.name)
        return one.state if stale is None else one.state_at(now - stale)

    def _facts(self, one: Instance, now: float) -> dict[str, Sequence[str]]:
        tags = one.tags if now >= one.launched_at + one.fate.tag_lag_s else {}
        return {
            "instance-id": [one.id],
            "instance-state-name": [self._shown(one, now).value],
            "instance-type": [one.order.type.name],
            "instance-lifecycle": ["spot"] if one.spot else [],
            "spot-instance-request-id": [one.spot.id] if one.spot else [],
            "client-token": [one.order.token],
            "availability-zone": [one.order.zone],
            "image-id": [one.order.image_id],
            "reservation-id": [one.reservation],
            "instance.group-id": one.order.groups,
            **tag_facts(tags),
        }

    def _status(self, asked: Asked) -> Document:
        ids = asked.get("InstanceIds", ())
        found = self.own(asked, ids) if ids else self._all(asked)
        if not asked.get("IncludeAllInstances", False):
            found = [one for one in found if one.state is State.RUNNING]
        found = filtered(asked, found, lambda one: self._facts(one, asked.now))
        return in_pages(asked, found, "InstanceStatuses", lambda one: self._health(one, asked.now))

    def _health(self, one: Instance, now: float) -> Document:
        impaired = self._faults.hit("instance.impaired", "ec2.DescribeInstanceStatus", now, one.name)
        running = one.state is State.RUNNING
        word = "impaired" if impaired else "ok" if running and one.boots else "initializing"
        summary = {"Status": word if running else "not-applicable"}
        events = []
        if one.notice_at is not None and running:
            events = [{"Code": "instance-stop", "Description": "Spot interruption", "NotBefore": one.notice_at}]
        return {
            "InstanceId": one.id,
            "AvailabilityZone": one.order.zone,
            "InstanceState": view.state(one, one.state),
            "InstanceStatus": summary,
            "SystemStatus": summary,
            "Events": events,
        }

    def _attribute(self, asked: Asked) -> Document:
        [one] = self.own(asked, [asked.get("InstanceId")])
        name = asked.get("Attribute")
        if name == "userData":
            return {"InstanceId": one.id, "UserData": {"Value": base64.b64encode(one.order.user_data).decode()}}
        if name == "instanceInitiatedShutdownBehavior":
            value = "terminate" if one.order.terminates else "stop"
            return {"InstanceId": one.id, "InstanceInitiatedShutdownBehavior": {"Value": value}}
        raise Problem("InvalidParameterValue", f"The attribute {name} is not emulated")

    # Ending.

    def _terminate(self, asked: Asked) -> Document:
        found = self.own(asked, asked.get("InstanceIds", ()))
        failed = self._faults.hit("terminate.fail", END, asked.now)
        if failed:
            raise Problem("InternalError" if failed == 500 else "Unavailable", "An internal error has occurred", failed)
        changes = []
        for one in found:
            before = one.state
            ignored = self._faults.hit("terminate.ignored", END, asked.now, one.name)
            if not ignored:
                who: Any = "instance" if asked.caller.identity.arn.endswith(f"/{one.id}") else "account"
                self._hosts.terminate(one, who, "Client.UserInitiatedShutdown", asked.now)
            after = State.SHUTTING_DOWN if ignored and before not in OVER else one.state
            changes.append(_change(one, before, after))
        return {"TerminatingInstances": changes}

    def _stop(self, asked: Asked) -> Document:
        found = self.own(asked, asked.get("InstanceIds", ()))
        for one in found:
            if one.spot is not None and not one.spot.persistent:
                text = f"You can't stop the Spot Instance '{one.id}' because it is associated with a one-time request."
                raise Problem("UnsupportedOperation", text)
        _check(found, (State.RUNNING, State.STOPPING, State.STOPPED), "stopped")
        return {"StoppingInstances": [self._change(one, self._stop_one, asked.now) for one in found]}

    def _stop_one(self, one: Instance, now: float) -> None:
        self._hosts.stop(one, "account", "Client.UserInitiatedShutdown", now)

    def _start(self, asked: Asked) -> Document:
        found = self.own(asked, asked.get("InstanceIds", ()))
        _check(found, (State.STOPPED, State.RUNNING, State.PENDING), "started")
        return {"StartingInstances": [self._change(one, self._start_one, asked.now) for one in found]}

    def _start_one(self, one: Instance, now: float) -> None:
        if one.state is State.STOPPED:
            self._hosts.start(one, now)

    def _reboot(self, asked: Asked) -> Document:
        found = self.own(asked, asked.get("InstanceIds", ()))
        _check(found, (State.RUNNING,), "rebooted")
        for one in found:
            self._hosts.reboot(one, asked.now)
        return {}

    @staticmethod
    def _change(one: Instance, work: Callable[[Instance, float], None], now: float) -> Document:
        before = one.state
        work(one, now)
        return _change(one, before, one.state)

    # Consoles, volumes, tags.

    def _console(self, asked: Asked) -> Document:
        [one] = self.own(asked, [asked.get("InstanceId")])
        self._hosts.collect(one, asked.now)
        fresh = one.life.ran_at is None or asked.now < one.life.ran_at + self._console_lag_s
        text = "" if fresh and not asked.get("Latest", False) else "\r\n".join(one.console)
        output = base64.b64encode(text.encode()[-65_536:]).decode()
        return {"InstanceId": one.id, "Timestamp": asked.now, "Output": output}

    def _volumes(self, asked: Asked) -> Document:
        found = [
            one for one in self._hosts.volumes.values() if (one.account, one.region) == (asked.account, asked.region)
        ]
        ids = asked.get("VolumeIds", ())
        for one in ids:
            if one not in [volume.id for volume in found]:
                raise Problem("InvalidVolume.NotFound", f"The volume '{one}' does not exist.")
        found = [one for one in found if not ids or one.id in ids]
        return in_pages(asked, filtered(asked, found, _volume_facts), "Volumes", view.volume)

    def _delete_volume(self, asked: Asked) -> Document:
        volume_id = asked.get("VolumeId")
        if not _VOLUME_ID.fullmatch(volume_id):
            raise Problem("InvalidParameterValue", f"Value ({volume_id}) for parameter volumeId is invalid.")
        volume = self._hosts.volumes.get(volume_id)
        if volume is None or (volume.account, volume.region) != (asked.account, asked.region):
            raise Problem("InvalidVolume.NotFound", f"The volume '{volume_id}' does not exist.")
        if volume.instance_id is not None:
            raise Problem("VolumeInUse", f"Volume {volume_id} is currently attached to {volume.instance_id}")
        self._hosts.delete_volume(volume, asked.now)
        return {}

    def _places(self, asked: Asked) -> dict[str, tuple[str, dict[str, str]]]:
        scope = (asked.account, asked.region)
        places = {one.id: ("instance", one.tags) for one in self._all(asked)}
        volumes = [one for one in self._hosts.volumes.values() if (one.account, one.region) == scope]
        places |= {one.id: ("volume", one.tags) for one in volumes}
        requests = [one for one in self._hosts.requests.values() if (one.account, one.region) == scope]
        places |= {one.id: ("spot-instances-request", one.tags) for one in requests}
        groups = [one for one in self._network.groups.values() if (one.account, one.region) == scope]
        return places | {one.id: ("security-group", one.tags) for one in groups}

    def _tag(self, asked: Asked) -> Document:
        places = self._places(asked)
        for one in asked.get("Resources", ()):
            if one not in places:
                raise Problem("InvalidID", f"The ID '{one}' is not valid")
        for one in asked.get("Resources", ()):
            places[one][1].update(check_tags(asked.get("Tags", ())))
        return {}

    def _untag(self, asked: Asked) -> Document:
        places = self._places(asked)
        for one in asked.get("Resources", ()):
            if one not in places:
                raise Problem("InvalidID", f"The ID '{one}' is not valid")
            tags = places[one][1]
            for tag in asked.get("Tags", ()) or shown_tags(tags):
                if "Value" not in tag or tags.get(tag["Key"]) == tag["Value"]:
                    tags.pop(tag["Key"], None)
        return {}

    def _tags(self, asked: Asked) -> Document:
        rows = [
            (resource, kind, key, value)
            for resource, (kind, tags) in self._places(asked).items()
            for key, value in tags.items()
        ]
        rows = filtered(
            asked,
            rows,
            lambda row: {"resource-id": [row[0]], "resource-type": [row[1]], "key": [row[2]], "value": [row[3]]},
        )
        names = ("ResourceId", "ResourceType", "Key", "Value")
        return in_pages(asked, rows, "Tags", lambda row: dict(zip(names, row, strict=True)))


def _texts(value: Any) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def _change(one: Instance, before: State, after: State) -> Document:
    return {"InstanceId": one.id, "PreviousState": view.state(one, before), "CurrentState": view.state(one, after)}


def _check(found: Sequence[Instance], states: Sequence[State], what: str) -> None:
    for one in found:
        if one.state not in states:
            text = f"The instance '{one.id}' is not in a state from which it can be {what}."
            raise Problem("IncorrectInstanceState", text)


def _volume_facts(one: Volume) -> dict[str, Sequence[str]]:
    return {
        "volume-id": [one.id],
        "status": ["in-use" if one.instance_id else "available"],
        "attachment.instance-id": [one.instance_id] if one.instance_id else [],
        "availability-zone": [one.zone],
        "create-time": [instant(one.created_at)],
        **tag_facts(one.tags),
    }
