"""What a job costs on AWS beside its instance: each price has a source, and what is counted is what is called."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from containers.job import settings as wrapper
from containers.job.spool import TAIL_BYTES_MAX
from containers.training import checkpoints
from messages.money import usd
from providers.aws import beside, prices
from providers.aws.storage import AwsStorage
from tests.support.aws_cloud import Cloud
from tests.support.aws_sim import settings

GIB = 1 << 30


def test_the_numbers_of_the_wrapper_are_those_it_runs_with() -> None:
    told = {
        "LASTCALL_MACHINE": "m",
        "LASTCALL_PROVIDER": "aws",
        "LASTCALL_JOB_FOLDER": "/f",
        "LASTCALL_MACHINE_DIR": "/m",
        "LASTCALL_SOFT_DEADLINE": "1",
        "LASTCALL_HARD_DEADLINE": "1",
    }
    runs = wrapper.read(told)
    assert runs.heartbeat_interval_s == runs.control_interval_s == runs.nonce_interval_s == beside.MACHINE_INTERVAL_S
    assert runs.log_flush_s == beside.LOG_FLUSH_S
    assert runs.progress_interval_s == beside.PROGRESS_INTERVAL_S
    assert checkpoints.INTERVAL_S_MAX == beside.CHECKPOINT_INTERVAL_S
    assert runs.log_bytes_max + TAIL_BYTES_MAX < beside.LOG_BYTES_MAX


def test_an_hour_beside_the_instance_is_its_disk_its_address_and_the_calls_to_its_folder() -> None:
    rate = beside.beside_usd_per_hour(settings(), 50)
    disk, address = Decimal("0.08") * 50 / 730, Decimal("0.005")
    machine = 240 * Decimal("0.000005") + 720 * Decimal("0.0000004")
    looks = 3 * 720 * Decimal("0.0000004")
    rounds = (720 + 2 * 60) * Decimal("0.000005")
    assert rate == (disk + address + machine + rounds + looks).quantize(Decimal("1e-9"))
    assert machine + looks == Decimal("0.002352")
    assert rounds == Decimal("0.0042")


def test_a_log_is_held_at_its_most_and_costs_what_was_counted() -> None:
    log = beside.log_price(settings())
    assert log.bytes_usd_max == Decimal("0.53") * 65 / 1024  # 65 MiB
    assert log.usd_per_hour_max == 720 * Decimal("0.000005")
    assert log.usd(12, GIB // 1024) == usd(Decimal("0.00006") + Decimal("0.53") / 1024)
    assert log.usd_max(3600) == Decimal("0.037243")
    assert log.usd(0, 0) == 0


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "eu-central-1", "ap-southeast-4", "sa-east-1"])
def test_a_region_without_prices_of_its_own_costs_at_least_as_much_as_one_with(region: str) -> None:
    known, found = prices.fees("us-east-1"), prices.fees(region)
    assert all(here >= there for here, there in zip(found, known, strict=True))
    assert prices.disk_usd_per_gb_month(region) >= Decimal("0.08")


@pytest.mark.parametrize(
    ("region", "at_most"), [("us-east-1", False), ("eu-central-1", False), ("ap-southeast-4", True)]
)
def test_prices_that_are_not_the_regions_own_are_called_the_dearest(region: str, at_most: bool) -> None:
    told = settings(region=region)
    said = f"All at the prices of the dearest region: those of {region} are not known here"
    assert (said in beside.words(told, 50)) is at_most
    client: Any = SimpleNamespace(settings=SimpleNamespace(region=region, bucket="b"))
    assert AwsStorage(client, "/x").prices_at_most is at_most


async def test_an_offer_says_what_runs_up_beside_the_machine() -> None:
    offer = await Cloud().offer()
    assert offer.disk_usd_per_hour == beside.beside_usd_per_hour(settings(), 50)
    assert offer.fixed_usd == Decimal("0.00024")
    assert offer.log == beside.log_price(settings())
    assert offer.beside == "50 GB of gp3, a public address, calls to S3; its log in CloudWatch at most $0.034"
