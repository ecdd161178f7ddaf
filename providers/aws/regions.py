"""Which regions there are, as botocore's own data has them: read without loading it, for it may not be installed.

Lastcall works in the public cloud, the partition ``aws``. What China, governments and sovereign clouds cost it does not
know, and money that nobody can foresee is not spent.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from typing import Final

PARTITIONS: Final = Path("data") / "partitions.json"
"""In botocore's folder: every partition with its regions, and a name or two that stand for a whole partition."""
PUBLIC: Final = "aws"


@cache
def known_regions() -> Mapping[str, str]:
    """Return the partition of every region; nothing where botocore is not installed."""
    found = importlib.util.find_spec("botocore")
    if found is None or found.origin is None:
        return {}
    document = json.loads((Path(found.origin).parent / PARTITIONS).read_text("utf-8"))
    return {
        name: str(partition["id"])
        for partition in document["partitions"]
        for name in sorted(partition["regions"])
        if not name.endswith("-global")
    }


def unusable_region(region: str) -> str:
    """Return what is wrong with a region, and the nearest name where AWS has none of this one; empty for a public one.

    A region that AWS opens later is known once botocore is newer.
    """
    known = known_regions()
    partition = known.get(region, "" if known else PUBLIC)
    if partition == PUBLIC:
        return ""
    if partition:
        return f"{region} belongs to the separate cloud {partition}, whose prices Lastcall does not know"
    public = sorted(name for name, one in known.items() if one == PUBLIC)
    nearest = max(public, key=lambda name: SequenceMatcher(None, region, name).ratio())
    return f"AWS has no region {region}; the nearest name is {nearest}"
