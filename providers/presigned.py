"""Addresses that let others up to a store or down from it for a while, without a key: an ability some stores have."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from pydantic import Field

from messages.base import Instant, Record


class PresignedGet(Record):
    """An address that reads one object; a secret for as long as it holds."""

    url: str = Field(repr=False)
    expires: Instant


class PresignedPost(Record):
    """A form that uploads one object: its fields go before the file, as ``multipart/form-data``."""

    url: str
    fields: dict[str, str] = Field(repr=False)
    expires: Instant
    bytes_max: int
    """What is longer is refused by the store itself."""


@runtime_checkable
class Presigns(Protocol):
    """Optional: the store lets whoever has an address read or write one object, without a key."""

    async def presigned_get(self, key: str, limit_s: int) -> PresignedGet:
        """Return an address that reads ``key`` for ``limit_s`` seconds. Raises Refused or Unavailable."""
        ...

    async def presigned_post(self, key: str, limit_s: int, bytes_max: int) -> PresignedPost:
        """Return a form that uploads ``key``, of at most ``bytes_max``, for ``limit_s`` seconds."""
        ...
