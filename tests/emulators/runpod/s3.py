"""The S3 endpoint of the volumes of one data centre: one synchronous core, whose only clock is ``now``.

Every quirk is that of fact sheet 5.2; every fault is a switch of ``S3Faults``.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.emulators.runpod.s3_answers import S3Error, document, edge, http_date, iso, lost, refusal, tag, text
from tests.emulators.runpod.s3_faults import S3Faults
from tests.emulators.runpod.s3_index import Index
from tests.emulators.runpod.s3_listing import Listings
from tests.emulators.runpod.s3_multipart import Multiparts
from tests.emulators.runpod.s3_objects import Objects, S3Limits, copy_source
from tests.emulators.runpod.s3_route import UPLOADING, Call, Operation, Route, check_headers, occasion, route
from tests.emulators.runpod.s3_signature import (
    Claim,
    S3Key,
    S3Keys,
    check_clock,
    check_region,
    check_signature,
    claimed,
)
from tests.emulators.runpod.volume import S3_DATA_CENTERS, Volume, Volumes
from tests.emulators.runpod.wire import Request, Response

__all__ = ["S3Faults", "S3Key", "S3Keys", "S3Limits", "VolumeS3"]

_HOST = re.compile(r"s3api-([a-z0-9-]+)\.runpod\.io(?::\d+)?")
_UNKNOWN_AGENT = "error code: 1010"


class VolumeS3:
    """``https://s3api-<dc>.runpod.io``.

    The data centre is that of the Host header; on loopback, where there is none, ``data_center``; without both, each
    volume is served as by its own endpoint.
    """

    def __init__(
        self,
        volumes: Volumes,
        keys: S3Keys,
        *,
        data_center: str | None = None,
        faults: S3Faults | None = None,
        limits: S3Limits | None = None,
    ) -> None:
        self.volumes = volumes
        self.keys = keys
        self.data_center = data_center
        self.faults = faults or S3Faults()
        self.limits = limits or S3Limits()
        index = Index()
        objects = Objects(index, self.faults, self.limits)
        listings = Listings(index, self.faults)
        parts = Multiparts(objects, self.faults, self.limits)
        self._requests = 0
        self._objects = objects
        self._works: dict[Operation, Callable[[Call], Response]] = {
            Operation.HEAD_BUCKET: lambda call: Response(200),
            Operation.LIST: listings.list,
            Operation.LIST_V2: listings.list,
            Operation.LIST_UPLOADS: parts.list_uploads,
            Operation.DELETE_MANY: _delete_many,
            Operation.GET: objects.get,
            Operation.HEAD: objects.head,
            Operation.PUT: objects.put,
            Operation.DELETE: objects.delete,
            Operation.CREATE_UPLOAD: parts.create,
            Operation.UPLOAD_PART: parts.upload_part,
            Operation.COMPLETE: parts.complete,
            Operation.ABORT: parts.abort,
            Operation.LIST_PARTS: parts.list_parts,
        }

    def handle(self, request: Request, now: float) -> Response:
        """Answer one request at ``now``, seconds since 1970."""
        asked = route(request)
        answer = self._at_edge(asked, request, now)
        if answer is None:
            try:
                answer = self._answer(asked, request, now)
            except S3Error as error:
                answer = refusal(error, request.path)
            except (FileNotFoundError, IsADirectoryError):  # A pod was quicker.
                answer = refusal(S3Error(404, "NoSuchKey", "no such key"), request.path)
        self._requests += 1
        headers = {"x-amz-request-id": f"{self._requests:016X}", "date": http_date(now), **answer.headers}
        return answer.having(headers, b"" if request.method == "HEAD" else answer.body)

    def _at_edge(self, asked: Route, request: Request, now: float) -> Response | None:
        """Return what happens before the endpoint sees a request."""
        faults, here = self.faults, occasion(asked, now)
        if faults.outage.take(here):
            return lost(faults.outage.word)
        if request.headers.get("user-agent", "").startswith("Python-urllib"):
            return edge(403, _UNKNOWN_AGENT)
        limit = self.limits.edge_body_bytes
        if len(request.body) > faults.too_large.number and faults.too_large.take(here):
            limit = int(faults.too_large.number)
        if len(request.body) > limit:
            return edge(413, "Payload too large")
        if asked.operation in UPLOADING and faults.stalled.take(here):
            return lost("hang")
        if faults.transient.take(here):
            if faults.transient.word == "403":
                return refusal(S3Error(403, "AccessDenied", "access denied"), request.path)
            return lost(faults.transient.word)
        return None

    def _answer(self, asked: Route, request: Request, now: float) -> Response:
        account = self._authenticated(asked, request, now)
        check_headers(asked, request)
        if asked.operation is Operation.LIST_BUCKETS:
            return self._list_buckets(account, request)
        volume = self._volume(asked.bucket, account, request)
        call = Call(asked.operation, volume, asked.key, asked.query, request, now)
        if asked.operation is Operation.COPY:
            bucket, key = copy_source(request.headers["x-amz-copy-source"])
            source = self.volumes.get(bucket)
            return self._objects.copy(call, None if source is None else self._volume(bucket, account, request), key)
        return self._works[asked.operation](call)

    def _authenticated(self, asked: Route, request: Request, now: float) -> str:
        """Return the account that signed. Errors: S3Error."""
        claim = claimed(request)
        key = self.keys.get(claim.access_key)
        if key is None:
            raise S3Error(403, "InvalidAccessKeyId", "there is no such access key")
        here = occasion(asked, now)
        ahead = self.faults.clock_skew.number if self.faults.clock_skew.take(here) else 0.0
        check_clock(claim, now + ahead)
        self._check_region(claim, asked, request)
        if self.faults.wrong_region.take(here):
            raise S3Error(400, "AuthorizationHeaderMalformed", f"the region '{claim.region}' is wrong")
        check_signature(request, claim, key)
        return key.account

    def _check_region(self, claim: Claim, asked: Route, request: Request) -> None:
        volume = self.volumes.get(asked.bucket)
        expected = self._data_center(request) or (volume.data_center if volume is not None else None)
        if expected is not None:
            check_region(claim, expected)
        elif claim.region.upper() not in S3_DATA_CENTERS or claim.region not in (
            claim.region.upper(),
            claim.region.lower(),
        ):
            raise S3Error(400, "AuthorizationHeaderMalformed", f"the region '{claim.region}' is wrong")

    def _data_center(self, request: Request) -> str | None:
        found = _HOST.fullmatch(request.headers.get("host", "").lower())
        return found[1].upper() if found else self.data_center

    def _volume(self, bucket: str, account: str, request: Request) -> Volume:
        """Return a volume that the caller may use here. Errors: S3Error 404, 403."""
        volume = self.volumes.get(bucket)
        here = self._data_center(request)
        if volume is None or volume.data_center not in S3_DATA_CENTERS or here not in (None, volume.data_center):
            raise S3Error(404, "NoSuchBucket", "no such bucket")
        if volume.account != account:
            raise S3Error(403, "AccessDenied", "access denied")
        return volume

    def _list_buckets(self, account: str, request: Request) -> Response:
        here = self._data_center(request) or claimed(request).region.upper()
        buckets = [
            tag("Bucket", text("Name", volume.id), text("CreationDate", iso(volume.created)))
            for volume in self.volumes.list(account)
            if volume.data_center == here
        ]
        owner = tag("Owner", text("ID", account))
        return document("ListAllMyBucketsResult", owner, tag("Buckets", *buckets))


def _delete_many(call: Call) -> Response:
    """DeleteObjects is planned only, and answers with a redirect to nowhere (fact sheet 5.2)."""
    return refusal(S3Error(307, "TemporaryRedirect", "not implemented"), call.request.path)
