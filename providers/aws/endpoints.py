"""Where a service of a region is, by botocore's rules."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import botocore.endpoint_provider
import botocore.exceptions

from providers.aws.regions import unusable_region
from providers.aws.settings import AwsSettings
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
    rules = loader.load_service_model(service, "endpoint-rule-set-1")
    provider = botocore.endpoint_provider.EndpointProvider(rules, loader.load_data("partitions"))
    asked: dict[str, object] = {"Region": region, "UseDualStack": False, "UseFIPS": False}
    if service == "sts":
        asked["UseGlobalEndpoint"] = False
    try:
        found = provider.resolve_endpoint(**asked)
    except botocore.exceptions.EndpointProviderError as error:
        raise Refused(f"AWS has no {service} in region {region}: {error}") from error
    schemes = found.properties.get("authSchemes") or [{}]
    return Endpoint(str(found.url).rstrip("/"), str(schemes[0].get("signingRegion") or region))
