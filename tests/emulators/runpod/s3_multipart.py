"""Uploads in parts. Everything lies on the volume, in the hidden area, so a restart of the endpoint loses nothing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from xml.etree import ElementTree

from tests.emulators.runpod.s3_answers import S3Error, document, iso, lost, tag, text
from tests.emulators.runpod.s3_faults import S3Faults
from tests.emulators.runpod.s3_index import joined_etag, md5
from tests.emulators.runpod.s3_listing import page_size
from tests.emulators.runpod.s3_objects import Objects, S3Limits
from tests.emulators.runpod.s3_route import Call, check_key
from tests.emulators.runpod.volume import UPLOADS, Stat, Volume
from tests.emulators.runpod.wire import Response

COMPLETE_BODY_BYTES_MAX = 2_000_000
ABOUT = "about.json"


@dataclass(frozen=True)
class _Upload:
    id: str
    key: str
    begun: float

    @property
    def folder(self) -> str:
        return f"{UPLOADS}{self.id}"


@dataclass(frozen=True)
class _Part:
    number: int
    etag: str
    path: str
    stat: Stat


class Multiparts:
    """Works on unfinished uploads."""

    def __init__(self, objects: Objects, faults: S3Faults, limits: S3Limits) -> None:
        self._objects = objects
        self._faults = faults
        self._limits = limits
        self._count = 0

    def create(self, call: Call) -> Response:
        """CreateMultipartUpload."""
        if call.key.endswith("/"):
            raise S3Error(400, "InvalidRequest", "a folder has no content")
        check_key(call.key, writing=True)
        upload = _Upload(self._free_id(call), call.key, call.now)
        about = json.dumps({"key": upload.key, "begun": upload.begun})
        call.volume.files.put(f"{upload.folder}/{ABOUT}", about.encode(), call.now)
        names = text("Bucket", call.volume.id), text("Key", f"/{call.key}"), text("UploadId", upload.id)
        return document("InitiateMultipartUploadResult", *names)

    def upload_part(self, call: Call) -> Response:
        """UploadPart; a part of the same number takes the place of an earlier one. No part is too small."""
        upload = self._upload(call)
        wanted = call.query.get("partNumber", "")
        number = int(wanted) if wanted.isascii() and wanted.isdigit() else 0
        if not 1 <= number <= self._limits.part_numbers:
            raise S3Error(400, "InvalidArgument", f"a part has a number from 1 to {self._limits.part_numbers}")
        self._objects.check_upload(call)
        etag = md5(call.request.body)
        for part in _parts(call.volume, upload):
            if part.number == number:
                call.volume.files.delete(part.path)
        call.volume.files.put(f"{upload.folder}/{number:05d}.{etag}", call.request.body, call.now)
        return Response(200, {"etag": f'"{etag}"'})

    def complete(self, call: Call) -> Response:
        """CompleteMultipartUpload: the parts that are named, in order, become the object."""
        upload = self._upload(call)
        parts = _parts(call.volume, upload)
        if self._faults.parts_lost.take(call.occasion):
            for part in parts[: int(self._faults.parts_lost.number)]:
                call.volume.files.delete(part.path)
            parts = _parts(call.volume, upload)
        chosen = _chosen(parts, _named(call.request.body))
        if sum(part.stat.size for part in chosen) > self._limits.object_bytes:
            raise S3Error(400, "EntityTooLarge", "the object is too large")
        etag = joined_etag(part.etag for part in chosen)
        path = check_key(call.key, writing=True)
        sources = [part.path for part in chosen]
        self._objects.keep(call, path, etag, lambda: call.volume.files.join(sources, path, call.now))
        _remove(call.volume, upload)
        slow = self._faults.complete_slow
        delay_s = slow.number if slow.take(call.occasion) else 0.0
        if self._faults.complete_lost.take(call.occasion):
            return lost(self._faults.complete_lost.word)
        names = text("Bucket", call.volume.id), text("Key", f"/{call.key}"), text("ETag", f'"{etag}"')
        location = text("Location", f"/{call.volume.id}/{call.key}")
        return document("CompleteMultipartUploadResult", location, *names, delay_s=delay_s)

    def abort(self, call: Call) -> Response:
        """AbortMultipartUpload: the parts are gone and their room is free."""
        _remove(call.volume, self._upload(call))
        return Response(204)

    def list_parts(self, call: Call) -> Response:
        """ListParts, in pages."""
        upload = self._upload(call)
        size = page_size(call.query.get("max-parts"))
        marker = page_size(call.query.get("part-number-marker", "0"))
        parts = [part for part in _parts(call.volume, upload) if part.number > marker]
        shown = parts[:size]
        fields = [
            text("Bucket", call.volume.id),
            text("Key", f"/{call.key}"),
            text("UploadId", upload.id),
            text("PartNumberMarker", marker),
            text("MaxParts", size),
            text("IsTruncated", len(parts) > len(shown) > 0),
        ]
        if shown:
            fields.append(text("NextPartNumberMarker", shown[-1].number))
        for part in shown:
            number, etag = text("PartNumber", part.number), text("ETag", f'"{part.etag}"')
            times = text("LastModified", iso(part.stat.mtime)), text("Size", part.stat.size)
            fields.append(tag("Part", number, *times, etag))
        return document("ListPartsResult", *fields)

    def list_uploads(self, call: Call) -> Response:
        """ListMultipartUploads, in pages, by key and id."""
        query = call.query
        prefix, size = query.get("prefix", ""), page_size(query.get("max-uploads"))
        marker = query.get("key-marker", "").removeprefix("/"), query.get("upload-id-marker", "")
        found = sorted((one.key, one.id, one) for one in _uploads(call.volume) if one.key.startswith(prefix))
        later = [one for key, upload_id, one in found if _after((key, upload_id), marker)]
        shown = later[:size]
        fields = [
            text("Bucket", call.volume.id),
            text("Prefix", prefix),
            text("KeyMarker", query.get("key-marker", "")),
            text("UploadIdMarker", marker[1]),
            text("MaxUploads", size),
            text("IsTruncated", len(later) > len(shown) > 0),
        ]
        if shown:
            fields += [text("NextKeyMarker", f"/{shown[-1].key}"), text("NextUploadIdMarker", shown[-1].id)]
        for one in shown:
            names = text("Key", f"/{one.key}"), text("UploadId", one.id)
            fields.append(tag("Upload", *names, text("Initiated", iso(one.begun)), text("StorageClass", "STANDARD")))
        return document("ListMultipartUploadsResult", *fields)

    def _free_id(self, call: Call) -> str:
        while True:
            self._count += 1
            seed = f"{call.volume.id}/{call.key}/{call.now}/{self._count}"
            name = hashlib.sha256(seed.encode()).hexdigest()[:32]
            if call.volume.files.stat(f"{UPLOADS}{name}") is None:
                return name

    def _upload(self, call: Call) -> _Upload:
        wanted = call.query.get("uploadId", "")
        upload = _read(call.volume, wanted) if wanted.isalnum() else None
        if upload is None or upload.key != call.key:
            raise S3Error(404, "NoSuchUpload", "no such upload")
        return upload


def _read(volume: Volume, upload_id: str) -> _Upload | None:
    try:
        about = json.loads(volume.files.read(f"{UPLOADS}{upload_id}/{ABOUT}"))
    except FileNotFoundError:
        return None
    return _Upload(upload_id, about["key"], about["begun"])


def _uploads(volume: Volume) -> list[_Upload]:
    names = [entry.key.split("/")[1] for entry in volume.files.walk(UPLOADS) if entry.key.endswith(f"/{ABOUT}")]
    return [upload for name in names if (upload := _read(volume, name)) is not None]


def _parts(volume: Volume, upload: _Upload) -> list[_Part]:
    parts = []
    for entry in volume.files.walk(f"{upload.folder}/"):
        number, _, etag = entry.key.removeprefix(f"{upload.folder}/").partition(".")
        if number.isdigit():
            parts.append(_Part(int(number), etag, entry.key, entry.stat))
    return parts


def _remove(volume: Volume, upload: _Upload) -> None:
    for entry in list(volume.files.walk(f"{upload.folder}/")):
        volume.files.delete(entry.key)
    volume.files.delete(upload.folder)
    volume.files.delete(UPLOADS.removesuffix("/"))


def _after(place: tuple[str, str], marker: tuple[str, str]) -> bool:
    return place > marker if marker[1] else place[0] > marker[0]


def _named(body: bytes) -> list[tuple[int, str]]:
    """Return number and ETag of every part that the client names. Errors: S3Error 400."""
    if len(body) > COMPLETE_BODY_BYTES_MAX:
        raise S3Error(400, "MalformedXML", "the list of parts is too long")
    named = []
    try:
        for part in ElementTree.fromstring(body).findall("{*}Part"):
            number, etag = part.findtext("{*}PartNumber"), part.findtext("{*}ETag")
            named.append((int(number or ""), (etag or "").strip('"')))
    except (ElementTree.ParseError, ValueError) as error:
        raise S3Error(400, "MalformedXML", "the list of parts cannot be read") from error
    if not named:
        raise S3Error(400, "MalformedXML", "the list of parts is empty")
    return named


def _chosen(parts: list[_Part], named: list[tuple[int, str]]) -> list[_Part]:
    """Return the parts that are named. Errors: S3Error 400 for one that is not there, or out of order."""
    numbers = [number for number, _ in named]
    if numbers != sorted(set(numbers)):
        raise S3Error(400, "InvalidPartOrder", "the parts are not in ascending order")
    there = {part.number: part for part in parts}
    for number, etag in named:
        if number not in there or there[number].etag != etag:
            raise S3Error(400, "InvalidPart", f"part {number} is not there, or is another one")
    return [there[number] for number in numbers]
