"""A machine's large result in a real S3 server: its parts are put together, an aborted upload leaves none."""

from __future__ import annotations

import hashlib
import re
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest

from containers.job import parts
from containers.job.bucket import Bucket
from containers.job.instance import Keys
from containers.job.objects import ObjectFolder
from providers.s3.sign import EMPTY, Credentials, Scope, sign
from tests.support.seaweed import ACCESS_KEY, REGION, SECRET_KEY, Server

PART = 5 << 20
NAME = "artifacts/model.bin"
KEY = f"jobs/j/1/{NAME}"


def of(server: Server, bucket: str) -> Bucket:
    return Bucket(f"{server.endpoint}/{bucket}", REGION, lambda: Keys(ACCESS_KEY, SECRET_KEY, ""))


def unfinished(server: Server, bucket: str) -> list[str]:
    """Return the keys of the uploads that the server still keeps parts of."""
    url = f"{server.endpoint}/{bucket}/?uploads="
    headers = sign(Credentials(ACCESS_KEY, SECRET_KEY), Scope(REGION), "GET", url, {}, EMPTY, datetime.now(UTC))
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
        return re.findall("<Key>([^<]+)</Key>", answer.read().decode())


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(parts, "PART_BYTES", PART)
    monkeypatch.setattr(parts, "PARTS_FROM_BYTES", PART + 1)
    monkeypatch.setattr(parts, "RETRY_S", 0.0)
    path = tmp_path / "model.bin"
    path.write_bytes(bytes(range(256)) * (2 * PART // 256) + b"the rest")
    return path


def test_a_large_result_is_there_whole(server: Server, bucket: str, large: Path) -> None:
    store = of(server, bucket)
    with large.open("rb") as file:
        entry = ObjectFolder(Path("/nowhere"), "n1", store, "jobs/j/1").keep(file, NAME)
    read = store.read(KEY, 1 << 30)
    assert (len(read), hashlib.sha256(read).hexdigest()) == (entry["size_bytes"], entry["sha256"])
    assert unfinished(server, bucket) == []


def test_an_upload_that_breaks_off_leaves_no_parts(
    server: Server, bucket: str, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, call = of(server, bucket), Bucket.call
    seen: list[list[str]] = []

    def broken(self: Bucket, method: str, key: str, *more: object, **named: object) -> object:
        if "partNumber=2" in str(named.get("query") or more):
            seen.append(unfinished(server, bucket))
            raise OSError("the line broke")
        return call(self, method, key, *more, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Bucket, "call", broken)
    with large.open("rb") as file, pytest.raises(OSError, match="the line broke"):
        ObjectFolder(Path("/nowhere"), "n1", store, "jobs/j/1").keep(file, NAME)
    assert seen == [[KEY]] * parts.TRIES_MAX
    assert unfinished(server, bucket) == []
    assert not store.exists(KEY)
