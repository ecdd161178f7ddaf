"""A volume with its S3 endpoint, and a client that signs with botocore: not with the emulator's own code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.emulators.runpod.s3 import S3Key, S3Keys, S3Limits, VolumeS3
from tests.emulators.runpod.volume import Files, MemoryFiles, Volume, Volumes
from tests.emulators.runpod.wire import Request, Response, Surface

START = 1_790_000_000.0
MINE = S3Key("user_mine", "rps_mine", "account-1")
THEIRS = S3Key("user_theirs", "rps_theirs", "account-2")
HOST = "s3api-eu-ro-1.runpod.io"
REGION = "EU-RO-1"


@dataclass
class Bench:
    """One account's volume ``vol1`` of 1 GB, a foreign one ``vol2`` and one elsewhere ``vol3``."""

    files: Files = field(default_factory=MemoryFiles)
    limits: S3Limits = field(default_factory=S3Limits)
    now: float = START
    host: str = HOST
    key: S3Key = MINE
    region: str = REGION

    def __post_init__(self) -> None:
        self.volumes = Volumes()
        self.volumes.add(Volume("vol1", MINE.account, REGION, 1, self.files, created=START))
        self.volumes.add(Volume("vol2", THEIRS.account, REGION, 1, MemoryFiles()))
        self.volumes.add(Volume("vol3", MINE.account, "US-KS-2", 1, MemoryFiles()))
        self.volumes.add(Volume("vol4", MINE.account, "OC-AU-1", 1, MemoryFiles()))
        self.s3 = VolumeS3(self.volumes, S3Keys([MINE, THEIRS]), limits=self.limits)
        self.faults = self.s3.faults

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Request:
        """Return a signed request; ``path`` is not encoded yet."""
        spelled, asked = quote(path, safe="/-_.~"), urlencode(query or {}, quote_via=quote)
        given = {"host": self.host, "user-agent": "test", **(headers or {})}
        url = f"https://{self.host}{spelled}{'?' if asked else ''}{asked}"
        signed = AWSRequest(method, url, headers=dict(given), data=body)
        signer = S3SigV4Auth(Credentials(self.key.access_key, self.key.secret), "s3", self.region)
        if "x-amz-content-sha256" in given:
            signer.payload = lambda _: given["x-amz-content-sha256"]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("botocore.auth.get_current_datetime", self._moment)
            signer.add_auth(signed)
        lower = {name.lower(): str(value) for name, value in signed.headers.items()}
        return Request(Surface.S3, method, spelled, asked, lower, body)

    def _moment(self, remove_tzinfo: bool = True) -> datetime:
        moment = datetime.fromtimestamp(self.now, UTC)
        return moment.replace(tzinfo=None) if remove_tzinfo else moment

    def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Sign and send."""
        return self.s3.handle(self.request(method, path, query, body, headers), self.now)

    def put(self, key: str, body: bytes = b"x", **headers: str) -> Response:
        """PutObject."""
        return self.send("PUT", f"/vol1/{key}", None, body, {k.replace("_", "-"): v for k, v in headers.items()})

    def get(self, key: str, **headers: str) -> Response:
        """GetObject."""
        return self.send("GET", f"/vol1/{key}", headers=headers)

    def head(self, key: str) -> Response:
        """HeadObject."""
        return self.send("HEAD", f"/vol1/{key}")

    def list(self, **query: str) -> Response:
        """ListObjectsV2; underscores stand for dashes."""
        return self.send("GET", "/vol1", {"list-type": "2", **{k.replace("_", "-"): v for k, v in query.items()}})

    def begin(self, key: str) -> str:
        """CreateMultipartUpload; returns the id."""
        return texts(self.send("POST", f"/vol1/{key}", {"uploads": ""}), "UploadId")[0]

    def part(self, key: str, upload: str, number: int, body: bytes) -> str:
        """UploadPart; returns the ETag."""
        answer = self.send("PUT", f"/vol1/{key}", {"partNumber": str(number), "uploadId": upload}, body)
        assert answer.status == 200, answer.body
        return answer.headers["etag"]

    def finish(self, key: str, upload: str, parts: Mapping[int, str]) -> Response:
        """CompleteMultipartUpload."""
        inner = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>" for number, etag in parts.items()
        )
        body = f"<CompleteMultipartUpload>{inner}</CompleteMultipartUpload>".encode()
        return self.send("POST", f"/vol1/{key}", {"uploadId": upload}, body)

    def uploaded(self, key: str, *contents: bytes) -> Response:
        """Upload in parts, whole."""
        upload = self.begin(key)
        parts = {number: self.part(key, upload, number, body) for number, body in enumerate(contents, 1)}
        return self.finish(key, upload, parts)


def texts(answer: Response, name: str) -> list[str]:
    """Return the texts of all elements of this name."""
    return [one.text or "" for one in ElementTree.fromstring(answer.body).iter(name)]


def refused(answer: Response) -> tuple[int, str]:
    """Return status and code of an error."""
    return answer.status, texts(answer, "Code")[0]
