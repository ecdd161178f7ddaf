"""The KMS key that is configured: Lastcall never makes one, and only looks whether it can be used."""

from __future__ import annotations

from providers.aws.client import Call, Client
from providers.aws.resources.resource import text_at
from providers.interface import NotFound, Refused


async def usable_key(client: Client, key: str) -> str:
    """Return the key's ARN. Raises Refused for one that cannot encrypt here, Unavailable."""
    try:
        value = await client.read(Call("kms", "DescribeKey", {"KeyId": key}), f"about the key {key}")
    except NotFound as error:
        raise Refused(f"there is no key {key} in this region: check aws.kms_key") from error
    arn, state = text_at(value, "KeyMetadata", "Arn"), text_at(value, "KeyMetadata", "KeyState")
    if arn is None or state != "Enabled":
        raise Refused(f"the key {key} is {(state or 'unknown').lower()}: enable it in KMS, or set another aws.kms_key")
    return arn
