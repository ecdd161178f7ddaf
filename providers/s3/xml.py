"""S3's XML, read tolerantly and within bounds: with or without a namespace, no document types, so no entities.

Servers differ in small things (fact sheet 5.2): listings without the namespace, keys that begin with a slash, dates
in more than one form. What is missing reads as empty; what is not XML, or not the document asked for, is ``BadXml``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from xml.parsers import expat
from xml.sax.saxutils import escape

DOCUMENT_BYTES_MAX = 8 << 20
"""A page of 1,000 keys of 1 KiB, escaped, is some 4 MB."""
DEPTH_MAX = 16
ELEMENTS_MAX = 100_000
MESSAGE_CHARS_MAX = 300
"""Of what a store says about an error; the rest is cut."""


class BadXml(ValueError):
    """The answer is not the XML document it should be."""


class ErrorBody(NamedTuple):
    """What a store says about an error; empty where it says nothing."""

    code: str = ""
    message: str = ""
    region: str = ""


class Entry(NamedTuple):
    """One object of a listing."""

    key: str
    size_bytes: int
    modified: datetime | None


class Page(NamedTuple):
    """One page of a listing, as the store sent it."""

    entries: tuple[Entry, ...]
    folders: tuple[str, ...]
    """Common prefixes."""
    truncated: bool
    token: str | None


class Upload(NamedTuple):
    """One unfinished multipart upload."""

    key: str
    upload_id: str
    began: datetime | None


class UploadsPage(NamedTuple):
    """One page of unfinished uploads."""

    uploads: tuple[Upload, ...]
    truncated: bool
    key_marker: str
    id_marker: str


class Part(NamedTuple):
    """One stored part of a multipart upload."""

    number: int
    etag: str
    size_bytes: int = 0


class PartsPage(NamedTuple):
    """One page of stored parts."""

    parts: tuple[Part, ...]
    truncated: bool
    marker: str


@dataclass(slots=True)
class _Element:
    name: str
    text: str = ""
    children: list[_Element] = field(default_factory=list)

    def all(self, name: str) -> Iterator[_Element]:
        """Yield the children of this name."""
        return (child for child in self.children if child.name == name)

    def get(self, name: str) -> str:
        """Return the text of the first child of this name, or nothing."""
        for child in self.children:
            if child.name == name:
                return child.text
        return ""


def read_error(body: bytes) -> ErrorBody:
    """Return what an error body says; anything that is no such document says nothing."""
    try:
        root = _parse(body)
    except BadXml:
        return ErrorBody()
    if root.name != "Error":
        return ErrorBody()
    return ErrorBody(root.get("Code"), root.get("Message")[:MESSAGE_CHARS_MAX], root.get("Region"))


def read_page(body: bytes) -> Page:
    """Read a ListBucketResult. Raises BadXml."""
    root = _parse(body, "ListBucketResult")
    entries = tuple(
        Entry(item.get("Key"), _number(item.get("Size")), read_date(item.get("LastModified")))
        for item in root.all("Contents")
    )
    folders = tuple(item.get("Prefix") for item in root.all("CommonPrefixes"))
    return Page(entries, folders, _truncated(root), root.get("NextContinuationToken") or None)


def read_upload_id(body: bytes) -> str:
    """Read an InitiateMultipartUploadResult. Raises BadXml."""
    found = _parse(body, "InitiateMultipartUploadResult").get("UploadId")
    if not found:
        raise BadXml("the answer names no upload")
    return found


def read_uploads(body: bytes) -> UploadsPage:
    """Read a ListMultipartUploadsResult. Raises BadXml."""
    root = _parse(body, "ListMultipartUploadsResult")
    uploads = tuple(
        Upload(item.get("Key").removeprefix("/"), item.get("UploadId"), read_date(item.get("Initiated")))
        for item in root.all("Upload")
    )
    return UploadsPage(uploads, _truncated(root), root.get("NextKeyMarker"), root.get("NextUploadIdMarker"))


def read_parts(body: bytes) -> PartsPage:
    """Read a ListPartsResult. Raises BadXml."""
    root = _parse(body, "ListPartsResult")
    parts = tuple(
        Part(_number(item.get("PartNumber")), item.get("ETag"), _number(item.get("Size"))) for item in root.all("Part")
    )
    return PartsPage(parts, _truncated(root), root.get("NextPartNumberMarker"))


def read_done(body: bytes, name: str) -> ErrorBody | None:
    """Return None when ``body`` is the document ``name``, or the error that came under a good status.

    Complete and copy answer 200 before their work is done, so an error can follow. Raises BadXml.
    """
    root = _parse(body)
    if root.name == "Error":
        return read_error(body)
    if root.name != name:
        raise BadXml(f"the answer is no {name}")
    return None


def write_parts(parts: Sequence[Part]) -> bytes:
    """Write the body of CompleteMultipartUpload."""
    lines = "".join(
        f"<Part><PartNumber>{part.number}</PartNumber><ETag>{escape(part.etag)}</ETag></Part>" for part in parts
    )
    name = "CompleteMultipartUpload"
    return f'<{name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{lines}</{name}>'.encode()


def read_date(text: str) -> datetime | None:
    """Return the time in a header or document, or None for what is none. ``UTC`` stands for ``GMT`` in some stores."""
    try:
        found = datetime.fromisoformat(text) if text[:4].isdigit() else parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise BadXml("a number in the answer is none")
    return int(text)


def _truncated(root: _Element) -> bool:
    return root.get("IsTruncated").strip().lower() == "true"


def _parse(body: bytes, name: str | None = None) -> _Element:
    if len(body) > DOCUMENT_BYTES_MAX:
        raise BadXml(f"the answer has more than {DOCUMENT_BYTES_MAX} bytes")
    builder = _Builder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.begin
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = builder.refuse
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise BadXml("the answer is not XML") from error
    root = builder.top.children[0]
    if name is not None and root.name != name:
        raise BadXml(f"the answer is no {name}")
    return root


class _Builder:
    """Builds elements within the bounds; a document type, the only way to entities, is refused."""

    def __init__(self) -> None:
        self.top = _Element("")
        self._path = [self.top]
        self._count = 0

    def begin(self, name: str, _attributes: object) -> None:
        self._count += 1
        if self._count > ELEMENTS_MAX or len(self._path) > DEPTH_MAX:
            raise BadXml("the answer has too many elements, or too deep ones")
        element = _Element(name.rpartition(":")[2])
        self._path[-1].children.append(element)
        self._path.append(element)

    def end(self, _name: str) -> None:
        self._path.pop()

    def data(self, text: str) -> None:
        self._path[-1].text += text

    def refuse(self, *_doctype: object) -> None:
        raise BadXml("the answer has a document type")
