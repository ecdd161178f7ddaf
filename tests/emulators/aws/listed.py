"""The price list service, as far as machines by the hour go."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from tests.emulators.aws.catalogue import REGIONS, TYPES, MachineType
from tests.emulators.aws.prices import Prices
from tests.emulators.aws.problems import Problem

PAGE_MAX = 100
TERM = "JRTCKXETXF"
RATE = "6YS6EN2CT7"


def products(document: Any, prices: Prices) -> dict[str, Any]:
    """Answer GetProducts. Raises Problem."""
    if not isinstance(document, dict) or document.get("ServiceCode") != "AmazonEC2":
        raise Problem("InvalidParameterException", "ServiceCode: only AmazonEC2 is emulated")
    unknown = [
        name for name in document if name not in ("ServiceCode", "Filters", "FormatVersion", "MaxResults", "NextToken")
    ]
    if unknown:
        raise Problem("SerializationException", f"unknown member {unknown[0]}")
    size = document.get("MaxResults", PAGE_MAX)
    if not isinstance(size, int) or not 1 <= size <= PAGE_MAX:
        raise Problem("InvalidParameterException", f"MaxResults is 1 to {PAGE_MAX}")
    start = _place(document.get("NextToken"))
    wanted = {one["Field"]: one["Value"] for one in document.get("Filters", []) if one.get("Type") == "TERM_MATCH"}
    found = [
        _product(kind, region, prices)
        for region in REGIONS
        for kind in TYPES.values()
        if all(_attributes(kind, region).get(field) == value for field, value in wanted.items())
    ]
    answer: dict[str, Any] = {"FormatVersion": "aws_v1", "PriceList": found[start : start + size]}
    if start + size < len(found):
        answer["NextToken"] = base64.b64encode(str(start + size).encode()).decode()
    return answer


def _place(token: Any) -> int:
    try:
        return int(base64.b64decode(token)) if token else 0
    except (binascii.Error, ValueError):
        raise Problem("InvalidNextTokenException", "NextToken is not valid") from None


def _attributes(kind: MachineType, region: str) -> dict[str, str]:
    return {
        "servicecode": "AmazonEC2",
        "regionCode": region,
        "instanceType": kind.name,
        "vcpu": str(kind.vcpus),
        "memory": f"{kind.memory_mib / 1024:g} GiB",
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "preInstalledSw": "NA",
        "capacitystatus": "Used",
        "licenseModel": "No License required",
        "marketoption": "OnDemand",
    }


def _product(kind: MachineType, region: str, prices: Prices) -> str:
    sku = f"{kind.name}{region}".replace(".", "").replace("-", "").upper()
    dimension = {
        "unit": "Hrs",
        "beginRange": "0",
        "endRange": "Inf",
        "rateCode": f"{sku}.{TERM}.{RATE}",
        "description": f"per On Demand Linux {kind.name} Instance Hour",
        "pricePerUnit": {"USD": f"{prices.on_demand(kind, region):.10f}"},
    }
    term = {
        "offerTermCode": TERM,
        "sku": sku,
        "effectiveDate": "2026-11-01T00:00:00Z",
        "priceDimensions": {f"{sku}.{TERM}.{RATE}": dimension},
        "termAttributes": {},
    }
    return json.dumps(
        {
            "product": {"productFamily": "Compute Instance", "sku": sku, "attributes": _attributes(kind, region)},
            "serviceCode": "AmazonEC2",
            "terms": {"OnDemand": {f"{sku}.{TERM}": term}},
            "version": "20261101000000",
            "publicationDate": "2026-11-01T00:00:00Z",
        }
    )
