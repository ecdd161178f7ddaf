"""Where a service of a region is, by botocore's rules."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NamedTuple

import botocore.endpoint_provider
import botocore.exceptions

from providers.aws.regions import unusable_region
from providers.aws.settings import SERVICES, AwsSettings
from providers.interface import Refused

PRICING_REGIONS: Final = {"eu": "eu-central-1", "ap": "ap-south-1"}
"""The price list is served in three regions only, each with the prices of all ("AWS Price List API", endpoints)."""
PRICING_REGION: Final = "us-east-1"


def bucket_in_host(settings: AwsSettings, bucket: str) -> bool:
    """Say whether a bucket stands before S3's host: a dot in its name breaks TLS, and emulators answer to one host."""
    return settings.endpoint("s3") is None and "." not in bucket


class Endpoint(NamedTuple):
    """An address and what requests to it are signed for."""

    url: str
    region: str


@lru_cache(maxsize=len(SERVICES))
def _rules(service: str, loader: Any) -> Any:
    """Return the rules of a service. They are read once: that takes as long as a hundred calls."""
    rules = loader.load_service_model(service, "endpoint-rule-set-1")
    return botocore.endpoint_provider.EndpointProvider(rules, loader.load_data("partitions"))


def resolve(settings: AwsSettings, service: str, loader: Any) -> Endpoint:
    """Return where ``service`` is. Raises Refused for a region that AWS does not have, and for one of a cloud apart."""
    region = settings.region
    wrong = unusable_region(region)
    if wrong:
        raise Refused(f"{wrong}: set aws.region")
    if service == "pricing":
        region = PRICING_REGIONS.get(region.partition("-")[0], PRICING_REGION)
    own = settings.endpoint(service)
    if own is not None:
        return Endpoint(own, region)
    provider = _rules(service, loader)
    asked: dict[str, object] = {"Region": region, "UseDualStack": False, "UseFIPS": False}
    if service == "sts":
        asked["UseGlobalEndpoint"] = False
    try:
        found = provider.resolve_endpoint(**asked)
    except botocore.exceptions.EndpointProviderError as error:
        raise Refused(f"AWS has no {service} in region {region}: {error}") from error
    schemes = found.properties.get("authSchemes") or [{}]
    return Endpoint(str(found.url).rstrip("/"), str(schemes[0].get("signingRegion") or region))
