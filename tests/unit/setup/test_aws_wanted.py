"""From the configuration to what an AWS account shall hold."""

from __future__ import annotations

import json
from pathlib import Path

from lastcall.config.load import load
from lastcall.setup.aws_wanted import wanted
from providers.aws.resources.wanted import Wanted

ACCOUNT = "123456789012"


def of(tmp_path: Path, arn: str, **told: str) -> Wanted:
    flags = {"provider": "local", **{f"aws.{name}": value for name, value in told.items()}}
    return wanted(load({"HOME": str(tmp_path)}, tmp_path, flags=flags).settings, ACCOUNT, arn)


def test_the_partition_is_that_of_whoever_asks(tmp_path: Path) -> None:
    found = of(tmp_path, f"arn:aws-cn:iam::{ACCOUNT}:user/ana", region="cn-north-1")
    assert found.partition == "aws-cn"
    text = json.dumps(found.policies())
    assert "arn:aws-cn:s3:::" in text
    assert "arn:aws:" not in text
    assert of(tmp_path, "", region="eu-central-1").partition == "aws"


def test_a_profile_that_is_named_by_its_arn_gives_its_name_to_all_else(tmp_path: Path) -> None:
    profile = f"arn:aws:iam::{ACCOUNT}:instance-profile/team/b-machine"
    found = of(tmp_path, f"arn:aws:iam::{ACCOUNT}:user/ana", region="eu-central-1", instance_profile=profile)
    assert (found.instance_profile, found.daemon_role) == ("b-machine", "b-daemon")
    assert found.bucket == f"lastcall-{ACCOUNT}-eu-central-1"
