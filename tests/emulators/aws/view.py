"""Instances, volumes and requests as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.emulators.aws.asked import Document
from tests.emulators.aws.network import shown_tags, vpc_id
from tests.emulators.aws.state import CODES, OVER, Instance, SpotRequest, State, Volume, reason_text


def reservation(instances: Sequence[Instance], now: float, volumes: Sequence[Volume] = ()) -> Document:
    """Return instances of one launch."""
    first = instances[0]
    return {
        "ReservationId": first.reservation,
        "OwnerId": first.account,
        "Groups": [],
        "Instances": [
            instance(one, one.state, now, [v for v in volumes if v.instance_id == one.id]) for one in instances
        ],
    }


def state(one: Instance, shown: State) -> Document:
    """Return a state as the API shows it."""
    return {"Code": CODES[shown], "Name": shown.value}


def instance(one: Instance, shown: State, now: float, volumes: Sequence[Volume]) -> Document:
    """Return an instance in a state."""
    order = one.order
    up = shown not in (State.TERMINATED,)
    tagged = now >= one.launched_at + one.fate.tag_lag_s
    document: Document = {
        "InstanceId": one.id,
        "ImageId": order.image_id,
        "State": state(one, shown),
        "PrivateDnsName": f"ip-{one.private_ip.replace('.', '-')}.ec2.internal" if up else "",
        "PublicDnsName": "",
        "StateTransitionReason": one.transition,
        "KeyName": order.key_name,
        "AmiLaunchIndex": 0,
        "InstanceType": order.type.name,
        "LaunchTime": one.launched_at,
        "Placement": {"AvailabilityZone": order.zone, "GroupName": "", "Tenancy": "default"},
        "Monitoring": {"State": "enabled" if order.monitoring else "disabled"},
        "SubnetId": order.subnet if up else None,
        "VpcId": vpc_id(one.account, one.region) if up else None,
        "PrivateIpAddress": one.private_ip if up else None,
        "PublicIpAddress": one.public_ip if up else None,
        "Architecture": "x86_64",
        "RootDeviceType": "ebs",
        "RootDeviceName": order.image.root,
        "BlockDeviceMappings": [_mapping(volume) for volume in volumes],
        "VirtualizationType": "hvm",
        "ClientToken": order.token,
        "Tags": shown_tags(one.tags) if tagged else [],
        "SecurityGroups": [{"GroupId": group} for group in order.groups] if up else [],
        "EbsOptimized": False,
        "EnaSupport": True,
        "Hypervisor": "xen",
        "SourceDestCheck": True,
        "NetworkInterfaces": [_interface(one)] if up else [],
        "MetadataOptions": {
            "State": "applied" if shown is not State.PENDING else "pending",
            "HttpTokens": "required" if order.tokens_required else "optional",
            "HttpPutResponseHopLimit": order.hop_limit,
            "HttpEndpoint": "enabled",
        },
    }
    if one.reason is not None and (shown in OVER or shown in (State.STOPPING, State.STOPPED)):
        document["StateReason"] = {"Code": one.reason, "Message": reason_text(one.reason)}
    elif shown is State.PENDING:
        document["StateReason"] = {"Code": "pending", "Message": "pending"}
    if one.spot is not None:
        document |= {"InstanceLifecycle": "spot", "SpotInstanceRequestId": one.spot.id}
    if order.profile is not None and up:
        arn = f"arn:aws:iam::{one.account}:instance-profile/{order.profile}"
        document["IamInstanceProfile"] = {"Arn": arn, "Id": "AIPA0000000000000000"}
    return document


def _mapping(volume: Volume) -> Document:
    return {
        "DeviceName": volume.device,
        "Ebs": {
            "VolumeId": volume.id,
            "Status": "attached",
            "AttachTime": volume.created_at,
            "DeleteOnTermination": volume.on_termination,
        },
    }


def _interface(one: Instance) -> Document:
    return {
        "NetworkInterfaceId": f"eni-{one.id[2:]}",
        "SubnetId": one.order.subnet,
        "VpcId": vpc_id(one.account, one.region),
        "OwnerId": one.account,
        "Status": "in-use",
        "PrivateIpAddress": one.private_ip,
        "Groups": [{"GroupId": group} for group in one.order.groups],
        "Attachment": {"DeviceIndex": 0, "Status": "attached", "DeleteOnTermination": True},
    }


def volume(one: Volume) -> dict[str, Any]:
    """Return a volume."""
    attached = one.instance_id is not None
    return {
        "VolumeId": one.id,
        "AvailabilityZone": one.zone,
        "CreateTime": one.created_at,
        "Encrypted": one.encrypted,
        "Size": one.size_gb,
        "State": "in-use" if attached else "available",
        "VolumeType": one.kind,
        "Iops": 3000,
        "Throughput": 125,
        "MultiAttachEnabled": False,
        "Tags": shown_tags(one.tags),
        "Attachments": [
            {
                "InstanceId": one.instance_id,
                "VolumeId": one.id,
                "Device": one.device,
                "State": "attached",
                "AttachTime": one.created_at,
                "DeleteOnTermination": one.on_termination,
            }
        ]
        if attached
        else [],
    }


def spot_request(one: SpotRequest, type_name: str, zone: str) -> dict[str, Any]:
    """Return a spot request."""
    return {
        "SpotInstanceRequestId": one.id,
        "SpotPrice": f"{one.max_price:f}",
        "Type": "persistent" if one.persistent else "one-time",
        "State": one.state,
        "Status": {"Code": one.code, "Message": one.message, "UpdateTime": one.updated_at},
        "CreateTime": one.created_at,
        "InstanceId": one.instance_id,
        "LaunchedAvailabilityZone": zone,
        "LaunchSpecification": {"InstanceType": type_name},
        "ProductDescription": "Linux/UNIX",
        "InstanceInterruptionBehavior": "terminate",
        "Tags": shown_tags(one.tags),
    }
