"""S3's documents: read with or without a namespace, and never more than their bounds."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.s3 import xml

NAMESPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
PAGE = """<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult{ns}><IsTruncated>true</IsTruncated><NextContinuationToken>a+b==</NextContinuationToken>
<Contents><Key>a &amp; b/ü</Key><LastModified>2026-11-23T14:03:07.123Z</LastModified><Size>12</Size></Contents>
<Contents><Key>b</Key><LastModified>never</LastModified><Size>0</Size><Owner><ID>x</ID></Owner></Contents>
<CommonPrefixes><Prefix>c/</Prefix></CommonPrefixes></ListBucketResult>"""
BOMB = b"""<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><Error><Code>&b;</Code></Error>"""
OUTSIDE = b"""<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><Error><Code>&a;</Code></Error>"""


@pytest.mark.parametrize("namespace", ["", NAMESPACE])
def test_a_page_is_read_with_or_without_a_namespace(namespace: str) -> None:
    page = xml.read_page(PAGE.format(ns=namespace).encode())
    moment = datetime(2026, 11, 23, 14, 3, 7, 123000, UTC)
    assert page.entries == (xml.Entry("a & b/ü", 12, moment), xml.Entry("b", 0, None))
    assert page.folders == ("c/",)
    assert (page.truncated, page.token) == (True, "a+b==")


def test_a_prefixed_name_is_the_same_name() -> None:
    body = b'<s:Error xmlns:s="x"><s:Code>SlowDown</s:Code></s:Error>'
    assert xml.read_error(body).code == "SlowDown"


@pytest.mark.parametrize("body", [BOMB, OUTSIDE])
def test_document_types_and_so_entities_are_refused(body: bytes) -> None:
    assert xml.read_error(body) == xml.ErrorBody()
    with pytest.raises(xml.BadXml):
        xml.read_page(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Bad gateway</body>",
        b"<ListBucketResult>",
        b"<Error/>",
        b"<a>" * 50 + b"</a>" * 50,
        b"<ListBucketResult>" + b"<Contents/>" * (xml.ELEMENTS_MAX + 1) + b"</ListBucketResult>",
        b"<ListBucketResult><Contents><Size>1e9</Size></Contents></ListBucketResult>",
        b"<ListBucketResult><Contents><Size>-1</Size></Contents></ListBucketResult>",
        b"<ListBucketResult>" + b" " * xml.DOCUMENT_BYTES_MAX + b"</ListBucketResult>",
    ],
    ids=range(9),
)
def test_what_is_no_page_is_bad(body: bytes) -> None:
    with pytest.raises(xml.BadXml):
        xml.read_page(body)


@given(st.one_of(st.binary(max_size=200), st.text("<>/&;!ErorCde[]", max_size=60).map(str.encode)))
def test_any_error_body_can_be_read(body: bytes) -> None:
    xml.read_error(body)


def test_an_error_can_hide_under_a_good_status() -> None:
    found = xml.read_done(b"<Error><Code>InternalError</Code></Error>", "CopyObjectResult")
    assert found is not None
    assert found.code == "InternalError"
    assert xml.read_done(b"<CopyObjectResult/>", "CopyObjectResult") is None
    with pytest.raises(xml.BadXml):
        xml.read_done(b"<html/>", "CopyObjectResult")


def test_keys_of_uploads_may_begin_with_a_slash() -> None:
    body = b"""<ListMultipartUploadsResult><Upload><Key>/a/b</Key><UploadId>u</UploadId>
    <Initiated>2026-11-23T14:03:07Z</Initiated></Upload><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>"""
    page = xml.read_uploads(body)
    assert page.uploads == (xml.Upload("a/b", "u", datetime(2026, 11, 23, 14, 3, 7, tzinfo=UTC)),)


def test_parts_are_written_and_read() -> None:
    body = xml.write_parts([xml.Part(1, '"a&b"'), xml.Part(2, '"c"')])
    assert b'<PartNumber>1</PartNumber><ETag>"a&amp;b"</ETag>' in body
    listed = b"<ListPartsResult><Part><PartNumber>1</PartNumber><ETag>x</ETag><Size>5</Size></Part></ListPartsResult>"
    assert xml.read_parts(listed).parts == (xml.Part(1, "x", 5),)


@pytest.mark.parametrize(
    "text", ["Mon, 23 Nov 2026 14:03:07 GMT", "Mon, 23 Nov 2026 14:03:07 UTC", "2026-11-23T14:03:07Z"]
)
def test_dates_are_read_in_every_form_stores_write(text: str) -> None:
    assert xml.read_date(text) == datetime(2026, 11, 23, 14, 3, 7, tzinfo=UTC)


@given(st.text(max_size=40))
def test_what_is_no_date_is_none(text: str) -> None:
    found = xml.read_date(text)
    assert found is None or found.tzinfo is not None
