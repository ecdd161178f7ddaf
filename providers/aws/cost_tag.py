"""The tag that AWS's bill tells machines apart by: ``lastcall:name``, once it is an active cost allocation tag.

AWS learns of a tag up to a day after something that bills had it, and can activate none before; what was billed before
that keeps no name ("Activating user-defined cost allocation tags"). In an organization the management account alone
has such tags. Nobody says whether these two calls cost a cent as Cost Explorer's others do, so nothing makes them by
itself.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from typing import Final

from providers.aws.client import Call, Client
from providers.aws.codec import NAME_TAG
from providers.aws.prices import COST_EXPLORER_USD
from providers.aws.resources.resource import list_at, text_at
from providers.interface import Unavailable

MOST_USD: Final[Decimal] = COST_EXPLORER_USD * 2
"""One look, one change."""
NOT_KNOWN: Final = "TagKeysNotFoundException"


class Split(Enum):
    """How AWS's bill is with the tag."""

    BEFORE = "it was active before"
    NOW = "it is active from now on"
    UNKNOWN = "AWS has not met it yet"


async def split_bill(client: Client, pay: Callable[[], None]) -> Split:
    """Look, and activate the tag where it is known and not active; ``pay`` is called before each request.

    Raises Refused or Unavailable, and whatever ``pay`` raises: then nothing more is asked.
    """
    pay()
    said = await client.read(Call("ce", "ListCostAllocationTags", {"TagKeys": [NAME_TAG]}), "for cost allocation tags")
    found = [text_at(one, "Status") for one in list_at(said, "CostAllocationTags") if one.get("TagKey") == NAME_TAG]
    if not found:
        return Split.UNKNOWN
    if found == ["Active"]:
        return Split.BEFORE
    wanted = {"CostAllocationTagsStatus": [{"TagKey": NAME_TAG, "Status": "Active"}]}
    what = f"to activate the cost allocation tag {NAME_TAG}"
    pay()
    answer = await client.read(Call("ce", "UpdateCostAllocationTagsStatus", wanted), what)
    for error in list_at(answer, "Errors"):
        if text_at(error, "Code") == NOT_KNOWN:
            return Split.UNKNOWN
        raise Unavailable(f"AWS answered {text_at(error, 'Code')}: {text_at(error, 'Message')} when asked {what}")
    return Split.NOW
