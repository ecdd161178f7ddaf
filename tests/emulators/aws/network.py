"""The default network of each account and region, and its security groups."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.emulators.aws import catalogue
from tests.emulators.aws.asked import Asked, Call, Document, filtered, in_pages, tag_facts
from tests.emulators.aws.hosts import Hosts
from tests.emulators.aws.problems import Problem
from tests.emulators.aws.state import State

EVERYWHERE = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}


@dataclass
class Group:
    """One security group."""

    id: str
    account: str
    region: str
    name: str
    description: str
    vpc: str
    inbound: list[dict[str, Any]] = field(default_factory=list)
    outbound: list[dict[str, Any]] = field(default_factory=lambda: [dict(EVERYWHERE)])
    tags: dict[str, str] = field(default_factory=dict)


def _fixed(prefix: str, *parts: str) -> str:
    return f"{prefix}-0{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:16]}"


def vpc_id(account: str, region: str) -> str:
    """Return the id of the default network."""
    return _fixed("vpc", account, region)


def subnet_id(account: str, zone: str) -> str:
    """Return the id of a zone's default subnet."""
    return _fixed("subnet", account, zone)


class Network:
    """Groups, subnets, zones."""

    def __init__(self, hosts: Hosts, rng: random.Random) -> None:
        self._hosts = hosts
        self._rng = rng
        self.groups: dict[str, Group] = {}
        self.calls: Mapping[str, Call] = {
            "CreateSecurityGroup": Call(self._create, ("GroupName", "Description", "VpcId", "TagSpecifications")),
            "DeleteSecurityGroup": Call(self._delete, ("GroupId", "GroupName")),
            "DescribeSecurityGroups": Call(
                self._describe, ("GroupIds", "GroupNames", "Filters", "MaxResults", "NextToken")
            ),
            "AuthorizeSecurityGroupIngress": Call(self._open, ("GroupId", "IpPermissions")),
            "AuthorizeSecurityGroupEgress": Call(self._open, ("GroupId", "IpPermissions")),
            "RevokeSecurityGroupIngress": Call(self._close, ("GroupId", "IpPermissions")),
            "RevokeSecurityGroupEgress": Call(self._close, ("GroupId", "IpPermissions")),
            "DescribeVpcs": Call(self._vpcs, ("VpcIds", "Filters")),
            "DescribeSubnets": Call(self._subnets, ("SubnetIds", "Filters")),
            "DescribeAvailabilityZones": Call(self._zones, ("ZoneNames", "Filters")),
            "DescribeRegions": Call(self._regions, ("RegionNames", "AllRegions")),
        }

    def group(self, asked: Asked, group_id: str) -> Group:
        """Return a group. Raises Problem."""
        self._default(asked)
        group = self.groups.get(group_id)
        if group is None or (group.account, group.region) != (asked.account, asked.region):
            raise Problem("InvalidGroup.NotFound", f"The security group '{group_id}' does not exist")
        return group

    def default(self, asked: Asked) -> Group:
        """Return the group that launches get when they name none."""
        return self._default(asked)

    def zone_of(self, asked: Asked, subnet: str) -> str:
        """Return the zone of a subnet. Raises Problem."""
        for zone in catalogue.zones(asked.region):
            if subnet_id(asked.account, zone) == subnet:
                return zone
        raise Problem("InvalidSubnetID.NotFound", f"The subnet ID '{subnet}' does not exist")

    def _default(self, asked: Asked) -> Group:
        group_id = _fixed("sg", asked.account, asked.region)
        if group_id not in self.groups:
            vpc = vpc_id(asked.account, asked.region)
            inside = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group_id, "UserId": asked.account}]}
            self.groups[group_id] = Group(
                group_id, asked.account, asked.region, "default", "default VPC security group", vpc, [inside]
            )
        return self.groups[group_id]

    def _own(self, asked: Asked) -> list[Group]:
        self._default(asked)
        return [g for g in self.groups.values() if (g.account, g.region) == (asked.account, asked.region)]

    def _create(self, asked: Asked) -> Document:
        name, vpc = asked.get("GroupName"), asked.get("VpcId") or vpc_id(asked.account, asked.region)
        if vpc != vpc_id(asked.account, asked.region):
            raise Problem("InvalidVpcID.NotFound", f"The vpc ID '{vpc}' does not exist")
        if any(group.name == name for group in self._own(asked)):
            text = f"The security group '{name}' already exists for VPC '{vpc}'"
            raise Problem("InvalidGroup.Duplicate", text)
        tags = tags_of(asked, ("security-group",)).get("security-group", {})
        group_id = f"sg-0{self._rng.getrandbits(64):016x}"
        group = Group(group_id, asked.account, asked.region, name, asked.get("Description"), vpc, tags=dict(tags))
        self.groups[group_id] = group
        return {"GroupId": group_id, "Tags": shown_tags(tags)}

    def _delete(self, asked: Asked) -> Document:
        group = self._named(asked)
        used = [
            one
            for one in self._hosts.instances(asked.account, asked.region)
            if group.id in one.order.groups and one.state is not State.TERMINATED
        ]
        if used:
            raise Problem("DependencyViolation", f"resource {group.id} has a dependent object")
        if group.name == "default":
            raise Problem(
                "CannotDelete", f'the specified group: "{group.id}" name: "default" cannot be deleted by a user'
            )
        del self.groups[group.id]
        return {"Return": True, "GroupId": group.id}

    def _named(self, asked: Asked) -> Group:
        if asked.get("GroupId"):
            return self.group(asked, asked.get("GroupId"))
        for group in self._own(asked):
            if group.name == asked.get("GroupName"):
                return group
        raise Problem("InvalidGroup.NotFound", f"The security group '{asked.get('GroupName')}' does not exist")

    def _describe(self, asked: Asked) -> Document:
        groups = self._own(asked)
        if asked.get("GroupIds"):
            groups = [self.group(asked, one) for one in asked.get("GroupIds")]
        if asked.get("GroupNames"):
            names = [group.name for group in groups]
            for name in asked.get("GroupNames"):
                if name not in names:
                    raise Problem("InvalidGroup.NotFound", f"The security group '{name}' does not exist")
            groups = [group for group in groups if group.name in asked.get("GroupNames")]
        groups = filtered(
            asked,
            groups,
            lambda group: {
                "group-id": [group.id],
                "group-name": [group.name],
                "vpc-id": [group.vpc],
                "description": [group.description],
                **tag_facts(group.tags),
            },
        )
        return in_pages(
            asked,
            groups,
            "SecurityGroups",
            lambda group: {
                "GroupId": group.id,
                "GroupName": group.name,
                "Description": group.description,
                "OwnerId": group.account,
                "VpcId": group.vpc,
                "IpPermissions": group.inbound,
                "IpPermissionsEgress": group.outbound,
                "Tags": shown_tags(group.tags),
            },
        )

    def _open(self, asked: Asked) -> Document:
        rules = self._rules(asked)
        for one in asked.get("IpPermissions", ()):
            if one in rules:
                raise Problem("InvalidPermission.Duplicate", "the specified rule already exists")
            rules.append(dict(one))
        return {"Return": True}

    def _close(self, asked: Asked) -> Document:
        rules = self._rules(asked)
        for one in asked.get("IpPermissions", ()):
            if one not in rules:
                raise Problem("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
            rules.remove(one)
        return {"Return": True}

    def _rules(self, asked: Asked) -> list[dict[str, Any]]:
        group = self.group(asked, asked.get("GroupId"))
        return group.outbound if asked.action.endswith("Egress") else group.inbound

    def _vpcs(self, asked: Asked) -> Document:
        vpc = vpc_id(asked.account, asked.region)
        ids = asked.get("VpcIds") or [vpc]
        if ids != [vpc]:
            raise Problem("InvalidVpcID.NotFound", f"The vpc ID '{ids[0]}' does not exist")
        found = filtered(asked, ids, lambda one: {"vpc-id": [one], "is-default": ["true"], "isDefault": ["true"]})
        shown = [{"VpcId": one, "IsDefault": True, "State": "available", "CidrBlock": "172.31.0.0/16"} for one in found]
        return {"Vpcs": shown}

    def _subnets(self, asked: Asked) -> Document:
        for one in asked.get("SubnetIds", ()):
            self.zone_of(asked, one)
        vpc = vpc_id(asked.account, asked.region)
        zones = filtered(
            asked,
            catalogue.zones(asked.region),
            lambda zone: {
                "subnet-id": [subnet_id(asked.account, zone)],
                "vpc-id": [vpc],
                "availability-zone": [zone],
                "default-for-az": ["true"],
            },
        )
        wanted = asked.get("SubnetIds")
        return {
            "Subnets": [
                {
                    "SubnetId": subnet_id(asked.account, zone),
                    "VpcId": vpc,
                    "AvailabilityZone": zone,
                    "DefaultForAz": True,
                    "MapPublicIpOnLaunch": True,
                    "State": "available",
                }
                for zone in zones
                if not wanted or subnet_id(asked.account, zone) in wanted
            ]
        }

    def _zones(self, asked: Asked) -> Document:
        zones = filtered(
            asked, catalogue.zones(asked.region), lambda zone: {"zone-name": [zone], "state": ["available"]}
        )
        return {
            "AvailabilityZones": [
                {"ZoneName": zone, "RegionName": asked.region, "State": "available", "ZoneType": "availability-zone"}
                for zone in zones
                if zone in asked.get("ZoneNames", zones)
            ]
        }

    def _regions(self, asked: Asked) -> Document:
        names = [one for one in catalogue.REGIONS if one in asked.get("RegionNames", catalogue.REGIONS)]
        return {"Regions": [{"RegionName": one, "OptInStatus": "opt-in-not-required"} for one in names]}


def tags_of(asked: Asked, kinds: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Return the tags a call gives, by resource type. Raises Problem."""
    found: dict[str, dict[str, str]] = {}
    for one in asked.get("TagSpecifications", ()):
        kind = one.get("ResourceType", "")
        if kind not in kinds:
            text = f"'{kind}' is not a valid taggable resource type for this operation."
            raise Problem("InvalidParameterValue", text)
        if kind in found:
            raise Problem(
                "InvalidParameterValue", f"The same resource type may not be specified more than once: {kind}"
            )
        found[kind] = check_tags(one.get("Tags", ()))
    return found


def check_tags(given: Any) -> dict[str, str]:
    """Return tags as a map. Raises Problem."""
    tags: dict[str, str] = {}
    for one in given:
        key, value = one.get("Key", ""), one.get("Value", "")
        if not key or len(key) > 128 or key.startswith("aws:") or len(value) > 256:
            raise Problem("InvalidParameterValue", f"Tag '{key}' is not valid")
        if key in tags:
            raise Problem("InvalidParameterValue", f"Duplicate tag key '{key}' specified.")
        tags[key] = value
    if len(tags) > 50:
        raise Problem("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
    return tags


def shown_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as the API shows them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
