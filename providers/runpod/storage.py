"""RunPod's ``CloudStorageProvider``: a network volume through its S3 API (fact sheet 5.2)."""

from __future__ import annotations

from typing import ClassVar, Final

from pydantic import SecretStr

from messages.machines import ProviderKind
from providers.s3.client import S3Client
from providers.s3.settings import S3Settings
from providers.s3.store import S3Store

HOST: Final = "https://s3api-{place}.runpod.io"
"""One endpoint a data centre (fact sheet 5.2)."""


def endpoint_of(data_center: str) -> str:
    """Return the S3 endpoint of a data centre, such as EU-RO-1. Its region is the data centre's id as it stands."""
    return HOST.format(place=data_center.lower())


def volume_settings(
    data_center: str, volume_id: str, access_key: str, secret_key: SecretStr, endpoint: str | None = None
) -> S3Settings:
    """Return how a volume is spoken to: region and endpoint are its data centre's, unless ``endpoint`` is another."""
    return S3Settings(
        endpoint=endpoint or endpoint_of(data_center),
        region=data_center,
        bucket=volume_id,
        access_key=access_key,
        secret_key=secret_key,
        has_folders=True,
    )


class RunPodStorage(S3Store):
    """Keeps objects as files of one network volume, which machines see below ``mount_path``."""

    kind: ClassVar[ProviderKind] = "runpod"

    def __init__(self, client: S3Client, mount_path: str) -> None:
        """``client`` speaks to the volume as its bucket; its transport is closed by whoever opened it."""
        super().__init__(client, mount_path)
        self.places = dict.fromkeys(("runpod", "s3"), client.settings.bucket)
        """``runpod://`` is ours, the platform has no such scheme; S3 tools write ``s3://`` (fact sheet 5.2)."""
