"""What the configuration says of AWS, as the provider takes it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from pydantic import SecretStr

from lastcall.config.settings import Aws, Settings
from lastcall.renting import aws_settings
from providers.aws.settings import AwsSettings
from providers.interface import Refused

TOLD = {
    "region": "eu-central-1",
    "bucket": "lastcall-ana",
    "profile": "work",
    "kms_key": "alias/lastcall",
    "instance_type": "m5.large",
    "spot": False,
    "spot_max_price_factor": Decimal("1.5"),
    "spot_max_usd_per_hour": Decimal("0.5"),
    "disk_gb": 80,
    "ami": "ami-0123456789abcdef0",
    "image": "me/train:1",
    "instance_profile": "mine",
    "security_group": "sg-0123456789abcdef0",
    "subnet": "subnet-0123456789abcdef0",
    "key_name": "ana",
    "log_group": "/mine",
    "package_index": "https://mirror.example.com/simple",
}


def told(**changes: object) -> Settings:
    return Settings(aws=Aws.model_validate({**TOLD, **changes}))


def test_everything_that_can_be_set_reaches_the_provider() -> None:
    found = aws_settings(told())
    assert {name: getattr(found, name) for name in TOLD} == TOLD
    assert found.keys is None
    assert found.endpoints == {}


def test_defaults_of_the_configuration_are_those_of_the_provider() -> None:
    plain = Settings(aws=Aws(region="eu-central-1", bucket="lastcall-ana"))
    assert aws_settings(plain) == AwsSettings(region="eu-central-1", bucket="lastcall-ana")


def test_keys_are_taken_whole_and_show_in_no_text() -> None:
    found = aws_settings(
        told(access_key_id="AKIACANARY", secret_access_key="canary/secret", session_token="canary-token")
    )
    assert found.keys is not None
    assert found.keys.secret_key == SecretStr("canary/secret")
    assert "canary" not in repr(found).lower()


def test_addresses_of_services_go_before_the_one_for_all() -> None:
    found = aws_settings(told(endpoint_url="http://localhost:1", s3_endpoint="http://localhost:2"))
    assert found.endpoint("ec2") == "http://localhost:1"
    assert found.endpoint("s3") == "http://localhost:2"


@pytest.mark.parametrize("missing", ["region", "bucket"])
def test_region_and_bucket_are_needed(missing: str) -> None:
    with pytest.raises(Refused, match=r"aws.region and aws.bucket"):
        aws_settings(told(**{missing: None}))
