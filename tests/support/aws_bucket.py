"""S3 in virtual time: one bucket of the emulated AWS, stricter than our buckets' policy.

The engine is the one of the other emulator's volumes; what differs is here: regions, encryption headers, which we send
with every call that makes an object and a part cannot carry, and conditional writes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tests.emulators.common.wire import Response
from tests.emulators.runpod.s3 import S3Key, S3Keys, S3Limits, VolumeS3
from tests.emulators.runpod.s3_answers import S3Error
from tests.emulators.runpod.s3_route import Operation, Route
from tests.emulators.runpod.s3_signature import Claim, check_region
from tests.emulators.runpod.volume import Files, MemoryFiles, Volume, Volumes
from tests.emulators.runpod.wire import Request, Surface

ENCRYPTION: Final = "x-amz-server-side-encryption"
MAKING: Final = (Operation.PUT, Operation.COPY, Operation.CREATE_UPLOAD)
SIZE_GB: Final = 1_000


class FlatFiles(MemoryFiles):
    """Objects without folders: a key may begin with another one."""

    def _make_parents(self, path: str, now: float) -> None:
        return


class AwsBucket(VolumeS3):
    """``https://<bucket>.s3.<region>.amazonaws.com`` and ``https://s3.<region>.amazonaws.com/<bucket>``."""

    def __init__(
        self,
        name: str,
        access: str,
        secret: str,
        account: str,
        region: str,
        files: Files | None = None,
        *,
        owner: str | None = None,
    ) -> None:
        """``owner`` is whose bucket it is, where that is not the key's account."""
        volumes = Volumes()
        volumes.add(Volume(name, owner or account, region, SIZE_GB, files or FlatFiles()))
        limits = S3Limits(edge_body_bytes=5 << 30, put_bytes=5 << 30)
        super().__init__(volumes, S3Keys([S3Key(access, secret, account)]), limits=limits)
        self.name = name
        self.region = region
        self.faults.condition_honoured.left = None
        self._trusted: str | None = None
        self._sent: Request | None = None

    def handle_aws(
        self, method: str, path: str, query: str, headers: dict[str, str], body: bytes, now: float
    ) -> Response:
        """Answer one request of the wire; the bucket may stand in its host."""
        self._sent = Request(Surface.S3, method, path, query, headers, body)
        named = path if headers.get("host", "").startswith("s3.") else f"/{self.name}{path}"
        return self.handle(replace(self._sent, path=named), now)

    def _answer(self, asked: Route, request: Request, now: float) -> Response:
        """Check the signature over all headers, then leave out those the engine does not know."""
        self._trusted = None
        self._trusted = self._authenticated(asked, request, now)
        try:
            if asked.operation in MAKING and request.headers.get(ENCRYPTION) not in ("AES256", "aws:kms"):
                raise S3Error(403, "AccessDenied", "an explicit deny in a resource-based policy")
            if asked.operation is Operation.COMPLETE and request.headers.get("if-none-match") == "*":
                self._refuse_taken(asked)
            kept = {name: value for name, value in request.headers.items() if not name.startswith(ENCRYPTION)}
            return super()._answer(asked, replace(request, headers=kept), now)
        finally:
            self._trusted = None

    def _refuse_taken(self, asked: Route) -> None:
        volume = self.volumes.get(asked.bucket)
        stat = volume.files.stat(asked.key) if volume is not None else None
        if stat is not None and not stat.folder:
            raise S3Error(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")

    def _authenticated(self, asked: Route, request: Request, now: float) -> str:
        return self._trusted or super()._authenticated(asked, self._sent or request, now)

    def _check_region(self, claim: Claim, asked: Route, request: Request) -> None:
        check_region(claim, self.region)

    def _volume(self, bucket: str, account: str, request: Request) -> Volume:
        volume = self.volumes.get(bucket)
        if volume is None:
            raise S3Error(404, "NoSuchBucket", "The specified bucket does not exist")
        if volume.account != account:
            raise S3Error(403, "AccessDenied", "Access Denied")
        return volume
