"""Everything that RunInstances is told, read from the request: what is missing AWS takes silently."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from providers.aws.creating import run_parameters
from providers.aws.images import Image
from providers.aws.offers import max_spot_price
from tests.support.aws_cloud import Cloud
from tests.support.aws_sim import settings

IMAGE = Image("ami-0123456789abcdef0", "/dev/sda1", 8)
KEY = "arn:aws:kms:us-east-1:123456789012:key/k"


async def told(start: Image = IMAGE, machine: str | None = None, *, spot: bool = True, **changes: object) -> Any:
    cloud = Cloud(spot=spot)
    request = await cloud.request(await cloud.offer(machine=machine))
    return run_parameters(request, settings(spot=spot, **changes), start)


async def test_the_disk_is_gp3_of_the_configured_size_or_the_images_and_encrypted_by_the_configured_key() -> None:
    def disk(parameters: Any) -> dict[str, object]:
        [mapping] = parameters["BlockDeviceMappings"]
        assert mapping["DeviceName"] == IMAGE.root_device
        found: dict[str, object] = mapping["Ebs"]
        return found

    plain = {"VolumeSize": 50, "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True}
    assert disk(await told()) == plain
    assert disk(await told(kms_key=KEY)) == {**plain, "KmsKeyId": KEY}
    assert disk(await told(IMAGE._replace(disk_gb_min=75)))["VolumeSize"] == 75


async def test_a_spot_request_is_for_one_instance_at_a_highest_price_and_on_demand_says_nothing_of_it() -> None:
    cloud = Cloud()
    offer = await cloud.offer()
    options = (await told())["InstanceMarketOptions"]["SpotOptions"]
    highest = max_spot_price(offer, settings())
    assert highest == (offer.rate_usd_per_hour * Decimal("1.25")).quantize(Decimal("1e-6"))
    assert options["SpotInstanceType"] == "one-time"
    assert options["InstanceInterruptionBehavior"] == "terminate"
    assert Decimal(options["MaxPrice"]) == highest
    assert "InstanceMarketOptions" not in await told(spot=False)


@pytest.mark.parametrize(
    ("setting", "value", "name", "said"),
    [
        ("security_group", "sg-0123456789abcdef0", "SecurityGroupIds", ["sg-0123456789abcdef0"]),
        ("key_name", "ana", "KeyName", "ana"),
        ("subnet", "subnet-0123456789abcdef0", "SubnetId", "subnet-0123456789abcdef0"),
    ],
)
async def test_what_is_configured_is_said_and_what_is_not_is_left_out(
    setting: str, value: Any, name: str, said: object
) -> None:
    configured: Any = {setting: value}
    assert (await told(**configured))[name] == said
    assert name not in await told()


async def test_the_zone_of_a_spot_price_is_asked_for_unless_a_subnet_has_one() -> None:
    offer = await Cloud().offer()
    assert (await told())["Placement"] == {"AvailabilityZone": offer.place}
    assert "Placement" not in await told(subnet="subnet-0123456789abcdef0")
    assert "Placement" not in await told(spot=False)


async def test_a_burstable_type_bills_no_more_than_its_price() -> None:
    assert (await told())["CreditSpecification"] == {"CpuCredits": "standard"}
    assert "CreditSpecification" not in await told(machine="m5.large")


@pytest.mark.parametrize(("image", "hops"), [(None, 1), ("me/train:1", 2)])
async def test_a_container_is_one_hop_further_from_the_metadata(image: str | None, hops: int) -> None:
    options = (await told(image=image))["MetadataOptions"]
    assert options == {"HttpTokens": "required", "HttpEndpoint": "enabled", "HttpPutResponseHopLimit": hops}


@pytest.mark.parametrize(
    ("profile", "said"),
    [("mine", {"Name": "mine"}), ("arn:aws:iam::1:instance-profile/x", {"Arn": "arn:aws:iam::1:instance-profile/x"})],
)
async def test_the_profile_is_said_by_name_or_arn(profile: str, said: object) -> None:
    assert (await told(instance_profile=profile))["IamInstanceProfile"] == said
