"""What an S3 store refuses, as types: the caller and ``doctor`` tell them apart without reading a text."""

from __future__ import annotations

from providers.interface import NotFound, Refused, StorageFull, Unavailable

__all__ = [
    "BadRequest",
    "ClockWrong",
    "Denied",
    "KeyWrong",
    "NoUpload",
    "NotOffered",
    "RegionWrong",
    "Replaced",
    "StorageFull",
    "TooLarge",
    "Unclear",
]


class ClockWrong(Refused):
    """This computer's clock is too far from the store's, so no signature holds. The key may be good."""


class RegionWrong(Refused):
    """The request was signed for another region than the store's."""


class KeyWrong(Refused):
    """The store does not know the access key, or the secret does not belong to it."""


class TooLarge(Refused):
    """The store takes no body of this size in one request."""


class NotOffered(Refused):
    """The store does not have this call."""


class NoUpload(NotFound):
    """The multipart upload is unknown: it was completed, aborted, or lost."""


class Denied(Refused):
    """The store denied the call and gave no better reason. Some stores say so in passing (fact sheet 5.2)."""


class Unclear(Unavailable):
    """No answer came from the store itself: what was asked may have happened, or may be going on."""


class Replaced(Unavailable):
    """The object became another one while it was read; reading it from the beginning helps."""


class BadRequest(Refused):
    """400 without a reason that is known here. Stores with folders answer so where a folder has the key's name."""
