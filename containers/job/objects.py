"""The job folder of an instance: objects below one key of the bucket, under the rules of ``folder.py``.

What is written once is written on condition that nothing is there (``If-None-Match: *``): S3 lets one of two racing
writers win, and shows what it stored to everybody at once. What a job reads is brought to the instance's disk first.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Callable, NamedTuple

from containers.job import folder as names
from containers.job import parts
from containers.job.bucket import CHUNK, Bucket, whole
from containers.job.cloudlog import CloudLog, cloud_log
from containers.job.folder import JSON_BYTES_MAX, Folder, parse_object
from containers.job.instance import Metadata
from containers.job.spec import Work

NAMED_ROOT = "/var/lib/lastcall/store"
"""How a spec names the instance's copy of the bucket; where the copy is elsewhere, the spec's paths follow."""
MANIFEST = "manifest.json"


class Stores(NamedTuple):
    """What an instance reaches of AWS."""

    metadata: Metadata
    bucket: Bucket
    log: CloudLog | None


class Stopped(Exception):
    """What was being fetched is not needed any more."""


def stores_of(environ: Mapping[str, str]) -> Stores:
    """Return what the machine was told of. Raises KeyError for a variable that is missing."""
    metadata, region = Metadata(environ), environ["LASTCALL_REGION"]
    bucket = Bucket(environ["LASTCALL_BUCKET_URL"], region, metadata.keys, environ.get("LASTCALL_ENCRYPTION", ""))
    return Stores(metadata, bucket, cloud_log(environ, metadata))


class ObjectFolder(Folder):
    """One attempt's job folder in the bucket."""

    def __init__(self, root: Path, nonce: str, bucket: Bucket, prefix: str, log: CloudLog | None = None) -> None:
        super().__init__(root, nonce)
        self._bucket = bucket
        self._prefix = prefix
        self._log = log

    def read(self, name: str) -> dict[str, Any]:
        """Read one JSON object. Raises OSError, ValueError."""
        return parse_object(self._bucket.read(self._key(name), JSON_BYTES_MAX))

    def exists(self, name: str) -> bool:
        """Whether the object is there; raises OSError where that cannot be told."""
        return self._bucket.exists(self._key(name))

    def ensure(self, name: str) -> None:
        """Objects need no folders."""

    def replace(self, name: str, data: bytes, *, durable: bool = True) -> None:  # noqa: ARG002
        """Replace an object whole; S3 stores it durably whatever is asked."""
        self._bucket.write(self._key(name), data, len(data))

    def create(self, name: str, data: bytes) -> bool:
        """Write an object once: the first writer wins. Return whether it now holds ``data``.

        The content tells whose it is, so a lost answer is no trouble.
        """
        written = self._bucket.write(self._key(name), data, len(data), absent=True)
        if not written:
            try:
                written = self._bucket.read(self._key(name), max(len(data), 1)) == data
            except ValueError:
                return False
        if written and self._log is not None and name.startswith(names.LOG_FOLDER + "/"):
            self._log.ship(data)
        return written

    def keep(self, file: IO[bytes], name: str) -> dict[str, Any]:
        """Store an open file and return its name, size and sha256. Raises OSError."""
        sha256, size = names.digest(file)
        if size >= parts.PARTS_FROM_BYTES:
            parts.write_in_parts(self._bucket, self._key(name), file, size)
        else:
            file.seek(0)
            self._bucket.write(self._key(name), file, size)
        return {"name": name, "size_bytes": size, "sha256": sha256}

    def forget(self, name: str) -> None:
        """The machine's role deletes nothing; what is kept of an ended job the daemon takes away."""

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}"


class Copies:
    """The instance's copy of what it needs of the bucket, under the same keys below ``root``."""

    def __init__(self, bucket: Bucket, root: Path, stopped: Callable[[], bool]) -> None:
        self._bucket = bucket
        self._root = root
        self._stopped = stopped

    def bring_bundle(self, prefix: str) -> None:
        """Bring a job bundle's files, compare their digests, and keep what they were compared with.

        Raises OSError, ValueError, Stopped.
        """
        manifest = self._bucket.read(f"{prefix}/{MANIFEST}", JSON_BYTES_MAX)
        document = json.loads(manifest.decode("utf-8"))
        for entry in document["files"]:
            self.bring(f"{prefix}/{entry['name']}", entry["sha256"])
        (self._root / prefix / MANIFEST).write_bytes(manifest)  # the preparing step reads it too

    def bring(self, key: str, sha256: str | None = None) -> None:
        """Bring one object, whole or not at all. Raises FileNotFoundError, OSError, ValueError, Stopped."""
        target = self._root / key
        if target.is_file():
            return
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name[:100]}.{os.getpid()}.tmp")
        try:
            found = self._load(key, temporary)
            if sha256 is not None and found != sha256:
                raise ValueError(f"{key} is not what the bundle says")
            temporary.replace(target)
        finally:
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()

    def _load(self, key: str, path: Path) -> str:
        digest, size = hashlib.sha256(), 0
        with self._bucket.open(key) as answer, open(path, "wb") as file:
            expected = answer.headers.get("content-length")
            while True:
                if self._stopped():
                    raise Stopped
                chunk = whole(answer, CHUNK)
                if not chunk:
                    break
                digest.update(chunk)
                size += len(chunk)
                file.write(chunk)
        if expected is not None and int(expected) != size:
            raise OSError(f"{key} broke off")
        return digest.hexdigest()


def placed(work: Work, root: Path) -> Work:
    """Return a command whose paths are those of this machine's copy."""

    def own(text: str) -> str:
        return text.replace(NAMED_ROOT, str(root))

    return work._replace(
        argv=tuple(map(own, work.argv)), environment={name: own(text) for name, text in work.environment.items()}
    )
