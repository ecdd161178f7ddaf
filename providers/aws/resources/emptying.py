"""Deletes everything in a bucket: old versions, delete markers and parts of unfinished uploads bill like objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from providers.aws.client import Call, Client
from providers.aws.resources.resource import list_at
from providers.interface import NotFound, Refused

PAGES_MAX: Final = 100_000
"""Of a thousand entries each."""
LONG_S: Final = 120.0
"""For deleting a thousand versions."""


async def empty(client: Client, bucket: str) -> int:
    """Delete all of it and return how many versions there were. Raises Refused or Unavailable."""
    deleted = 0
    for _ in range(PAGES_MAX):
        page = await client.read(Call("s3", "ListObjectVersions", {"Bucket": bucket}), f"what is in bucket {bucket}")
        entries = [_entry(one) for one in (*list_at(page, "Versions"), *list_at(page, "DeleteMarkers"))]
        if not entries:
            break
        await _delete(client, bucket, entries)
        deleted += len(entries)
    await _abort_uploads(client, bucket)
    return deleted


async def _delete(client: Client, bucket: str, entries: list[dict[str, object]]) -> None:
    asked = {"Bucket": bucket, "Delete": {"Objects": entries, "Quiet": True}}
    said = await client.read(Call("s3", "DeleteObjects", asked, total_s=LONG_S), f"to empty bucket {bucket}")
    refused = list_at(said, "Errors")
    if refused:
        first = refused[0]
        raise Refused(f"AWS does not delete {first.get('Key')} from {bucket}: {first.get('Code')}")


async def _abort_uploads(client: Client, bucket: str) -> None:
    what = f"for unfinished uploads in bucket {bucket}"
    for _ in range(PAGES_MAX):
        page = await client.read(Call("s3", "ListMultipartUploads", {"Bucket": bucket}), what)
        uploads = list_at(page, "Uploads")
        if not uploads:
            return
        for one in uploads:
            asked = {"Bucket": bucket, "Key": one.get("Key"), "UploadId": one.get("UploadId")}
            try:
                await client.read(Call("s3", "AbortMultipartUpload", asked), what)
            except NotFound:
                continue


def _entry(version: Mapping[str, Any]) -> dict[str, object]:
    return {"Key": version.get("Key", ""), "VersionId": version.get("VersionId", "null")}
