"""AWS's ``CloudStorageProvider``: one S3 bucket, encrypted, and addresses that let others up or down for a while.

Old versions, lifecycle and the TLS-only policy are the bucket's own (``lastcall setup aws``); nothing here depends on
them: a deleted object reads as absent whether the bucket keeps versions or not.
"""

from __future__ import annotations

from typing import ClassVar, Final

from messages.machines import ProviderKind
from providers.aws.policies import statement_that_allows
from providers.aws.prices import FEES_AS_OF, fees, fees_are_at_most
from providers.aws.settings import AwsSettings
from providers.keys import split_key
from providers.presigned import PresignedGet, PresignedPost
from providers.s3.client import S3Client
from providers.s3.presign import presign_get, presign_post
from providers.s3.store import S3Store


class AwsStorage(S3Store):
    """Keeps objects in one bucket; a machine has those it needs below ``mount_path`` on its own disk."""

    kind: ClassVar[ProviderKind] = "aws"

    def __init__(self, client: S3Client, mount_path: str) -> None:
        """``client`` speaks to the bucket; its transport is closed by whoever opened it."""
        super().__init__(client, mount_path)
        self.places = {"s3": client.settings.bucket}
        paid = fees(client.settings.region)
        self.kept_usd_per_gb_month = paid.kept_usd_per_gb_month
        """S3 Standard's: what the bucket moved to the archive costs less, its old versions are not counted."""
        self.read_usd_per_gb = paid.sent_usd_per_gb
        """Out of AWS's network."""
        self.prices_as_of = FEES_AS_OF
        self.prices_at_most = fees_are_at_most(client.settings.region)

    async def presigned_get(self, key: str, limit_s: int) -> PresignedGet:
        """Return an address that reads one object for ``limit_s`` seconds, without a key."""
        split_key(key)
        return await presign_get(self.client, key, limit_s)

    async def presigned_post(self, key: str, limit_s: int, bytes_max: int) -> PresignedPost:
        """Return a form that uploads one object of at most ``bytes_max`` for ``limit_s`` seconds, without a key."""
        split_key(key)
        return await presign_post(self.client, key, limit_s, bytes_max)


RIGHTS: Final = {
    "put": "s3:PutObject",
    "copy": "s3:PutObject",
    "begin upload": "s3:PutObject",
    "send part": "s3:PutObject",
    "complete": "s3:PutObject",
    "abort": "s3:AbortMultipartUpload",
    "get": "s3:GetObject",
    "stat": "s3:GetObject",
    "delete": "s3:DeleteObject",
    "list": "s3:ListBucket",
    "list uploads": "s3:ListBucketMultipartUploads",
    "list parts": "s3:ListMultipartUploadParts",
}
"""Call in words → the action that S3 wants allowed for it ("Required permissions for Amazon S3 API operations")."""


def denials(bucket: str) -> dict[str, str]:
    """Return what each call's refusal says more: the right it needs, whose policy gives it, and whose bucket it is."""
    return {
        what: f"this needs {action}, which {statement_that_allows(action)}; "
        f"where {bucket} is of another account, nobody but that can give it"
        for what, action in RIGHTS.items()
    }


def encryption(settings: AwsSettings) -> dict[str, str]:
    """Return the headers that have an object encrypted: by the configured KMS key, or by S3's own."""
    if settings.kms_key is None:
        return {"x-amz-server-side-encryption": "AES256"}
    return {
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": settings.kms_key,
    }
