"""RunInstances: checked as strictly as AWS does, idempotent by its token."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import Any

from tests.emulators.aws import catalogue
from tests.emulators.aws.asked import Asked, Document
from tests.emulators.aws.auth import Keys
from tests.emulators.aws.catalogue import TYPES
from tests.emulators.aws.faults import CREATE
from tests.emulators.aws.hosts import Hosts
from tests.emulators.aws.network import Network, subnet_id, tags_of
from tests.emulators.aws.prices import Prices
from tests.emulators.aws.problems import Problem
from tests.emulators.aws.settings import Settings
from tests.emulators.aws.state import Fate, Instance, Order, State
from tests.emulators.aws.view import reservation
from tests.emulators.common.switches import SwitchBox

USER_DATA_BYTES_MAX = 16_384
"""Before base64."""
TOKEN_CHARS_MAX = 64
NAMES = ("lastcall:name", "Name")
"""Tags that name an instance to faults, runner and auditor."""
TAGGED = ("instance", "volume", "network-interface", "spot-instances-request")
TAKES = (
    "ImageId",
    "InstanceType",
    "MinCount",
    "MaxCount",
    "KeyName",
    "SecurityGroupIds",
    "SubnetId",
    "Placement",
    "UserData",
    "IamInstanceProfile",
    "InstanceMarketOptions",
    "TagSpecifications",
    "MetadataOptions",
    "BlockDeviceMappings",
    "InstanceInitiatedShutdownBehavior",
    "ClientToken",
    "NetworkInterfaces",
    "Monitoring",
    "EbsOptimized",
    "CreditSpecification",
)


@dataclass
class _Token:
    parameters: Mapping[str, Any]
    instances: Sequence[str]


class Launches:
    """Answers RunInstances."""

    def __init__(
        self, settings: Settings, hosts: Hosts, network: Network, prices: Prices, keys: Keys, faults: SwitchBox
    ) -> None:
        self._settings = settings
        self._hosts = hosts
        self._network = network
        self._prices = prices
        self._keys = keys
        self._faults = faults
        self._tokens: dict[tuple[str, str, str], _Token] = {}
        self.other_profile: Callable[[str, str], str | None] = lambda account, profile: None
        """Account and profile → its role, of profiles that the settings do not have."""

    def authorise(self, asked: Asked) -> None:
        """Check the rights to everything a launch touches. Raises Problem."""
        tags = tags_of(asked, TAGGED)
        market = asked.get("InstanceMarketOptions") or {}
        spot = market.get("MarketType") == "spot"
        context = {
            "ec2:InstanceType": asked.get("InstanceType", ""),
            "ec2:InstanceMarketType": "spot" if spot else "on-demand",
            "ec2:MetadataHttpTokens": asked.get("MetadataOptions", {}).get("HttpTokens", "optional"),
            "aws:RequestedRegion": asked.region,
        }
        profile = asked.get("IamInstanceProfile")
        arn = ""
        if profile:
            name = _profile_name(profile)
            arn = f"arn:aws:iam::{asked.account}:instance-profile/{name}"
            context["ec2:InstanceProfile"] = arn
        kinds = ["instance", "volume", "network-interface", *(["spot-instances-request"] if spot else [])]
        for kind in kinds:
            own = tags.get(kind, {})
            extra = {f"aws:RequestTag/{key}": value for key, value in own.items()} | {"aws:TagKeys": ",".join(own)}
            self._keys.authorise(asked.caller, "ec2:RunInstances", [asked.arn(kind, "*")], context | extra, asked.now)
            if own:
                created = context | extra | {"ec2:CreateAction": "RunInstances"}
                self._keys.authorise(asked.caller, "ec2:CreateTags", [asked.arn(kind, "*")], created, asked.now)
        image = f"arn:aws:ec2:{asked.region}::image/{asked.get('ImageId', '')}"
        others = [image, asked.arn("subnet", asked.get("SubnetId", "*"))]
        others += [asked.arn("security-group", one) for one in asked.get("SecurityGroupIds", ["*"])]
        others += [asked.arn("key-pair", asked.get("KeyName"))] if asked.get("KeyName") else []
        self._keys.authorise(asked.caller, "ec2:RunInstances", others, context, asked.now)
        if profile:
            role = self._profile(asked, _profile_name(profile))
            passed = {"iam:PassedToService": "ec2.amazonaws.com"}
            arn = f"arn:aws:iam::{asked.account}:role/{role}"
            self._keys.authorise(asked.caller, "iam:PassRole", [arn], passed, asked.now)

    def run(self, asked: Asked) -> Document:
        """Launch, or return what the same token launched before. Raises Problem."""
        token = asked.get("ClientToken", "")
        if len(token) > TOKEN_CHARS_MAX or not token.isascii():
            raise Problem("InvalidParameterValue", f"Value ({token}) for parameter clientToken is invalid.")
        key = (asked.account, asked.region, token)
        earlier = self._tokens.get(key) if token else None
        if earlier is not None and (found := self._again(asked, earlier, key)):
            return reservation(found, asked.now)
        order = self._order(asked)
        count = self._count(asked)
        name = order.name
        failed = self._faults.hit("create.fail", CREATE, asked.now, name)
        if failed:
            raise Problem("InternalError" if failed == 500 else "Unavailable", "An internal error has occurred", failed)
        order = self._placed(asked, order, count)
        fate = self._fate(name, asked.now)
        made = [self._hosts.launch(asked.account, asked.region, order, fate, asked.now) for _ in range(count)]
        for one in made:
            one.reservation = made[0].reservation
        if token:
            self._tokens[key] = _Token(dict(asked.parameters), [one.id for one in made])
        return reservation(made, asked.now)

    def _again(self, asked: Asked, earlier: _Token, key: tuple[str, str, str]) -> list[Instance]:
        """Return the instances of a token used before; none where it is long forgotten. Raises Problem."""
        lives = [self._hosts.lives[one] for one in earlier.instances]
        over = all(one.gone_at is not None for one in lives)
        if over and asked.now - max(one.gone_at or 0.0 for one in lives) > self._settings.token_s:
            del self._tokens[key]
            return []
        if earlier.parameters != asked.parameters:
            text = "Arguments on this idempotent request are inconsistent with arguments used in previous request(s)."
            raise Problem("IdempotentParameterMismatch", text)
        found = [one for one in map(self._hosts.get, earlier.instances) if one is not None]
        if over or not found:
            text = "The client token belongs to a request whose instance has been terminated."
            raise Problem("IdempotentInstanceTerminated", text)
        return found

    @staticmethod
    def _count(asked: Asked) -> int:
        least, most = asked.get("MinCount"), asked.get("MaxCount")
        if not 1 <= least <= most:
            raise Problem("InvalidParameterValue", "MinCount and MaxCount are not valid together")
        return int(most)

    def _order(self, asked: Asked) -> Order:
        tags = tags_of(asked, TAGGED)
        spot_max, persistent = _market(asked)
        if spot_max is None and "spot-instances-request" in tags:
            text = "'spot-instances-request' is not a valid taggable resource type for this operation."
            raise Problem("InvalidParameterValue", text)
        kind = TYPES.get(asked.get("InstanceType", ""))
        if kind is None:
            raise Problem("InvalidParameterValue", f"Invalid value '{asked.get('InstanceType')}' for InstanceType.")
        image_id = asked.get("ImageId", "")
        image = catalogue.find_image(image_id, asked.region)
        wanted_zone, subnet, groups, public = self._place(asked)
        profile = asked.get("IamInstanceProfile")
        profile_name = _profile_name(profile) if profile else None
        options = asked.get("MetadataOptions", {})
        token = asked.get("ClientToken", "")
        own = tags.get("instance", {})
        return Order(
            name=next((own[one] for one in NAMES if one in own), token),
            type=kind,
            image=image,
            image_id=image_id,
            zone=wanted_zone,
            subnet=subnet,
            groups=groups,
            price=Decimal(0),
            user_data=_user_data(asked.get("UserData", "")),
            token=token,
            role=self._profile(asked, profile_name) if profile_name else None,
            profile=profile_name,
            terminates=asked.get("InstanceInitiatedShutdownBehavior", "stop") == "terminate",
            spot_max=spot_max,
            persistent=persistent,
            tokens_required=options.get("HttpTokens", "optional") == "required",
            hop_limit=options.get("HttpPutResponseHopLimit", 1),
            public=public,
            disks=tuple(_disks(asked, image)),
            tags=tags,
            key_name=asked.get("KeyName"),
            monitoring=bool(asked.get("Monitoring", {}).get("Enabled", False)),
        )

    def _place(self, asked: Asked) -> tuple[str, str, tuple[str, ...], bool]:
        """Return zone (or nothing), subnet, groups, and whether it gets a public address."""
        interfaces = asked.get("NetworkInterfaces", ())
        subnet, groups, public = asked.get("SubnetId"), asked.get("SecurityGroupIds", []), True
        if interfaces:
            if subnet or groups:
                text = "Network interfaces and an instance-level subnet ID or groups may not be specified together"
                raise Problem("InvalidParameterCombination", text)
            subnet, groups = interfaces[0].get("SubnetId"), interfaces[0].get("Groups", [])
            public = interfaces[0].get("AssociatePublicIpAddress", True)
        for one in groups:
            self._network.group(asked, one)
        zone = asked.get("Placement", {}).get("AvailabilityZone", "")
        if zone and zone not in catalogue.zones(asked.region):
            raise Problem("InvalidParameterValue", f"Invalid availability zone: [{zone}]")
        if subnet:
            there = self._network.zone_of(asked, subnet)
            if zone and zone != there:
                raise Problem("InvalidParameterValue", f"The subnet {subnet} is in {there}, not in {zone}")
            zone = there
        return zone, subnet or "", tuple(groups) or (self._network.default(asked).id,), public

    def _placed(self, asked: Asked, order: Order, count: int) -> Order:
        """Return the order with the zone that takes it, and its price. Raises Problem."""
        self._quota(asked, order, count)
        offering = catalogue.zones_of(order.type, asked.region)
        if order.zone and order.zone not in offering:
            text = f"Your requested instance type ({order.type.name}) is not supported in {order.zone}."
            raise Problem("Unsupported", text)
        for zone in [order.zone] if order.zone else offering:
            if self._has_room(order, zone, asked.now):
                price = self._prices.on_demand(order.type, asked.region)
                highest = order.spot_max
                if highest is not None:
                    highest = highest or price
                    spot = self._prices.spot(order.type, asked.region, zone, asked.now, asked.now)
                    if highest < spot:
                        text = f"Your Spot request price of {highest} is lower than the minimum required of {spot}."
                        raise Problem("SpotMaxPriceTooLow", text)
                    price = spot
                subnet = order.subnet or subnet_id(asked.account, zone)
                return Order(**{**vars(order), "zone": zone, "subnet": subnet, "price": price, "spot_max": highest})
        for fault in _shortages(order):
            self._faults.hit(fault, CREATE, asked.now, order.name)
        if order.spot_max is not None:
            text = "There is no Spot capacity available that matches your request."
        else:
            text = f"We currently do not have sufficient {order.type.name} capacity in the zone you requested."
        raise Problem("InsufficientInstanceCapacity", text, 500)

    def _has_room(self, order: Order, zone: str, now: float) -> bool:
        for fault in _shortages(order):
            empty = self._faults.standing(fault, CREATE, now, order.name)
            place = f"{order.type.name}@{zone}"
            if empty is True or any(fnmatchcase(place, pattern) for pattern in empty or ()):
                return False
        return True

    def _quota(self, asked: Asked, order: Order, count: int) -> None:
        spot, account = order.spot_max is not None, self._settings.accounts[asked.account]
        used = sum(
            one.order.type.vcpus
            for one in self._hosts.instances(asked.account, asked.region)
            if one.state in (State.PENDING, State.RUNNING)
            and (one.spot is not None) == spot
            and one.order.type.family == order.type.family
            and not one.fate.foreign
        )
        quota = (account.spot_vcpus if spot else account.on_demand_vcpus).get(order.type.family, 0)
        full = used + order.type.vcpus * count > quota
        if spot and (full or self._faults.hit("quota.spot", CREATE, asked.now, order.name)):
            raise Problem("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded")
        if not spot and (full or self._faults.hit("quota.on_demand", CREATE, asked.now, order.name)):
            text = f"You have requested more vCPU capacity than your current vCPU limit of {quota} allows."
            raise Problem("VcpuLimitExceeded", text)

    def _fate(self, name: str, now: float) -> Fate:
        def hit(fault: str) -> Any:
            return self._faults.hit(fault, CREATE, now, name)

        return Fate(
            late_s=hit("create.late") or 0.0,
            lag_s=hit("describe.lag") or 0.0,
            tag_lag_s=hit("tags.lag") or 0.0,
            fails=hit("instance.fails"),
            stuck=bool(hit("instance.stuck_pending")),
            no_boot=bool(hit("instance.no_boot")),
        )

    def _profile(self, asked: Asked, name: str) -> str:
        role = self._settings.accounts[asked.account].profiles.get(name)
        role = role or self.other_profile(asked.account, name)
        if role is None:
            text = f"Value ({name}) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"
            raise Problem("InvalidParameterValue", text)
        return role


def _shortages(order: Order) -> tuple[str, str]:
    return "capacity.none", "capacity.spot" if order.spot_max is not None else "capacity.on_demand"


def _profile_name(profile: Mapping[str, Any]) -> str:
    if ("Name" in profile) == ("Arn" in profile):
        raise Problem("InvalidParameterCombination", "The parameter 'iamInstanceProfile' needs a name or an arn")
    return str(profile.get("Name") or str(profile["Arn"]).rpartition("/")[2])


def _market(asked: Asked) -> tuple[Decimal | None, bool]:
    """Return the highest price (0: the on-demand price) of a spot launch, and whether it is persistent."""
    market = asked.get("InstanceMarketOptions")
    if not market:
        return None, False
    if market.get("MarketType") != "spot":
        raise Problem("InvalidParameterValue", f"Value ({market.get('MarketType')}) for MarketType is invalid.")
    options = market.get("SpotOptions", {})
    persistent = options.get("SpotInstanceType", "one-time") == "persistent"
    behaviour = options.get("InstanceInterruptionBehavior", "terminate")
    if behaviour != "terminate" and not persistent:
        text = f"Interruption behavior {behaviour} is only valid for persistent Spot requests"
        raise Problem("InvalidParameterCombination", text)
    try:
        return Decimal(options.get("MaxPrice", "0")), persistent
    except InvalidOperation:
        raise Problem("InvalidParameterValue", "Invalid value for maxPrice") from None


def _user_data(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Problem("InvalidParameterValue", "Invalid BASE64 encoding of user data") from None
    if len(data) > USER_DATA_BYTES_MAX:
        raise Problem("InvalidParameterValue", "User data is limited to 16384 bytes")
    return data


def _disks(asked: Asked, image: catalogue.Image) -> Iterator[tuple[str, int, bool, bool]]:
    given = {one.get("DeviceName", ""): one.get("Ebs", {}) for one in asked.get("BlockDeviceMappings", ())}
    for device in dict.fromkeys([image.root, *given]):
        ebs = given.get(device, {})
        if ebs.get("VolumeType", "gp3") not in ("gp3", "gp2"):
            raise Problem("InvalidParameterValue", f"Volume type {ebs['VolumeType']} is not emulated")
        least = image.root_gb if device == image.root else 1
        size = ebs.get("VolumeSize", least)
        if size < least:
            text = f"Volume of size {size}GB is smaller than snapshot, expect size >= {least}GB"
            raise Problem("InvalidBlockDeviceMapping", text)
        yield device, size, ebs.get("DeleteOnTermination", device == image.root), ebs.get("Encrypted", False)
