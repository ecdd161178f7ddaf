"""What an EC2 instance asks of the machine it runs on: its role's key, its id, whether AWS is about to take it.

Instance metadata, version 2 ("Use the Instance Metadata Service"): a token first, then paths. This text is also part of
the boot program (``providers/aws/userdata.py``): Python 3.9, nothing of ours imported.
"""

from __future__ import annotations

import calendar
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, NamedTuple

METADATA_URL = "http://169.254.169.254"
TOKEN_S = 21600
CALL_S = 5.0
ROLE_PATH = "meta-data/iam/security-credentials/"
REFRESH_S = 300.0
"""A key is renewed when it is this close to its end; AWS has the next one ready by then."""
BYTES_MAX = 65536


class Keys(NamedTuple):
    """The role's temporary key."""

    access: str
    secret: str
    token: str


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow nothing: a key would travel along."""
        return None


def send(request: urllib.request.Request, limit_s: float) -> Any:
    """Send one request by nobody's proxy and return the open answer. Raises OSError."""
    opener = urllib.request.build_opener(_Stay, urllib.request.ProxyHandler({}))
    try:
        return opener.open(request, timeout=limit_s)
    except http.client.HTTPException as error:
        raise OSError(type(error).__name__) from error


class Metadata:
    """The instance's metadata. The key it gives shows in no text made of it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.url = (environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or METADATA_URL).rstrip("/") + "/latest/"
        self._token = ""
        self._token_until = 0.0
        self._keys: Keys | None = None
        self._keys_until = 0.0

    def get(self, path: str) -> str | None:
        """Return what is at ``path``, or ``None`` where nothing is. Raises OSError."""
        if time.monotonic() >= self._token_until:
            ask = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_S)}
            self._token = self._read("api/token", ask, "PUT")
            self._token_until = time.monotonic() + TOKEN_S / 2
        try:
            return self._read(path, {"X-aws-ec2-metadata-token": self._token})
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            self._token_until = 0.0
            raise

    def keys(self) -> Keys:
        """Return a key that holds for a while. Raises OSError where there is no role."""
        if self._keys is None or time.time() >= self._keys_until:
            role = (self.get(ROLE_PATH) or "").strip().splitlines()
            said = json.loads((self.get(ROLE_PATH + role[0]) if role else None) or "{}")
            try:
                keys = Keys(said["AccessKeyId"], said["SecretAccessKey"], said["Token"])
                until = _epoch(said["Expiration"]) - REFRESH_S
            except (KeyError, TypeError, ValueError):
                raise OSError("the instance has no role") from None
            self._keys, self._keys_until = keys, until
        return self._keys

    def _read(self, path: str, headers: Mapping[str, str], method: str = "GET") -> str:
        request = urllib.request.Request(self.url + path, None, dict(headers), method=method)  # noqa: S310
        with send(request, CALL_S) as answer:
            try:
                return str(answer.read(BYTES_MAX).decode("utf-8", "replace"))
            except http.client.HTTPException as error:
                raise OSError(type(error).__name__) from error


def _epoch(text: str) -> float:
    return float(calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ")))
