"""By which names a volume is known: to S3 tools, to machines, in addresses."""

from __future__ import annotations

from pydantic import SecretStr

from providers.runpod.storage import endpoint_of, volume_settings
from tests.support.s3 import VOLUME, EmulatedVolume


def test_each_data_centre_has_an_endpoint_of_its_own() -> None:
    assert endpoint_of("EU-RO-1") == "https://s3api-eu-ro-1.runpod.io"


def test_the_region_is_the_data_centre_as_it_stands_whatever_endpoint_is_used() -> None:
    """Another one fails: "the region 'us-east-1' is wrong" (fact sheet 5.2)."""
    for endpoint in (None, "http://127.0.0.1:9000"):
        found = volume_settings("EU-RO-1", VOLUME, "user_a", SecretStr("rps_a"), endpoint)
        assert (found.region, found.bucket) == ("EU-RO-1", VOLUME)
        assert found.endpoint == (endpoint or endpoint_of("EU-RO-1"))


def test_addresses_know_the_store_by_its_volume_under_both_schemes() -> None:
    assert EmulatedVolume().storage.places == {"runpod": VOLUME, "s3": VOLUME}
