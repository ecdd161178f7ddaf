"""The calls about what there is to have: types, images, spot prices and requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.emulators.aws import catalogue, view
from tests.emulators.aws.asked import Asked, Call, Document, filtered, in_pages, tag_facts
from tests.emulators.aws.catalogue import IMAGES, TYPES, MachineType, image_id, zones_of
from tests.emulators.aws.codec import instant
from tests.emulators.aws.hosts import Hosts
from tests.emulators.aws.instances import PAGED
from tests.emulators.aws.prices import STEP_S, Prices
from tests.emulators.aws.problems import Problem
from tests.emulators.aws.state import SpotRequest

HISTORY_S = 90 * 86_400
PRODUCTS = ("Linux/UNIX", "Linux/UNIX (Amazon VPC)")


class Offers:
    """Answers calls about types, images and spot."""

    def __init__(self, hosts: Hosts, prices: Prices) -> None:
        self._hosts = hosts
        self._prices = prices
        self.calls: Mapping[str, Call] = {
            "DescribeInstanceTypes": Call(self._types, ("InstanceTypes", *PAGED)),
            "DescribeInstanceTypeOfferings": Call(self._offerings, ("LocationType", *PAGED)),
            "DescribeImages": Call(self._images, ("ImageIds", "Owners", *PAGED)),
            "DescribeSpotPriceHistory": Call(
                self._history,
                ("InstanceTypes", "ProductDescriptions", "StartTime", "EndTime", "AvailabilityZone", *PAGED),
            ),
            "DescribeSpotInstanceRequests": Call(self._requests, ("SpotInstanceRequestIds", *PAGED)),
            "CancelSpotInstanceRequests": Call(self._cancel, ("SpotInstanceRequestIds",)),
        }

    def _types(self, asked: Asked) -> Document:
        names = asked.get("InstanceTypes", ())
        for name in names:
            if name not in TYPES:
                text = f"The following supplied instance types do not exist: [{name}]"
                raise Problem("InvalidInstanceType", text)
        found = [one for one in TYPES.values() if not names or one.name in names]
        found = filtered(asked, found, lambda one: {"instance-type": [one.name], "current-generation": ["true"]})
        return in_pages(asked, found, "InstanceTypes", _type)

    def _offerings(self, asked: Asked) -> Document:
        kind = asked.get("LocationType", "region")
        if kind not in ("region", "availability-zone"):
            raise Problem("InvalidParameterValue", f"The location type {kind} is not emulated")
        rows = [
            (one.name, place)
            for one in TYPES.values()
            for place in ([asked.region] if kind == "region" else zones_of(one, asked.region))
        ]
        rows = filtered(asked, rows, lambda row: {"instance-type": [row[0]], "location": [row[1]]})
        return in_pages(
            asked,
            rows,
            "InstanceTypeOfferings",
            lambda row: {"InstanceType": row[0], "LocationType": kind, "Location": row[1]},
        )

    def _images(self, asked: Asked) -> Document:
        for one in asked.get("ImageIds", ()):
            catalogue.find_image(one, asked.region)
        ids = asked.get("ImageIds") or [image_id(one, asked.region) for one in IMAGES]
        owners = asked.get("Owners", ())
        found = [catalogue.find_image(one, asked.region) for one in ids]
        found = [one for one in found if not owners or one.owner in owners or one.alias in owners]
        found = filtered(
            asked,
            found,
            lambda one: {
                "name": [one.name],
                "image-id": [image_id(one, asked.region)],
                "architecture": ["x86_64"],
                "state": ["available"],
                "owner-alias": [one.alias],
            },
        )
        return in_pages(asked, found, "Images", lambda one: _image(one, asked.region))

    def _history(self, asked: Asked) -> Document:
        end = min(asked.get("EndTime", asked.now), asked.now)
        start = max(asked.get("StartTime", asked.now), asked.now - HISTORY_S)
        if start > asked.now:
            raise Problem("InvalidParameterValue", "StartTime is in the future")
        if any(one not in (*PRODUCTS, "Windows") for one in asked.get("ProductDescriptions", ())):
            raise Problem("InvalidParameterValue", "Invalid product description")
        kinds = [TYPES[one] for one in asked.get("InstanceTypes", TYPES) if one in TYPES]
        rows = []
        for step in range(int(end // STEP_S), int(start // STEP_S) - 1, -1):
            at = step * STEP_S
            for kind in kinds:
                for zone in zones_of(kind, asked.region):
                    if asked.get("AvailabilityZone", zone) == zone:
                        price = self._prices.spot(kind, asked.region, zone, float(at), asked.now)
                        rows.append((kind.name, zone, f"{price:f}", float(at)))
        if asked.get("ProductDescriptions") == ["Windows"]:
            rows = []
        rows = filtered(
            asked,
            rows,
            lambda row: {
                "instance-type": [row[0]],
                "availability-zone": [row[1]],
                "spot-price": [row[2]],
                "timestamp": [instant(row[3])],
                "product-description": [PRODUCTS[0]],
            },
        )
        return in_pages(
            asked,
            rows,
            "SpotPriceHistory",
            lambda row: {
                "InstanceType": row[0],
                "AvailabilityZone": row[1],
                "SpotPrice": row[2],
                "Timestamp": row[3],
                "ProductDescription": PRODUCTS[0],
            },
        )

    def own_requests(self, asked: Asked, ids: list[str]) -> list[SpotRequest]:
        """Return spot requests of this account and region. Raises Problem."""
        scope = (asked.account, asked.region)
        every = [one for one in self._hosts.requests.values() if (one.account, one.region) == scope]
        known = {one.id: one for one in every}
        for one in ids:
            if one not in known:
                text = f"The spot instance request ID '{one}' does not exist"
                raise Problem("InvalidSpotInstanceRequestID.NotFound", text)
        return [known[one] for one in ids] if ids else every

    def _requests(self, asked: Asked) -> Document:
        found = self.own_requests(asked, asked.get("SpotInstanceRequestIds", []))
        found = filtered(
            asked,
            found,
            lambda one: {
                "spot-instance-request-id": [one.id],
                "state": [one.state],
                "status-code": [one.code],
                "instance-id": [one.instance_id],
                "type": ["persistent" if one.persistent else "one-time"],
                **tag_facts(one.tags),
            },
        )
        return in_pages(asked, found, "SpotInstanceRequests", self._request)

    def _request(self, one: SpotRequest) -> dict[str, Any]:
        life = self._hosts.lives[one.instance_id]
        return view.spot_request(one, life.type, life.zone)

    def _cancel(self, asked: Asked) -> Document:
        found = self.own_requests(asked, asked.get("SpotInstanceRequestIds", []))
        for one in found:
            if one.state == "active":
                text = "Your Spot request is canceled, but your instance is still running."
                one.put("cancelled", "request-canceled-and-instance-running", text, asked.now)
            elif one.state == "open":
                one.put("cancelled", "canceled-before-fulfillment", "Your Spot request is canceled.", asked.now)
        return {
            "CancelledSpotInstanceRequests": [{"SpotInstanceRequestId": one.id, "State": one.state} for one in found]
        }


def _type(one: MachineType) -> Document:
    document: Document = {
        "InstanceType": one.name,
        "CurrentGeneration": True,
        "SupportedUsageClasses": ["on-demand", "spot"],
        "SupportedRootDeviceTypes": ["ebs"],
        "SupportedVirtualizationTypes": ["hvm"],
        "BareMetal": False,
        "Hypervisor": "nitro",
        "ProcessorInfo": {"SupportedArchitectures": ["x86_64"]},
        "VCpuInfo": {"DefaultVCpus": one.vcpus, "DefaultCores": one.vcpus // 2, "DefaultThreadsPerCore": 2},
        "MemoryInfo": {"SizeInMiB": one.memory_mib},
        "InstanceStorageSupported": False,
        "BurstablePerformanceSupported": one.name.startswith("t"),
    }
    if one.gpu:
        card = {
            "Name": one.gpu,
            "Manufacturer": "NVIDIA",
            "Count": one.gpu_count,
            "MemoryInfo": {"SizeInMiB": one.gpu_mib},
        }
        document["GpuInfo"] = {"Gpus": [card], "TotalGpuMemoryInMiB": one.gpu_mib * one.gpu_count}
    return document


def _image(one: catalogue.Image, region: str) -> Document:
    ebs = {"VolumeSize": one.root_gb, "VolumeType": "gp3", "DeleteOnTermination": True, "Encrypted": False}
    return {
        "ImageId": image_id(one, region),
        "Name": one.name,
        "OwnerId": one.owner,
        "ImageOwnerAlias": one.alias,
        "Public": True,
        "State": "available",
        "Architecture": "x86_64",
        "ImageType": "machine",
        "CreationDate": "2026-11-10T00:00:00.000Z",
        "RootDeviceName": one.root,
        "RootDeviceType": "ebs",
        "VirtualizationType": "hvm",
        "EnaSupport": True,
        "BlockDeviceMappings": [{"DeviceName": one.root, "Ebs": ebs}],
    }
