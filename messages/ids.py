"""Ids: a prefix that names the kind, and exactly ten characters of lower-case base32 (50 bits).

Only generated ids enter storage keys and machine names; what users call things are labels. The id of what a
command causes derives from the command's id, so handling a command twice lands on the same streams.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any, ClassVar, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
ID_CHARS = 10


def base32(data: bytes, chars: int) -> str:
    """Return the first ``chars`` lower-case base32 characters (RFC 4648 alphabet) of ``data``."""
    return base64.b32encode(data).decode("ascii").lower()[:chars]


class Id(str):
    """A checked id. ``JobId("job_…")`` raises ``ValueError`` on anything that is not one."""

    __slots__ = ()
    prefix: ClassVar[str] = ""
    _pattern: ClassVar[re.Pattern[str]]

    def __init_subclass__(cls) -> None:
        cls._pattern = re.compile(rf"{cls.prefix}_[a-z2-7]{{{ID_CHARS}}}")

    def __new__(cls, value: str) -> Self:
        """Check ``value``; raises ``ValueError`` when it is not such an id."""
        if not cls._pattern.fullmatch(value):
            raise ValueError(f"{value[:40]!r} is not an id of the form {cls.prefix}_ and {ID_CHARS} of a-z, 2-7")
        return super().__new__(cls, value)

    @property
    def tail(self) -> str:
        """The ten characters after the prefix."""
        return self[-ID_CHARS:]

    @classmethod
    def random(cls, entropy: bytes) -> Self:
        """Make an id from at least seven random bytes."""
        return cls(f"{cls.prefix}_{base32(entropy, ID_CHARS)}")

    @classmethod
    def derived(cls, *parts: str) -> Self:
        """Make the id that follows from ``parts``: the same parts give the same id, for ever."""
        digest = hashlib.sha256("\0".join((cls.prefix, *parts)).encode()).digest()
        return cls(f"{cls.prefix}_{base32(digest, ID_CHARS)}")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            cls, core_schema.str_schema(), serialization=core_schema.to_string_ser_schema()
        )


class JobId(Id):
    """A job: what a user asked for."""

    __slots__ = ()
    prefix = "job"


class ModelId(Id):
    """A trained model."""

    __slots__ = ()
    prefix = "mdl"


class DatasetId(Id):
    """A data set."""

    __slots__ = ()
    prefix = "ds"


class UserId(Id):
    """A person. A command line uid and a Telegram id can link to the same one."""

    __slots__ = ()
    prefix = "usr"


class PredictionId(Id):
    """A prediction."""

    __slots__ = ()
    prefix = "prd"


_COMMAND = re.compile(r"(tg:[0-9]{1,20}:[0-9]{1,20}|api:[0-9]{1,10}:[\x21-\x7e]{1,128}|sys:[\x21-\x7e]{1,128})")


class CommandId(str):
    """The id of a command, chosen by its sender: ``tg:<bot>:<update>``, ``api:<uid>:<key>`` or ``sys:…``."""

    __slots__ = ()

    def __new__(cls, value: str) -> Self:
        """Check ``value``; raises ``ValueError`` when it is not a command id."""
        if not _COMMAND.fullmatch(value):
            raise ValueError(f"{value[:60]!r} is not a command id (tg:…, api:<uid>:<key> or sys:…)")
        return super().__new__(cls, value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            cls, core_schema.str_schema(), serialization=core_schema.to_string_ser_schema()
        )


def label(stem: str, tail: str) -> str:
    """Return the name people read, such as ``churn-7f3``: a cleaned stem and three characters of the id."""
    clean = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:24] or "job"
    return f"{clean}-{tail[:3]}"
