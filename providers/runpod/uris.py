"""Addresses of objects on a volume: ``runpod://<volume>/<path>``, and ``s3://<volume>/<path>`` as S3 tools write it.

The platform itself has no ``runpod://`` scheme (fact sheet 5.2); it is ours.
"""

from __future__ import annotations

from typing import Final

from providers.interface import Refused
from providers.keys import KEY_BYTES_MAX, split_key

SCHEMES: Final = ("runpod", "s3")
VOLUME_CHARS_MAX: Final = 63
URI_CHARS_MAX: Final = KEY_BYTES_MAX + VOLUME_CHARS_MAX + len("runpod:///")


def key_of(uri: str, volume: str) -> str:
    """Return the key that ``uri`` names on ``volume``. Nothing is decoded or put right on the way.

    Raises Refused for another scheme or volume, and for a path that is no key: absolute, ``..``, hidden, too long,
    control characters.
    """
    if len(uri) > URI_CHARS_MAX:
        raise Refused(f"E-KEY: an address has at most {URI_CHARS_MAX} characters")
    scheme, found, rest = uri.partition("://")
    if not found or scheme not in SCHEMES:
        raise Refused("E-KEY: an address begins with runpod:// or s3://")
    place, _, key = rest.partition("/")
    if place != volume:
        raise Refused("E-KEY: the address is not on this installation's volume")
    split_key(key)
    return key


def uri_of(key: str, volume: str) -> str:
    """Return the address of a key. Raises Refused for what is no key."""
    split_key(key)
    return f"runpod://{volume}/{key}"
