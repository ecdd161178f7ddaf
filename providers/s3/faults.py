"""What an answer that is no success means: one plain function from status and body to an error of the interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from providers.interface import Conflict, NotFound, ProviderError, Refused, Unavailable
from providers.s3.errors import (
    BadRequest,
    ClockWrong,
    Denied,
    KeyWrong,
    NotOffered,
    NoUpload,
    RegionWrong,
    StorageFull,
    TooLarge,
    Unclear,
)
from providers.s3.xml import ErrorBody, read_error

RETRY_AFTER_S = 5.0
RETRY_AFTER_MAX_S = 60.0
"""A store that asks for a longer wait is asked again after this one."""

_BY_CODE: Mapping[str, tuple[Callable[[str], ProviderError], str]] = {
    "NoSuchUpload": (NoUpload, "the store does not know the upload"),
    "NoSuchKey": (NotFound, "no such object"),
    "NoSuchBucket": (Refused, "the store has no such bucket or volume"),
    "RequestTimeTooSkewed": (ClockWrong, "the clock of this computer differs too much from the store's; set the clock"),
    "RequestExpired": (ClockWrong, "the clock of this computer differs too much from the store's; set the clock"),
    "AuthorizationHeaderMalformed": (RegionWrong, "the region is wrong for this store"),
    "PermanentRedirect": (RegionWrong, "the region is wrong for this bucket"),
    "IllegalLocationConstraintException": (RegionWrong, "the region is wrong for this bucket"),
    "InvalidRegion": (RegionWrong, "the region is wrong for this store"),
    "InvalidAccessKeyId": (KeyWrong, "the store does not know the access key"),
    "SignatureDoesNotMatch": (KeyWrong, "the secret does not belong to the access key"),
    "AccessDenied": (Denied, "the store denied it"),
    "QuotaExceeded": (StorageFull, "the volume is full"),
    "InsufficientStorage": (StorageFull, "the volume is full"),
    "InsufficientCapacity": (StorageFull, "the volume is full"),
    "EntityTooLarge": (TooLarge, "the store takes no body of this size"),
    "NotImplemented": (NotOffered, "the store does not offer this call"),
    "MethodNotAllowed": (NotOffered, "the store does not offer this call"),
    "ExpiredToken": (KeyWrong, "the credentials have expired"),
    "InvalidToken": (KeyWrong, "the credentials do not hold"),
    "BucketAlreadyOwnedByYou": (Conflict, "the bucket exists"),
    "BucketAlreadyExists": (Refused, "the bucket's name is taken by somebody else"),
    "PreconditionFailed": (Conflict, "the object exists"),
}
_BY_STATUS: Mapping[int, tuple[Callable[[str], ProviderError], str]] = {
    301: (RegionWrong, "the region is wrong for this bucket"),
    403: (Denied, "the store denied it"),
    404: (NotFound, "no such object"),
    405: (NotOffered, "the store does not offer this call"),
    412: (Conflict, "the object exists"),
    413: (TooLarge, "the store takes no body of this size"),
    501: (NotOffered, "the store does not offer this call"),
    507: (StorageFull, "the volume is full"),
}
_BUSY_CODES = ("SlowDown", "InternalError", "RequestTimeout", "ServiceUnavailable", "InvalidPart")
"""Worth another try: of the last, some stores lose parts and find them again (fact sheet 5.2)."""
_BUSY_STATUS = (408, 409, 425, 429)
_EDGE_STATUS = (408, 502, 504, *range(520, 530))
"""From a proxy that lost sight of the store."""


def fault_of(what: str, status: int, headers: Mapping[str, str], body: bytes = b"") -> ProviderError:
    """Return what an answer means for the caller; ``what`` names the call in words. The code goes before the status."""
    said = read_error(body)
    return _typed(what, said, status) or _plain(what, said, status, headers)


def _typed(what: str, said: ErrorBody, status: int) -> ProviderError | None:
    if said.code in _BUSY_CODES:
        return None
    found = _BY_CODE.get(said.code) or _BY_STATUS.get(status)
    if found is None:
        return None
    make, why = found
    if make is RegionWrong and said.region:
        why = f"{why}; it is in {said.region[:64]!a}"
    return make(f"{what}: {why} ({said.code[:64] or status})")


def _plain(what: str, said: ErrorBody, status: int, headers: Mapping[str, str]) -> ProviderError:
    if status >= 500 or status in _BUSY_STATUS or said.code in _BUSY_CODES or status < 300:
        make = Unclear if status in _EDGE_STATUS else Unavailable
        return make(f"{what}: the store answered {status} {said.code[:64]}".rstrip(), retry_after_s(headers))
    if status < 400:
        return Refused(f"{what}: the store redirects elsewhere ({status}), and no key is sent on")
    why = f"{said.code[:64]} {said.message}".strip() or "no reason given"
    make_refusal = BadRequest if status == 400 else Refused
    return make_refusal(f"{what}: the store refused with {status}: {why!a}")


def retry_after_s(headers: Mapping[str, str], default: float = RETRY_AFTER_S) -> float:
    """Return the wait a store asks for, within bounds, or ``default``."""
    text = headers.get("retry-after", "")
    if text.isascii() and text.isdigit() and len(text) < 10:
        return min(float(text), RETRY_AFTER_MAX_S)
    return default
