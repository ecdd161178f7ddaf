"""A large file's way into the bucket: in parts, each tried again, and taken back when it cannot be finished.

One PUT takes 5 GB, a broken one begins anew. What a machine that is killed leaves of an upload the bucket's lifecycle
takes away ("Aborting incomplete multipart uploads").
"""

from __future__ import annotations

import contextlib
import html
import re
import time
import urllib.parse
from collections.abc import Iterator
from typing import IO, NamedTuple

from containers.job.bucket import CHUNK, READ_S, WRITE_S, Bucket, whole

PARTS_FROM_BYTES = 256 << 20
"""Smaller files go in one piece."""
PART_BYTES = 64 << 20
PARTS_MAX = 9_000
"""S3 takes 10,000."""
TRIES_MAX = 4
"""Of one part."""
RETRY_S = 1.0
COMPLETE_S = 600.0
"""S3 may take minutes to put the parts together ("CompleteMultipartUpload")."""
_UPLOAD = re.compile(r"<UploadId>([^<]+)</UploadId>")


class _Part(NamedTuple):
    number: int
    start: int
    size: int


class _Slice:
    """A part of an open file, as urllib sends one."""

    def __init__(self, file: IO[bytes], part: _Part) -> None:
        file.seek(part.start)
        self._file = file
        self._left = part.size

    def read(self, size: int = -1) -> bytes:
        """Return some of what is left. Raises OSError where the file has become shorter."""
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        if not data and self._left:
            raise OSError("the file became shorter while it was sent")
        self._left -= len(data)
        return data


def write_in_parts(bucket: Bucket, key: str, file: IO[bytes], size: int) -> None:
    """Store a file of ``size`` bytes. Raises OSError, and nothing of it stays then but where that cannot be said."""
    upload = _begin(bucket, key)
    try:
        tags = [_send(bucket, key, upload, file, part) for part in _parts(size)]
        _complete(bucket, key, upload, tags, size)
    except BaseException:
        with contextlib.suppress(OSError):
            bucket.call("DELETE", key, {}, None, READ_S, query=_query(uploadId=upload)).close()
        raise


def _parts(size: int) -> Iterator[_Part]:
    step = max(PART_BYTES, -(-size // PARTS_MAX))
    for number, start in enumerate(range(0, max(size, 1), step), 1):
        yield _Part(number, start, min(step, size - start))


def _begin(bucket: Bucket, key: str) -> str:
    with bucket.call("POST", key, dict(bucket.encryption), b"", READ_S, 0, "uploads=") as answer:
        found = _UPLOAD.search(whole(answer, CHUNK).decode("utf-8", "replace"))
    if found is None:
        raise OSError("S3 began no upload")
    return html.unescape(found[1])


def _send(bucket: Bucket, key: str, upload: str, file: IO[bytes], part: _Part) -> str:
    """Send one part and return its tag. Raises OSError after the last try."""
    query = _query(partNumber=str(part.number), uploadId=upload)
    tries = 0
    while True:
        try:
            with bucket.call("PUT", key, {}, _Slice(file, part), WRITE_S, part.size, query) as answer:
                return str(answer.headers["etag"] or "")
        except OSError:
            tries += 1
            if tries >= TRIES_MAX:
                raise
        time.sleep(RETRY_S)


def _complete(bucket: Bucket, key: str, upload: str, tags: list[str], size: int) -> None:
    """Put the parts together. An answer may be lost, and an error may come with a good status."""
    lines = [
        f"<Part><PartNumber>{number}</PartNumber><ETag>{html.escape(tag)}</ETag></Part>"
        for number, tag in enumerate(tags, 1)
    ]
    body = ("<CompleteMultipartUpload>" + "".join(lines) + "</CompleteMultipartUpload>").encode()
    try:
        with bucket.call("POST", key, {}, body, COMPLETE_S, len(body), _query(uploadId=upload)) as answer:
            said = whole(answer, CHUNK)
        if b"<CompleteMultipartUploadResult" in said:
            return
    except OSError:
        if _size(bucket, key) != size:
            raise
        return
    if _size(bucket, key) != size:
        raise OSError("S3 did not put the parts together")


def _size(bucket: Bucket, key: str) -> int | None:
    try:
        with bucket.call("HEAD", key, {}, None, READ_S) as answer:
            return int(answer.headers.get("content-length") or -1)
    except FileNotFoundError:
        return None


def _query(**values: str) -> str:
    return "&".join(f"{name}={urllib.parse.quote(value, safe='-_.~')}" for name, value in sorted(values.items()))
