"""Small reads with a bound: what a machine wrote is never believed to be short, whole or well-formed."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final, NoReturn, cast

from messages.storage import ObjectInfo
from providers.interface import CloudStorageProvider

CHUNK_BYTES: Final = 1 << 20
"""Largest chunk handed to a store (design.md 10)."""
INTEGER_DIGITS_MAX: Final = 300
"""Digits of a whole number in JSON: every one of these still is a finite float."""


class TooLarge(Exception):
    """An object is longer than it may be; nothing beyond the bound was kept."""


async def read_small(store: CloudStorageProvider, key: str, bytes_max: int) -> bytes:
    """Return a whole object of at most ``bytes_max`` bytes.

    Raises TooLarge, and NotFound or Unavailable from the store.
    """
    data = bytearray()
    async with aclosing(cast("AsyncGenerator[bytes, None]", store.get(key))) as chunks:
        async for chunk in chunks:
            data += chunk
            if len(data) > bytes_max:
                raise TooLarge(f"more than {bytes_max} bytes")
    return bytes(data)


async def digest(store: CloudStorageProvider, key: str) -> tuple[int, str]:
    """Return size in bytes and SHA-256 of what the store really holds. Raises NotFound or Unavailable."""
    size, sha = 0, hashlib.sha256()
    async with aclosing(cast("AsyncGenerator[bytes, None]", store.get(key))) as chunks:
        async for chunk in chunks:
            size += len(chunk)
            sha.update(chunk)
    return size, sha.hexdigest()


async def copy_verified(store: CloudStorageProvider, source: str, target: str) -> tuple[int, str]:
    """Copy one object and return size and SHA-256 of the copy. Raises NotFound or Unavailable."""
    copied: ObjectInfo = await store.copy(source, target)
    if copied.sha256 is not None:
        return copied.size_bytes, copied.sha256
    return await digest(store, target)


async def bring(
    source_store: CloudStorageProvider, source: str, store: CloudStorageProvider, target: str
) -> tuple[int, str]:
    """Bring one object into ``store``, from another store or from itself; return size and SHA-256 of what is there.

    Raises NotFound, Unavailable or Refused.
    """
    if source_store is store:
        return await copy_verified(store, source, target)
    async with aclosing(cast("AsyncGenerator[bytes, None]", source_store.get(source))) as chunks:
        stored = await store.put(target, chunks)
    if stored.sha256 is not None:
        return stored.size_bytes, stored.sha256
    return await digest(store, target)


async def chunks_of(data: bytes) -> AsyncIterator[bytes]:
    """Yield ``data`` in chunks a store accepts."""
    for start in range(0, len(data), CHUNK_BYTES):
        yield data[start : start + CHUNK_BYTES]


async def put_bytes(store: CloudStorageProvider, key: str, data: bytes, *, exclusive: bool = False) -> ObjectInfo:
    """Store ``data`` whole. Raises Unavailable, and Conflict when ``exclusive`` and the object exists."""
    return await store.put(key, chunks_of(data), exclusive=exclusive)


def parse_json(data: bytes) -> object:
    """Return the JSON value in ``data``; raises ``ValueError`` on anything a careful writer would not have written.

    ``NaN``, infinities and numbers that overflow into one are refused, as is nesting too deep to read.
    """
    try:
        return json.loads(data.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite, parse_int=_whole)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse_constant(text: str) -> NoReturn:
    raise NotFinite(f"{text} is not a number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise NotFinite(f"{text[:20]} is too large a number")
    return value


def _whole(text: str) -> int:
    if len(text) > INTEGER_DIGITS_MAX:
        raise NotFinite("a whole number with too many digits")
    return int(text)


class NotFinite(ValueError):
    """The text is JSON but for a number that is none: NaN or infinite."""
