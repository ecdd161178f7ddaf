"""Settings of AWS: what users of the earlier program could set has a key, a default and a use."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lastcall.config.load import load
from lastcall.config.problems import ConfigError
from lastcall.config.settings import Aws

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
}


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
