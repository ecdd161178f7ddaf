"""Storage keys: which are possible. The same for every provider, so that what is stored here fits there.

Names that begin with a dot are nobody's objects: writers use them for what is not finished.
"""

from __future__ import annotations

from functools import lru_cache

from providers.interface import Refused

KEY_BYTES_MAX = 1024
"""As S3 has it, so that a key fits everywhere."""
COMPONENT_BYTES_MAX = 255
"""The longest file name Linux file systems take."""


@lru_cache(maxsize=1024)  # the same few files of a job are read again and again
def split_key(key: str) -> tuple[str, ...]:
    """Return the components of a key. Raises Refused on anything that could leave the store or hide in it.

    So ``..``, a leading slash, a part that begins with a dot, control characters and backslashes are refused.
    """
    try:
        size = len(key.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise _refused(key, "it is not text") from error
    if not 0 < size <= KEY_BYTES_MAX:
        raise _refused(key, f"it has {size} bytes, 1 to {KEY_BYTES_MAX} are possible")
    if not key.isprintable() or "\\" in key:
        raise _refused(key, "it has a character that is not allowed")
    parts = tuple(key.split("/"))
    for part in parts:
        if not part or part.startswith(".") or len(part.encode()) > COMPONENT_BYTES_MAX:
            raise _refused(key, "a part of it is empty, too long or begins with a dot")
    return parts


def is_key_part(name: str) -> bool:
    """Return whether a name found on disk could be part of a key."""
    try:
        return len(split_key(name)) == 1
    except Refused:
        return False


def _refused(key: str, why: str) -> Refused:
    return Refused(f"E-KEY: {key[:80]!a} cannot be a storage key: {why}")
