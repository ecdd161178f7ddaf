"""Which operation a request asks for. What the platform does not list is not implemented (fact sheet 5.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote

from tests.emulators.runpod.s3_answers import S3Error
from tests.emulators.runpod.s3_switch import Occasion
from tests.emulators.runpod.volume import UPLOADS, Volume, check_path
from tests.emulators.runpod.wire import Request


class Operation(StrEnum):
    """What can be asked of the endpoint."""

    LIST_BUCKETS = "ListBuckets"
    HEAD_BUCKET = "HeadBucket"
    LIST = "ListObjects"
    LIST_V2 = "ListObjectsV2"
    LIST_UPLOADS = "ListMultipartUploads"
    DELETE_MANY = "DeleteObjects"
    GET = "GetObject"
    HEAD = "HeadObject"
    PUT = "PutObject"
    COPY = "CopyObject"
    DELETE = "DeleteObject"
    CREATE_UPLOAD = "CreateMultipartUpload"
    UPLOAD_PART = "UploadPart"
    COMPLETE = "CompleteMultipartUpload"
    ABORT = "AbortMultipartUpload"
    LIST_PARTS = "ListParts"
    UNKNOWN = "Unknown"


UPLOADING = (Operation.PUT, Operation.UPLOAD_PART)
LISTING = (Operation.LIST, Operation.LIST_V2)

_LIST = {"prefix", "delimiter", "max-keys", "encoding-type"}
_QUERY: dict[Operation, set[str]] = {
    Operation.LIST: _LIST | {"marker"},
    Operation.LIST_V2: _LIST | {"list-type", "continuation-token", "start-after", "fetch-owner"},
    Operation.LIST_UPLOADS: {"uploads", "prefix", "max-uploads", "key-marker", "upload-id-marker", "encoding-type"},
    Operation.DELETE_MANY: {"delete"},
    Operation.CREATE_UPLOAD: {"uploads"},
    Operation.UPLOAD_PART: {"partNumber", "uploadId"},
    Operation.COMPLETE: {"uploadId"},
    Operation.ABORT: {"uploadId"},
    Operation.LIST_PARTS: {"uploadId", "max-parts", "part-number-marker"},
}
"""What each may have in its query; any other name means another operation."""
_HEADERS_REFUSED = ("x-amz-acl", "x-amz-grant-")
_HEADERS_UNKNOWN = ("x-amz-tagging", "x-amz-server-side-encryption", "x-amz-object-lock-", "x-amz-trailer")


@dataclass(slots=True)
class Route:
    """One request, understood."""

    operation: Operation
    bucket: str
    key: str
    query: Mapping[str, str]


@dataclass(slots=True)
class Call:
    """One request of somebody who may make it."""

    operation: Operation
    volume: Volume
    key: str
    query: Mapping[str, str]
    request: Request
    now: float

    @property
    def occasion(self) -> Occasion:
        """Return where a fault could act."""
        return Occasion(self.now, self.operation, self.key or self.query.get("prefix", ""))


def occasion(route: Route, now: float) -> Occasion:
    """Return where a fault could act; the key of a list is its prefix."""
    return Occasion(now, route.operation, route.key or route.query.get("prefix", ""))


def route(request: Request) -> Route:
    """Return what a request asks for; never raises."""
    bucket, _, key = unquote(request.path.removeprefix("/"), errors="replace").partition("/")
    query: dict[str, str] = {}
    for part in request.query.split("&") if request.query else []:
        name, _, value = part.partition("=")
        query[unquote(name)] = unquote(value)
    query.pop("x-id", None)
    return Route(_operation(request, bucket, key, query), bucket, key, query)


def _operation(request: Request, bucket: str, key: str, query: Mapping[str, str]) -> Operation:
    if not bucket:
        found = {"GET": Operation.LIST_BUCKETS}.get(request.method)
    elif not key:
        found = _of_bucket(request.method, query)
    else:
        found = _of_object(request, query)
    if found is None or not query.keys() <= _QUERY.get(found, set()):
        return Operation.UNKNOWN
    return found


def _of_bucket(method: str, query: Mapping[str, str]) -> Operation | None:
    if method == "GET":
        if "uploads" in query:
            return Operation.LIST_UPLOADS
        return Operation.LIST_V2 if query.get("list-type") == "2" else Operation.LIST
    if method == "POST" and "delete" in query:
        return Operation.DELETE_MANY
    return Operation.HEAD_BUCKET if method == "HEAD" else None


def _of_object(request: Request, query: Mapping[str, str]) -> Operation | None:
    upload = "uploadId" in query
    if request.method == "PUT":
        if "x-amz-copy-source" in request.headers:
            return Operation.COPY
        return Operation.UPLOAD_PART if upload else Operation.PUT
    if request.method == "POST":
        return Operation.COMPLETE if upload else Operation.CREATE_UPLOAD if "uploads" in query else None
    plain = {"GET": Operation.GET, "HEAD": Operation.HEAD, "DELETE": Operation.DELETE}
    of_upload = {"GET": Operation.LIST_PARTS, "DELETE": Operation.ABORT}
    return (of_upload if upload else plain).get(request.method)


def check_headers(route: Route, request: Request) -> None:
    """Raise S3Error for what the endpoint does not know: ACLs, tags, encryption, locks, chunks."""
    for name in request.headers:
        if not name.startswith("x-amz-"):
            continue
        if name.startswith(_HEADERS_REFUSED) and request.method in ("PUT", "POST"):
            raise S3Error(400, "InvalidRequest", f"{name} is not supported")
        if name.startswith(_HEADERS_UNKNOWN):
            raise S3Error(501, "NotImplemented", f"{name} is not implemented")
    if "aws-chunked" in request.headers.get("content-encoding", ""):
        raise S3Error(501, "NotImplemented", "aws-chunked is not implemented")
    if route.operation is Operation.UNKNOWN:
        raise S3Error(501, "NotImplemented", "not implemented")


def check_key(key: str, *, writing: bool) -> str:
    """Return a key's path. Errors: S3Error 400 for one that is no path; 404 or 403 for one in the hidden area."""
    try:
        check_path(key.removesuffix("/"))
    except ValueError as error:
        raise S3Error(400, "InvalidArgument", str(error)) from error
    if key.startswith(UPLOADS) or f"{key}/" == UPLOADS:
        raise S3Error(403, "AccessDenied", "reserved") if writing else S3Error(404, "NoSuchKey", "no such key")
    return key.removesuffix("/")
