"""Which regions there are, as botocore's own data has them: read without loading it, for it may not be installed."""

from __future__ import annotations

import importlib.util
import json
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from typing import Final

PARTITIONS: Final = Path("data") / "partitions.json"
"""In botocore's folder: every partition with its regions, and a name or two that stand for a whole partition."""


@cache
def known_regions() -> tuple[str, ...]:
    """Return the names of all regions, ordered; none where botocore is not installed."""
    found = importlib.util.find_spec("botocore")
    if found is None or found.origin is None:
        return ()
    document = json.loads((Path(found.origin).parent / PARTITIONS).read_text("utf-8"))
    names = {name for partition in document["partitions"] for name in partition["regions"]}
    return tuple(sorted(name for name in names if not name.endswith("-global")))


def unknown_region(region: str) -> str:
    """Return what is wrong with a region that AWS does not have, with the one nearest in spelling; empty for others.

    A region that AWS opens later is known once botocore is newer.
    """
    known = known_regions()
    if not known or region in known:
        return ""
    nearest = max(known, key=lambda name: SequenceMatcher(None, region, name).ratio())
    return f"AWS has no region {region}; the nearest name is {nearest}"
