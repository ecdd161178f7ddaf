"""Large results go up in parts: each tried again, put together once, and nothing stays of what cannot be finished."""

from __future__ import annotations

import hashlib
import io
import time
import urllib.error
from email.message import Message
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import pytest

from containers.job import bucket as wire
from containers.job import parts
from containers.job.bucket import Bucket
from containers.job.instance import Keys
from containers.job.objects import ObjectFolder
from tests.emulators.aws.settings import ACCOUNT, MAIN_KEY, MAIN_SECRET
from tests.support.aws_bucket import AwsBucket
from tests.support.aws_sim import BUCKET, REGION

MIB = 1 << 20
PART = 5 * MIB
"""The least that S3 takes for any part but the last."""
NAME = "artifacts/model.bin"
KEY = f"jobs/j/1/{NAME}"


class Answer(io.BytesIO):
    def __init__(self, body: bytes, headers: dict[str, str]) -> None:
        super().__init__(body)
        self.headers = Message()
        for name, value in headers.items():
            self.headers[name] = value


class Store:
    """A bucket that checks signatures and encryption, behind the machine's wire."""

    def __init__(self) -> None:
        self.engine = AwsBucket(BUCKET, MAIN_KEY, MAIN_SECRET, ACCOUNT, REGION)
        self.calls: list[tuple[str, str]] = []
        self.break_off = 0
        """So many parts break on their way."""
        self.lose_complete = False
        self.error_in_200 = False

    def send(self, request: Any, _: float) -> Answer:
        parts_of = urlsplit(request.full_url)
        headers = {name.lower(): value for name, value in request.header_items()}
        data = request.data if isinstance(request.data, bytes) else request.data.read() if request.data else b""
        self.calls.append((request.method, parts_of.query.partition("=")[0]))
        if request.method == "PUT" and parts_of.query and self.break_off:
            self.break_off -= 1
            raise OSError("reset")
        completing = request.method == "POST" and parts_of.query.startswith("uploadId")
        if completing and self.error_in_200:
            return Answer(b"<Error><Code>InternalError</Code></Error>", {})
        answer = self.engine.handle_aws(
            request.method, parts_of.path, parts_of.query, {**headers, "host": parts_of.netloc}, data, time.time()
        )
        if completing and self.lose_complete:
            raise OSError("reset")
        if answer.status >= 400:
            raise urllib.error.HTTPError(request.full_url, answer.status, "no", Message(), io.BytesIO(answer.body))
        body = b"" if request.method == "HEAD" else answer.body
        return Answer(body, dict(answer.headers))

    def stored(self) -> bytes | None:
        volume = self.engine.volumes.get(BUCKET)
        assert volume is not None
        return volume.files.read(KEY) if volume.files.stat(KEY) else None

    def left(self) -> list[str]:
        """Return what the bucket holds of unfinished uploads."""
        volume = self.engine.volumes.get(BUCKET)
        assert volume is not None
        return [entry.key for entry in volume.files.walk() if entry.key != KEY]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    made = Store()
    monkeypatch.setattr(wire, "send", made.send)
    monkeypatch.setattr(parts, "PART_BYTES", PART)
    monkeypatch.setattr(parts, "PARTS_FROM_BYTES", PART + 1)
    monkeypatch.setattr(parts, "RETRY_S", 0.0)
    return made


def keep(file: IO[bytes]) -> dict[str, Any]:
    keys = Keys(MAIN_KEY, MAIN_SECRET, "")
    bucket = Bucket(f"https://{BUCKET}.s3.{REGION}.amazonaws.com", REGION, lambda: keys, "AES256")
    return ObjectFolder(Path("/nowhere"), "n1", bucket, "jobs/j/1").keep(file, NAME)


def content(size: int) -> bytes:
    return bytes(range(251)) * (size // 251) + b"x" * (size % 251)


def test_a_large_result_arrives_whole_and_in_parts(store: Store) -> None:
    data = content(2 * PART + 7)
    entry = keep(io.BytesIO(data))
    assert entry == {"name": NAME, "size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    assert store.stored() == data
    assert [method for method, name in store.calls if name == "partNumber"] == ["PUT"] * 3
    assert store.left() == []


def test_a_small_one_takes_one_call(store: Store) -> None:
    keep(io.BytesIO(content(PART)))
    assert store.calls == [("PUT", "")]


def test_a_part_that_breaks_is_sent_again_and_nothing_else_is(store: Store) -> None:
    data = content(2 * PART)
    store.break_off = parts.TRIES_MAX - 1
    keep(io.BytesIO(data))
    assert store.stored() == data
    assert len([1 for _, name in store.calls if name == "partNumber"]) == 2 + parts.TRIES_MAX - 1


def test_an_upload_that_cannot_be_finished_is_taken_back(store: Store) -> None:
    store.break_off = parts.TRIES_MAX
    with pytest.raises(OSError, match="reset"):
        keep(io.BytesIO(content(3 * PART)))
    assert store.calls[-1] == ("DELETE", "uploadId")
    assert (store.stored(), store.left()) == (None, [])


def test_a_lost_answer_to_the_last_call_is_settled_by_looking(store: Store) -> None:
    data = content(2 * PART)
    store.lose_complete = True
    keep(io.BytesIO(data))
    assert store.stored() == data


def test_an_error_under_a_good_status_is_an_error_and_is_taken_back(store: Store) -> None:
    store.error_in_200 = True
    with pytest.raises(OSError, match="together"):
        keep(io.BytesIO(content(2 * PART)))
    assert (store.stored(), store.left()) == (None, [])


def test_a_file_that_shrank_meanwhile_is_no_result(store: Store) -> None:
    class Shrinking(io.BytesIO):
        def seek(self, offset: int, whence: int = 0) -> int:
            self.truncate(PART)
            return super().seek(offset, whence)

    with pytest.raises(OSError, match="shorter"):
        keep(Shrinking(content(2 * PART)))
    assert (store.stored(), store.left()) == (None, [])


def test_parts_are_as_large_as_it_takes_to_stay_below_their_number() -> None:
    sizes = [part.size for part in parts._parts(50 << 40)]
    assert len(sizes) <= parts.PARTS_MAX
    assert sum(sizes) == 50 << 40
