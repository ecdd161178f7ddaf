"""Settings of AWS: what users of the earlier program could set has a key, a default and a use."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lastcall.config.load import load
from lastcall.config.problems import ConfigError
from lastcall.config.settings import Aws
from providers.aws import regions

DEFAULTS: dict[str, Any] = {
    "kms_key": None,
    "instance_type": None,
    "spot": True,
    "spot_max_price_factor": Decimal("1.25"),
    "spot_max_usd_per_hour": None,
    "disk_gb": 50,
    "ami": None,
    "image": None,
    "instance_profile": "lastcall-machine",
    "security_group": None,
    "subnet": None,
    "key_name": None,
    "log_group": "/lastcall/jobs",
    "log_retention_days": 30,
    "datasets_expire_days": 90,
    "models_archive_days": 30,
    "models_expire_days": 180,
    "old_versions_days": 7,
    "access_log_days": 90,
    "alarm_email": None,
    "alarm_usd_per_month": Decimal(50),
    "alarm_at": Decimal("0.8"),
}
GIVEN = {
    "kms_key": ("alias/lastcall", "alias/lastcall"),
    "instance_type": ("m6i.xlarge", "m6i.xlarge"),
    "spot": ("false", False),
    "spot_max_price_factor": ("1.5", Decimal("1.5")),
    "spot_max_usd_per_hour": ("0.25", Decimal("0.25")),
    "disk_gb": ("80", 80),
    "ami": ("ami-0123456789abcdef0", "ami-0123456789abcdef0"),
    "image": ("me/lastcall-training:1", "me/lastcall-training:1"),
    "instance_profile": (
        "arn:aws:iam::123456789012:instance-profile/x",
        "arn:aws:iam::123456789012:instance-profile/x",
    ),
    "security_group": ("sg-0123456789abcdef0", "sg-0123456789abcdef0"),
    "subnet": ("subnet-0123456789abcdef0", "subnet-0123456789abcdef0"),
    "key_name": ("ana", "ana"),
    "log_group": ("/mine", "/mine"),
    "log_retention_days": ("90", 90),
    "datasets_expire_days": ("10", 10),
    "models_archive_days": ("11", 11),
    "models_expire_days": ("12", 12),
    "old_versions_days": ("13", 13),
    "access_log_days": ("14", 14),
    "alarm_email": ("ana@example.com", "ana@example.com"),
    "alarm_usd_per_month": ("20", Decimal(20)),
    "alarm_at": ("0.5", Decimal("0.5")),
}
WRONG = {
    "kms_key": "my key",
    "instance_type": "large",
    "spot": "maybe",
    "spot_max_price_factor": "0.5",
    "disk_gb": "1",
    "ami": "ubuntu",
    "security_group": "default",
    "subnet": "10.0.0.0/8",
    "log_retention_days": "31",
    "alarm_email": "nobody",
    "alarm_usd_per_month": "0",
    "alarm_at": "1.5",
}

EARLIER: dict[str, tuple[str, Any]] = {
    "provider": ("provider", "local"),
    "region": ("aws.region", None),
    "access key": ("aws.access_key_id", None),
    "secret key": ("aws.secret_access_key", None),
    "session token": ("aws.session_token", None),
    "bucket": ("aws.bucket", None),
    "prefix of data sets": ("storage.datasets", "datasets"),
    "prefix of models": ("storage.models", "models"),
    "prefix of results": ("storage.predictions", "predictions"),
    "prefix of jobs": ("storage.jobs", "jobs"),
    "EC2 instance type": ("aws.instance_type", None),
    "EC2 image": ("aws.ami", None),
    "EC2 key pair": ("aws.key_name", None),
    "EC2 security group": ("aws.security_group", None),
    "spot max price": ("aws.spot_max_usd_per_hour", None),
    "cost limit of a training": ("training.max_cost_usd", Decimal(10)),
    "cost limit of a prediction": ("predictions.max_cost_usd", Decimal(1)),
    "warning threshold": ("aws.alarm_at", Decimal("0.8")),
    "lifecycle days of data sets": ("aws.datasets_expire_days", 90),
    "lifecycle days to the archive": ("aws.models_archive_days", 30),
    "lifecycle days of models": ("aws.models_expire_days", 180),
    "KMS key": ("aws.kms_key", None),
    "role ARN": ("aws.instance_profile", "lastcall-machine"),
}
"""What the earlier program let its users set, but for its function → setting and default."""


@pytest.mark.parametrize(("key", "value"), EARLIER.values(), ids=list(EARLIER))
def test_what_the_earlier_program_could_be_told_has_a_key_and_a_default(key: str, value: Any, tmp_path: Path) -> None:
    loaded = load({"HOME": str(tmp_path)}, tmp_path)
    section, _, name = key.rpartition(".")
    found = getattr(getattr(loaded.settings, section) if section else loaded.settings, name)
    assert found == value
    assert loaded.origins[key] == "default"


@pytest.mark.parametrize(("name", "value"), DEFAULTS.items())
def test_a_setting_has_its_default(name: str, value: Any) -> None:
    assert getattr(Aws(), name) == value


@pytest.mark.parametrize("name", GIVEN)
def test_the_environment_sets_it(name: str, tmp_path: Path) -> None:
    text, value = GIVEN[name]
    environ = {"HOME": str(tmp_path), f"LASTCALL_AWS_{name.upper()}": text}
    assert getattr(load(environ, tmp_path).settings.aws, name) == value


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_one_line_that_names_the_setting(name: str, tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), f"LASTCALL_AWS_{name.upper()}": WRONG[name]}
    with pytest.raises(ConfigError) as caught:
        load(environ, tmp_path)
    (line,) = caught.value.lines
    assert line.startswith(f"LASTCALL_AWS_{name.upper()}: aws.{name} must ")


def test_every_default_and_every_given_value_is_covered() -> None:
    assert set(DEFAULTS) == set(GIVEN)


NAMES = {"AWS_REGION": "eu-central-1", "LASTCALL_AWS_BUCKET": "lastcall-tests"}


@pytest.mark.parametrize(
    ("region", "nearest"),
    [("eu-central-9", "eu-central-1"), ("us-esat-1", "us-east-1"), ("eu-frankfurt-1", "eu-north-1")],
)
def test_a_region_that_aws_does_not_have_is_a_line_with_the_nearest(region: str, nearest: str, tmp_path: Path) -> None:
    """botocore makes up an address for it, and the daemon would wait for its answer for ever."""
    environ = {"HOME": str(tmp_path), **NAMES, "AWS_REGION": region}
    with pytest.raises(ConfigError) as caught:
        load(environ, tmp_path, flags={"provider": "aws"})
    assert caught.value.lines == (f"AWS_REGION: aws.region: AWS has no region {region}; the nearest name is {nearest}",)
    assert load(environ, tmp_path, flags={"provider": "local"}), "what is not used is not judged"


@pytest.mark.parametrize("region", ["eu-central-1", "ap-southeast-5", "il-central-1"])
def test_every_region_of_the_public_cloud_is_one(region: str, tmp_path: Path) -> None:
    assert load({"HOME": str(tmp_path), **NAMES, "AWS_REGION": region}, tmp_path, flags={"provider": "aws"})


@pytest.mark.parametrize(("region", "cloud"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")])
def test_a_cloud_whose_prices_nobody_knows_is_refused(region: str, cloud: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load({"HOME": str(tmp_path), **NAMES, "AWS_REGION": region}, tmp_path, flags={"provider": "aws"})
    (line,) = caught.value.lines
    assert line.endswith(f"{region} belongs to the separate cloud {cloud}, whose prices Lastcall does not know")


def test_where_botocore_is_missing_no_region_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regions, "known_regions", lambda: {})
    assert regions.unusable_region("eu-central-9") == ""
