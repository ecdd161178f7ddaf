"""By which names a volume is known: to S3 tools, to machines, in addresses."""

from __future__ import annotations

from providers.runpod.storage import endpoint_of
from tests.support.s3 import VOLUME, EmulatedVolume


def test_each_data_centre_has_an_endpoint_of_its_own() -> None:
    assert endpoint_of("EU-RO-1") == "https://s3api-eu-ro-1.runpod.io"


def test_addresses_know_the_store_by_its_volume_under_both_schemes() -> None:
    assert EmulatedVolume().storage.places == {"runpod": VOLUME, "s3": VOLUME}
