"""The one create call of an attempt: everything RunInstances is told. Pure.

The client token is the machine's name, so that the same call made twice makes one instance ("Ensuring idempotency").
Tags are part of it: an instance never exists without its name.
"""

from __future__ import annotations

import base64
from typing import Final

from messages.machines import LaunchRequest
from providers.aws.codec import DISK_RATE_TAG, GPUS_TAG, NAME_TAG, PLACE_TAG, RATE_TAG
from providers.aws.images import Image
from providers.aws.offers import max_spot_price
from providers.aws.settings import AwsSettings
from providers.aws.types import TYPES
from providers.aws.userdata import user_data
from providers.interface import Refused

USER_DATA_BYTES_MAX: Final = 16_384
"""Before base64 ("Instance user data")."""


def run_parameters(request: LaunchRequest, settings: AwsSettings, image: Image) -> dict[str, object]:
    """Return the parameters of RunInstances for ``request``. Raises Refused for what EC2 would refuse."""
    offer = request.offer
    if offer.provider != "aws":
        raise Refused(f"offer {offer.id!r} is not an offer of AWS")
    script = user_data(request, settings)
    if len(script) > USER_DATA_BYTES_MAX:
        raise Refused(f"the user-data would have {len(script)} bytes, EC2 takes {USER_DATA_BYTES_MAX}")
    return {
        "ImageId": image.id,
        "InstanceType": offer.machine_type,
        "MinCount": 1,
        "MaxCount": 1,
        "ClientToken": request.name,
        "UserData": base64.b64encode(script).decode(),
        "InstanceInitiatedShutdownBehavior": "terminate",
        "IamInstanceProfile": _profile(settings.instance_profile),
        "MetadataOptions": {
            "HttpTokens": "required",
            "HttpEndpoint": "enabled",
            "HttpPutResponseHopLimit": 2 if settings.image else 1,
        },
        "BlockDeviceMappings": [{"DeviceName": image.root_device, "Ebs": _disk(settings, image)}],
        "TagSpecifications": _tags(request),
        **_optional(request, settings),
    }


def disk_gb(settings: AwsSettings, image: Image) -> int:
    """Return the size of an instance's disk."""
    return max(settings.disk_gb, image.disk_gb_min)


def _profile(name: str) -> dict[str, str]:
    return {"Arn": name} if name.startswith("arn:") else {"Name": name}


def _disk(settings: AwsSettings, image: Image) -> dict[str, object]:
    disk: dict[str, object] = {
        "VolumeSize": disk_gb(settings, image),
        "VolumeType": "gp3",
        "Encrypted": True,
        "DeleteOnTermination": True,
    }
    return disk | ({"KmsKeyId": settings.kms_key} if settings.kms_key else {})


def _tags(request: LaunchRequest) -> list[dict[str, object]]:
    offer = request.offer
    name = {"Key": NAME_TAG, "Value": request.name}
    shown = {"Key": "Name", "Value": f"lastcall {request.job_id}"}
    agreed = [
        {"Key": RATE_TAG, "Value": f"{offer.rate_usd_per_hour:f}"},
        {"Key": DISK_RATE_TAG, "Value": f"{offer.disk_usd_per_hour:f}"},
        {"Key": GPUS_TAG, "Value": str(offer.gpu_count)},
        {"Key": PLACE_TAG, "Value": offer.place},
    ]
    folder = {"Key": "lastcall:folder", "Value": request.folder[:256]}
    kinds = ["volume", "network-interface", *(["spot-instances-request"] if offer.spot else [])]
    found: list[dict[str, object]] = [{"ResourceType": "instance", "Tags": [name, shown, folder, *agreed]}]
    return found + [{"ResourceType": kind, "Tags": [name, shown]} for kind in kinds]


def _optional(request: LaunchRequest, settings: AwsSettings) -> dict[str, object]:
    """What is said only where it is known: an empty value would be refused."""
    offer, found = request.offer, dict[str, object]()
    if offer.spot:
        found["InstanceMarketOptions"] = {
            "MarketType": "spot",
            "SpotOptions": {
                "SpotInstanceType": "one-time",
                "InstanceInterruptionBehavior": "terminate",
                "MaxPrice": f"{max_spot_price(offer, settings):f}",
            },
        }
    if settings.subnet:
        found["SubnetId"] = settings.subnet
    elif offer.place != settings.region:
        found["Placement"] = {"AvailabilityZone": offer.place}
    if settings.security_group:
        found["SecurityGroupIds"] = [settings.security_group]
    if settings.key_name:
        found["KeyName"] = settings.key_name
    kind = TYPES.get(offer.machine_type)
    if kind is not None and kind.burstable:
        # Above its baseline an unlimited one costs more than its price: what is held would not cover it.
        found["CreditSpecification"] = {"CpuCredits": "standard"}
    return found
