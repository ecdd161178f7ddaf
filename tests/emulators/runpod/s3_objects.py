"""One object: put, get, head, copy, delete (fact sheet 5.2)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import unquote

from tests.emulators.runpod.s3_answers import S3Error, document, http_date, iso, lost, text
from tests.emulators.runpod.s3_faults import S3Faults
from tests.emulators.runpod.s3_index import Index, Shown, md5
from tests.emulators.runpod.s3_route import Call, check_key
from tests.emulators.runpod.volume import Stat, Volume
from tests.emulators.runpod.wire import Response


@dataclass(frozen=True)
class S3Limits:
    """Sizes above which something is refused, in bytes (fact sheet 5.2)."""

    edge_body_bytes: int = 100_000_000
    """413 of the proxy in front; reports lie between 95 and 128 MB."""
    put_bytes: int = 500_000_000
    """One PutObject or one part."""
    object_bytes: int = 4 * 10**12
    part_numbers: int = 10_000


class Objects:
    """Works on whole objects."""

    def __init__(self, index: Index, faults: S3Faults, limits: S3Limits) -> None:
        self._index = index
        self._faults = faults
        self._limits = limits

    def put(self, call: Call) -> Response:
        """PutObject. ``If-None-Match`` is not documented, so it does nothing unless switched on."""
        path = check_key(call.key, writing=True)
        body = call.request.body
        self.check_upload(call)
        self._check_condition(call, path)
        if call.key.endswith("/"):
            if body:
                raise S3Error(400, "InvalidRequest", "a folder has no content")
            self._store(call, path, lambda: call.volume.files.make_folder(path, call.now))
            return Response(200, {"etag": f'"{md5(b"")}"'})
        etag = md5(body)
        self.keep(call, path, etag, lambda: call.volume.files.put(path, body, call.now))
        return Response(200, {"etag": f'"{etag}"'})

    def get(self, call: Call) -> Response:
        """GetObject, whole or one range. User metadata is not returned."""
        path, stat = self._file(call)
        shown = self._index.look(call.volume, path, stat)
        headers = self._headers(shown)
        part = _range(call.request.headers.get("range", ""), stat.size)
        if part is None:
            body, status = call.volume.files.read(path), 200
        elif part.start >= part.stop:
            raise S3Error(416, "InvalidRange", "no byte of this range is there")
        else:
            body, status = call.volume.files.read(path, part.start, len(part)), 206
            headers["content-range"] = f"bytes {part.start}-{part.stop - 1}/{stat.size}"
        if body and self._faults.bit_flipped.take(call.occasion):
            body = _flipped(body, self._faults.bit_flipped.number)
        cut = self._faults.cut.take(call.occasion)
        headers["content-length"] = str(len(body))
        return Response(status, headers, body, lost="cut" if cut else None)

    def head(self, call: Call) -> Response:
        """HeadObject; 400 for a bare prefix, old sizes while the volume is full (fact sheet 5.1, 5.2)."""
        path, stat = self._file(call)
        shown = self._index.look(call.volume, path, stat, stale=self._faults.full.armed(call.occasion))
        return Response(200, {**self._headers(shown), "content-length": str(shown.size)})

    def delete(self, call: Call) -> Response:
        """DeleteObject; 204 whether or not it was there. Folders above stay, and are listed once they are empty."""
        path = check_key(call.key, writing=True)
        files = call.volume.files
        stat = files.stat(path)
        if stat is not None and stat.folder == call.key.endswith("/"):
            before = self._index.look(call.volume, call.key, stat)
            if files.delete(path):
                self._index.note(call.volume, call.key, before, call.now)
        if self._faults.delete_lost.take(call.occasion):
            return lost(self._faults.delete_lost.word)
        return Response(204)

    def copy(self, call: Call, source: Volume | None, source_key: str) -> Response:
        """CopyObject from a volume that the caller may read."""
        if self._faults.copy_unsupported.take(call.occasion):
            raise S3Error(501, "NotImplemented", "CopyObject is not implemented")
        if source is None:
            raise S3Error(404, "NoSuchBucket", "no such bucket")
        source_path, stat = self._file(replace(call, volume=source, key=source_key))
        path = check_key(call.key, writing=True)
        self.check_room(call, stat.size)
        content = source.files.read(source_path)
        etag = md5(content)
        self.keep(call, path, etag, lambda: call.volume.files.put(path, content, call.now))
        return document("CopyObjectResult", text("LastModified", iso(call.now)), text("ETag", f'"{etag}"'))

    def check_upload(self, call: Call) -> None:
        """Raise S3Error if a body is too large, is not what Content-MD5 says, or does not fit."""
        body = call.request.body
        if len(body) >= self._limits.put_bytes:
            raise S3Error(400, "EntityTooLarge", f"one piece is smaller than {self._limits.put_bytes} bytes")
        if (expected := call.request.headers.get("content-md5")) is not None:
            try:
                digest = base64.b64decode(expected, validate=True)
            except binascii.Error as error:
                raise S3Error(400, "InvalidDigest", "Content-MD5 cannot be read") from error
            if digest != hashlib.md5(body, usedforsecurity=False).digest():
                raise S3Error(400, "BadDigest", "Content-MD5 is not that of the body")
        self.check_room(call, len(body))

    def check_room(self, call: Call, size: int) -> None:
        """Raise S3Error 507 if the volume is full (fact sheet 5.1, 5.2)."""
        if self._faults.full.take(call.occasion) or call.volume.free_bytes < size:
            raise S3Error(507, "QuotaExceeded", "the volume is full")

    def keep(self, call: Call, path: str, etag: str, write: Callable[[], None]) -> None:
        """Write an object, or lose some of it or all as the switches say; the client never hears of that."""
        if self._faults.vanished.take(call.occasion):
            return
        files = call.volume.files

        def written() -> None:
            write()
            if self._faults.truncated.take(call.occasion):
                stat = files.stat(path)
                size = int((stat.size if stat else 0) * self._faults.truncated.number)
                files.put(path, files.read(path, 0, size), call.now)

        self._store(call, path, written, etag)

    def _store(self, call: Call, path: str, write: Callable[[], None], etag: str | None = None) -> None:
        stat = call.volume.files.stat(path)
        before = None if stat is None else self._index.look(call.volume, call.key, stat)
        try:
            write()
        except (IsADirectoryError, NotADirectoryError) as error:
            raise S3Error(400, "InvalidRequest", "a file and a folder cannot have one name") from error
        self._index.note(call.volume, call.key, before, call.now, etag)

    def _check_condition(self, call: Call, path: str) -> None:
        if call.request.headers.get("if-none-match") == "*" and self._faults.condition_honoured.take(call.occasion):
            stat = call.volume.files.stat(path)
            if stat is not None and not stat.folder:
                raise S3Error(412, "PreconditionFailed", "the key is taken")

    def _file(self, call: Call) -> tuple[str, Stat]:
        path = check_key(call.key, writing=False)
        stat = call.volume.files.stat(path)
        if stat is not None and stat.folder:
            raise S3Error(400, "InvalidRequest", "a folder is no object")
        if stat is None or call.key.endswith("/"):
            raise S3Error(404, "NoSuchKey", "no such key")
        return path, stat

    def _headers(self, shown: Shown) -> dict[str, str]:
        return {
            "content-type": "binary/octet-stream",
            "etag": f'"{shown.etag}"',
            "last-modified": http_date(shown.mtime, "UTC"),
            "accept-ranges": "bytes",
        }


def copy_source(header: str) -> tuple[str, str]:
    """Return bucket and key of ``x-amz-copy-source``."""
    bucket, _, key = unquote(header.removeprefix("/")).partition("/")
    return bucket, key


def _range(header: str, size: int) -> range | None:
    """Return the bytes asked for; ``None`` for all, also where the header is not one plain range."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", header.strip())
    if found is None or (first := found[1]) == (last := found[2]) == "":
        return None
    if first == "":
        return range(max(0, size - int(last)), size)
    if last != "" and int(last) < int(first):
        return None
    return range(int(first), min(size, int(last) + 1) if last else size)


def _flipped(body: bytes, where: float) -> bytes:
    at = min(len(body) - 1, max(0, int(where * (len(body) - 1))))
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
