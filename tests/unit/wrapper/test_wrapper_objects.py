"""The job folder in a bucket: written once, replaced, kept, brought; and what the machine reads of its metadata."""

from __future__ import annotations

import hashlib
import io
import json
import urllib.error
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from containers.job import bucket as wire
from containers.job import cloudlog
from containers.job.bucket import Bucket, signed
from containers.job.cloudlog import CloudLog, events_of
from containers.job.instance import Keys, Metadata
from containers.job.notice import ACTION, REBALANCE, NoticeWatch
from containers.job.objects import NAMED_ROOT, Copies, ObjectFolder, Stopped, placed, stores_of
from containers.job.spec import Work
from providers.s3.sign import UNSIGNED, Credentials, Scope, sign

KEYS = Keys("A", "s", "t")
URL = "https://mine.s3.eu-west-1.amazonaws.com"


class Store:
    """Objects behind the wire."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.lose = 0
        """So many answers get lost after the call has happened."""
        self.cut = False
        self.sent: list[Any] = []

    def send(self, request: Any, limit_s: float) -> Any:
        self.sent.append(request)
        key = request.full_url.removeprefix(f"{URL}/")
        status, body = self._answer(request, key)
        if self.lose:
            self.lose -= 1
            raise OSError("reset")
        if status >= 400:
            raise urllib.error.HTTPError(request.full_url, status, "no", Message(), io.BytesIO())
        return _Answer(body, len(body) + (5 if self.cut else 0))

    def _answer(self, request: Any, key: str) -> tuple[int, bytes]:
        if request.method == "PUT":
            if request.get_header("If-none-match") == "*" and key in self.objects:
                return 412, b""
            data = request.data if isinstance(request.data, bytes) else request.data.read()
            self.objects[key] = data
            return 200, b""
        return (200, self.objects[key]) if key in self.objects else (404, b"")


class _Answer(io.BytesIO):
    def __init__(self, body: bytes, said: int) -> None:
        super().__init__(body)
        self.headers = {"content-length": str(said)}


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    made = Store()
    monkeypatch.setattr(wire, "send", made.send)
    return made


def folder(nonce: str = "n1") -> ObjectFolder:
    return ObjectFolder(Path("/nowhere"), nonce, Bucket(URL, "eu-west-1", lambda: KEYS, "aws:kms key"), "jobs/j/1")


def test_a_file_is_written_once_and_the_first_writer_wins(store: Store) -> None:
    assert folder("n1").create("started.json", b"first")
    assert not folder("n2").create("started.json", b"second")
    assert store.objects == {"jobs/j/1/started.json": b"first"}


def test_a_lost_answer_of_our_own_write_is_still_ours(store: Store) -> None:
    store.lose = 1
    with pytest.raises(OSError, match="reset"):
        folder().create("started.json", b"ours")
    assert folder().create("started.json", b"ours")


def test_files_are_read_replaced_and_looked_for(store: Store) -> None:
    one = folder()
    assert not one.exists("control.json")
    one.replace("heartbeat.json", b'{"a": 1}')
    one.replace("heartbeat.json", b'{"a": 2}', durable=False)
    assert one.read("heartbeat.json") == {"a": 2}
    assert one.exists("heartbeat.json")
    with pytest.raises(FileNotFoundError):
        one.read("control.json")


def test_what_is_written_says_how_it_is_encrypted(store: Store) -> None:
    folder().replace("a", b"x")
    assert store.sent[0].get_header("X-amz-server-side-encryption") == "aws:kms"
    assert store.sent[0].get_header("X-amz-server-side-encryption-aws-kms-key-id") == "key"


def test_a_result_is_kept_with_its_digest(store: Store) -> None:
    entry = folder().keep(io.BytesIO(b"model"), "artifacts/model.bin")
    assert entry == {"name": "artifacts/model.bin", "size_bytes": 5, "sha256": hashlib.sha256(b"model").hexdigest()}
    assert store.objects["jobs/j/1/artifacts/model.bin"] == b"model"


def test_a_bundle_is_brought_whole_and_compared(store: Store, tmp_path: Path) -> None:
    entries = [{"name": "code.zip", "sha256": hashlib.sha256(b"code").hexdigest()}]
    store.objects = {"b/manifest.json": json.dumps({"files": entries}).encode(), "b/code.zip": b"code"}
    copies = Copies(Bucket(URL, "eu-west-1", lambda: KEYS), tmp_path, lambda: False)
    copies.bring_bundle("b")
    assert (tmp_path / "b/code.zip").read_bytes() == b"code"
    assert (tmp_path / "b/manifest.json").read_bytes() == store.objects["b/manifest.json"]
    store.objects["b/code.zip"] = b"other"
    (tmp_path / "b/code.zip").unlink()
    with pytest.raises(ValueError, match="not what the bundle says"):
        copies.bring_bundle("b")
    assert [path.name for path in tmp_path.rglob("*.*")] == ["manifest.json"]


def test_what_breaks_off_or_is_stopped_leaves_nothing(store: Store, tmp_path: Path) -> None:
    store.objects = {"d": b"data"}
    store.cut = True
    with pytest.raises(OSError, match="broke off"):
        Copies(Bucket(URL, "eu-west-1", lambda: KEYS), tmp_path, lambda: False).bring("d")
    store.cut = False
    with pytest.raises(Stopped):
        Copies(Bucket(URL, "eu-west-1", lambda: KEYS), tmp_path, lambda: True).bring("d")
    assert list(tmp_path.iterdir()) == []


def test_paths_of_the_spec_follow_the_machines_copy() -> None:
    work = Work(("sh", f"{NAMED_ROOT}/b/prepare.py"), {"PYTHONPATH": f"{NAMED_ROOT}/b/code.zip"}, None)
    found = placed(work, Path("/elsewhere"))
    assert (found.argv, found.environment) == (
        ("sh", "/elsewhere/b/prepare.py"),
        {"PYTHONPATH": "/elsewhere/b/code.zip"},
    )


@pytest.mark.parametrize("service", ["s3", "logs"])
def test_a_signature_is_the_one_the_daemon_makes(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 11, 25, 14, 3, 7, tzinfo=UTC)
    monkeypatch.setattr("containers.job.bucket.time.gmtime", lambda: now.timetuple())
    url, headers = f"{URL}/jobs/a%20b", {"if-none-match": "*"}
    ours = signed(KEYS, "eu-west-1", service, "PUT", url, headers, UNSIGNED)
    theirs = sign(Credentials("A", "s", "t"), Scope("eu-west-1", service), "PUT", url, headers, UNSIGNED, now)
    assert ours == theirs


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(KeyError, match="LASTCALL_REGION"):
        stores_of({"LASTCALL_BUCKET_URL": URL})


class Told(Metadata):
    """Metadata that a test lays out."""

    def __init__(self, **leaves: str) -> None:
        super().__init__({})
        self.leaves = {name.replace("__", "/"): text for name, text in leaves.items()}

    def get(self, path: str) -> str | None:
        return self.leaves.get(path)


def test_the_roles_key_is_read_and_kept_until_it_is_about_to_end() -> None:
    told = Told()
    with pytest.raises(OSError, match="no role"):
        told.keys()
    key = {"AccessKeyId": "A", "SecretAccessKey": "s", "Token": "t", "Expiration": "2099-01-01T00:00:00Z"}
    path = "meta-data/iam/security-credentials/"
    told.leaves = {path: "role\n", f"{path}role": json.dumps(key)}
    assert told.keys() == KEYS
    told.leaves = {}
    assert told.keys() == KEYS


def test_a_notice_is_told_and_a_recommendation_only_said() -> None:
    """Fault 24."""
    told, noticed, said = Told(), list[int](), list[str]()
    watch = NoticeWatch(told, lambda: noticed.append(1), said.append, 5.0)
    assert not watch.look()
    told.leaves[REBALANCE] = "{}"
    assert not watch.look()
    assert not watch.look()
    assert (noticed, len(said)) == ([], 1)
    told.leaves[ACTION] = '{"action": "terminate"}'
    assert watch.look()
    assert noticed == [1]


def _log() -> CloudLog:
    told = Told()
    told.keys = lambda: KEYS  # type: ignore[method-assign]
    return CloudLog("https://logs", "eu-west-1", "/g", "lc1-x", told)


LINES = b'{"at": "2026-11-25T14:00:00Z", "stream": "stdout", "text": "one"}\n{"bad": 1}\nno json\n'


def test_a_log_files_lines_become_events_in_order() -> None:
    assert [(event["timestamp"], event["message"]) for event in events_of(LINES)] == [(1795615200000, "stdout: one")]


def test_a_log_that_cannot_be_shipped_is_given_up_and_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    def send(request: Any, limit_s: float) -> Any:
        calls.append(request)
        raise OSError("no")

    monkeypatch.setattr(cloudlog, "send", send)
    log = _log()
    for _ in range(20):
        log.ship(LINES)
    assert len(calls) == cloudlog.FAILURES_MAX


def test_a_shipped_file_is_one_stream_and_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    def send(request: Any, limit_s: float) -> Any:
        calls.append(request)
        return _Answer(b"", 0)

    monkeypatch.setattr(cloudlog, "send", send)
    log = _log()
    log.ship(LINES)
    log.ship(LINES)
    assert [call.get_header("X-amz-target").partition(".")[2] for call in calls] == [
        "CreateLogStream",
        "PutLogEvents",
        "PutLogEvents",
    ]
