"""SeaweedFS as a real S3 server on loopback: it checks signatures, and it is not ours."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from providers.s3.settings import S3Settings
from providers.s3.sign import EMPTY, Credentials, Scope, sign
from tests.support.patience import PATIENCE_S

ACCESS_KEY = "tests-access-key"
SECRET_KEY = "tests-secret-key-0000000000000000"
REGION = "us-east-1"
GRPC = 10_000
"""The server takes a second port at this distance for each one it is given."""
PORTS = range(20_000, 40_000)
VOLUMES_MAX = 10_000
"""A bucket takes a volume of its own; left to itself the server stops at the free space of the disk / 128 MB."""


class Server(NamedTuple):
    """A running server."""

    endpoint: str
    pid: int

    def settings(self, bucket: str, **changes: object) -> S3Settings:
        """Return settings for one of its buckets."""
        return S3Settings.model_validate(
            {
                "endpoint": self.endpoint,
                "region": REGION,
                "bucket": bucket,
                "access_key": ACCESS_KEY,
                "secret_key": SECRET_KEY,
                **changes,
            }
        )

    def make_bucket(self, bucket: str) -> None:
        """Make a bucket. Raises OSError while the server cannot."""
        url = f"{self.endpoint}/{bucket}"
        headers = sign(Credentials(ACCESS_KEY, SECRET_KEY), Scope(REGION), "PUT", url, {}, EMPTY, datetime.now(UTC))
        urllib.request.urlopen(urllib.request.Request(url, headers=headers, method="PUT"), timeout=PATIENCE_S).close()


@contextmanager
def seaweed(folder: Path) -> Iterator[Server]:
    """Start a server that keeps its data in ``folder``, and end it."""
    names = ("master", "volume", "filer", "s3", "admin")
    ports = dict(zip(names, _free_ports(len(names)), strict=True))
    keys = {"name": "tests", "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]}
    keys["actions"] = ["Admin", "Read", "Write", "List", "Tagging"]
    (folder / "data").mkdir(parents=True)
    (folder / "s3.json").write_text(json.dumps({"identities": [keys]}))
    command = [_program(), f"-logdir={folder}", "mini", f"-dir={folder}/data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    command += [f"-{name}.port={port}" for name, port in ports.items()]
    command += [f"-s3.config={folder}/s3.json", "-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false"]
    command += ["-admin.ui=false", "-master.telemetry=false", f"-volume.max={VOLUMES_MAX}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, start_new_session=True)
    server = Server(f"http://127.0.0.1:{ports['s3']}", process.pid)
    try:
        _wait(server, process, folder / "log")
        yield server
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for port in ports.values():  # it puts sockets there whatever it is told
            for number in (port, port + GRPC):
                for left in Path("/tmp").glob(f"seaweedfs-*-{number}.sock"):
                    left.unlink(missing_ok=True)


def _wait(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < until:
        try:
            server.make_bucket("ready")
        except OSError:  # urllib's errors are
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"the server did not start: {log.read_text(errors='replace')[-1500:]}")


def _program() -> str:
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise FileNotFoundError("weed is not installed")
    return found


def _free_ports(count: int) -> list[int]:
    found: list[int] = []
    at = PORTS.start + os.getpid() * 37 % len(PORTS)
    while len(found) < count:
        at = at + 1 if at + 1 in PORTS else PORTS.start
        if all(_is_free(number) for number in (at, at + GRPC)):
            found.append(at)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as trial:
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
