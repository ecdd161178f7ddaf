"""What an instance costs by EC2's own times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from providers.aws.billing import line_of
from providers.aws.codec import read_instance

BEGAN = datetime(2026, 11, 25, 10, tzinfo=UTC)


@pytest.mark.parametrize(("lived_s", "billed_s"), [(1, 60), (60, 60), (3600, 3600)])
def test_an_instance_is_billed_a_minute_at_least_by_ec2s_own_times(lived_s: int, billed_s: int) -> None:
    ended = BEGAN + timedelta(seconds=lived_s)
    one = read_instance(
        {
            "InstanceId": "i-1",
            "State": {"Name": "terminated"},
            "LaunchTime": BEGAN,
            "StateTransitionReason": f"User initiated ({ended:%Y-%m-%d %H:%M:%S} GMT)",
            "Tags": [{"Key": "lastcall:rate", "Value": "3.6"}, {"Key": "lastcall:disk-rate", "Value": "0"}],
        },
        "1",
    )
    assert one is not None
    line = line_of(one, BEGAN)
    assert line is not None
    assert line.amount_usd == Decimal(billed_s) / 1000
