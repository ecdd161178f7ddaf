"""Answers that are no success, as types."""

from __future__ import annotations

import pytest

from providers.interface import Conflict, NotFound, ProviderError, Refused, Unavailable
from providers.s3.errors import BadRequest, Denied, KeyWrong, NotOffered, RegionWrong, StorageFull, TooLarge, Unclear
from providers.s3.faults import RETRY_AFTER_MAX_S, fault_of


def error(code: str, **more: str) -> bytes:
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in more.items())
    return f"<Error><Code>{code}</Code>{inner}</Error>".encode()


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (404, b"", NotFound),
        (404, error("NoSuchBucket"), Refused),
        (403, b"", Denied),
        (403, error("InvalidAccessKeyId"), KeyWrong),
        (400, error("AuthorizationHeaderMalformed", Region="eu-west-1"), RegionWrong),
        (301, b"", RegionWrong),
        (307, error("TemporaryRedirect"), Refused),
        (507, b"<html>", StorageFull),
        (413, b"<html>too large</html>", TooLarge),
        (501, error("NotImplemented"), NotOffered),
        (412, b"", Conflict),
        (400, error("Whatever"), BadRequest),
        (418, b"", Refused),
        (503, error("SlowDown"), Unavailable),
        (400, error("RequestTimeout"), Unavailable),
        (429, b"", Unavailable),
        (500, b"", Unavailable),
        (200, error("InternalError"), Unavailable),
        (502, b"<html>", Unclear),
        (524, b"", Unclear),
    ],
)
def test_each_answer_has_its_type(status: int, body: bytes, expected: type[ProviderError]) -> None:
    assert type(fault_of("put", status, {}, body)) is expected


def test_the_wait_a_store_asks_for_is_told_within_bounds() -> None:
    for text, expected in (("7", 7.0), ("100000", RETRY_AFTER_MAX_S), ("soon", 5.0), ("", 5.0)):
        fault = fault_of("put", 503, {"retry-after": text})
        assert isinstance(fault, Unavailable)
        assert fault.retry_after_s == expected


def test_the_right_region_is_told_where_the_store_names_it() -> None:
    assert "'eu-west-1'" in str(fault_of("put", 400, {}, error("AuthorizationHeaderMalformed", Region="eu-west-1")))


def test_what_a_store_says_cannot_write_to_a_terminal() -> None:
    text = str(fault_of("put", 418, {}, error("x", Message="\n&#x9b;31m")))
    assert text.isprintable()
