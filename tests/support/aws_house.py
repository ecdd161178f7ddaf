"""A real daemon on the emulated AWS: instances run their user-data, in real processes."""

from __future__ import annotations

import hashlib
import json
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from providers.s3.sign import EMPTY, Credentials, Scope, sign
from tests.emulators.aws.launch import Emulator
from tests.emulators.aws.settings import MAIN_KEY, MAIN_SECRET
from tests.emulators.common.launch import Launched
from tests.support.cloud_house import OWN_IMAGE, CloudHouse, own_image

REGION = "us-east-1"
BUCKET = "lastcall-e2e"
PROFILE = "lastcall-instance"
LOG_GROUP = "/lastcall/jobs"
STATE_S = 0.1


def cloud_settings(own: Mapping[str, str], **more: Any) -> dict[str, Any]:
    """Return how the emulated AWS is: quick, a fresh account, with one image of containers."""
    return {
        "pending_s": STATE_S,
        "boot_s": STATE_S,
        "shutting_down_s": 0.8,
        "grace_s": 0.6,
        "notice_s": 20.0,
        "cost_tags": [],
        "containers": {OWN_IMAGE: {"env": dict(own)}},
        **more,
    }


def prepare(url: str) -> None:
    """Make what ``lastcall setup`` would: the bucket and the log group."""
    _call("PUT", "s3", f"{url}/{BUCKET}", b"", {})
    target = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "Logs_20140328.CreateLogGroup"}
    _call("POST", "logs", f"{url}/", json.dumps({"logGroupName": LOG_GROUP}).encode(), target)


def _call(method: str, service: str, url: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    payload = hashlib.sha256(body).hexdigest() if body else EMPTY
    keys, scope = Credentials(MAIN_KEY, MAIN_SECRET), Scope(REGION, service)
    signed = sign(keys, scope, method, url, headers, payload, datetime.now(UTC))
    with urllib.request.urlopen(urllib.request.Request(url, body, signed, method=method), timeout=10) as answer:
        return bytes(answer.read())


class AwsHouse(CloudHouse):
    """A daemon whose provider is the emulated AWS."""

    more: Mapping[str, str] = {}
    """Variables of the daemon beside those every one gets; an empty one takes a setting away."""

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"CLOUD_PROVIDER": "aws"} | variables(self.emulator) | dict(self.more)

    def instances(self) -> list[dict[str, Any]]:
        """Return every life of an instance that there was, by AWS's own books."""
        found: list[dict[str, Any]] = self.seen()["history"]
        return found

    def stored(self, key: str) -> bytes:
        """Return an object of the bucket. Raises HTTPError."""
        return _call("GET", "s3", f"{self.emulator.urls['aws']}/{BUCKET}/{key}", b"", {})

    def arm(self, **faults: Any) -> None:
        """Switch faults on; a dot of a name is written ``__``."""
        self.emulator.control({"faults": {name.replace("__", "."): value for name, value in faults.items()}})


def variables(emulator: Launched) -> dict[str, str]:
    """Return what a daemon is told of an emulated AWS."""
    return {
        "AWS_ACCESS_KEY_ID": MAIN_KEY,
        "AWS_SECRET_ACCESS_KEY": MAIN_SECRET,
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": emulator.urls["aws"],
        "LASTCALL_AWS_BUCKET": BUCKET,
        "LASTCALL_AWS_INSTANCE_PROFILE": PROFILE,
        "LASTCALL_AWS_IMAGE": OWN_IMAGE,
    }


@contextmanager
def an_aws(
    root: Path,
    faults: Mapping[str, Any] | None = None,
    slow_s: float = 0.0,
    *,
    quick: bool = False,
    **settings: Any,
) -> Iterator[Emulator]:
    """An emulated AWS that is set up; it is ended afterwards, and every instance with it."""
    chosen = cloud_settings(own_image(root / "image", slow_s, empty=quick), **settings)
    with Emulator(root / "em", settings=chosen, faults=faults) as emulator:
        prepare(emulator.urls["aws"])
        yield emulator


@contextmanager
def an_aws_house(
    root: Path,
    faults: Mapping[str, Any] | None = None,
    slow_s: float = 0.0,
    *,
    quick: bool = False,
    **settings: Any,
) -> Iterator[AwsHouse]:
    """A daemon on an emulated AWS; both are ended afterwards."""
    with an_aws(root, faults, slow_s, quick=quick, **settings) as emulator:
        house = AwsHouse(root, emulator)
        house.quick = quick
        house.start()
        try:
            yield house
        finally:
            house.stop()
