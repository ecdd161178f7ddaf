"""S3 as an instance needs it: read, look, write, write once. Standard library, signed with the instance role's key.

Every refusal and every broken call is an ``OSError``, so that whoever calls repeats it as it would a disk's. This text
is also part of the boot program (``providers/aws/userdata.py``): Python 3.9, nothing of ours but ``instance.py``.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Callable

from containers.job.instance import Keys, send

UNSIGNED = "UNSIGNED-PAYLOAD"
READ_S = 30.0
WRITE_S = 120.0
"""Most time without a byte, either way."""
CHUNK = 1 << 20


def signed(
    keys: Keys, region: str, service: str, method: str, url: str, headers: dict[str, str], payload: str
) -> dict[str, str]:
    """Return ``headers`` with a Signature Version 4 over all of them; ``url`` is encoded as it will be sent."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    parts = urllib.parse.urlsplit(url)
    found = {name.lower(): text for name, text in headers.items()}
    found.update({"host": parts.netloc, "x-amz-date": stamp, "x-amz-content-sha256": payload})
    if keys.token:
        found["x-amz-security-token"] = keys.token
    names = ";".join(sorted(found))
    lines = "".join(name + ":" + found[name] + "\n" for name in sorted(found))
    whole = "\n".join((method, parts.path or "/", parts.query, lines, names, payload))
    scope = "/".join((stamp[:8], region, service, "aws4_request"))
    text = "\n".join(("AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(whole.encode()).hexdigest()))
    key = ("AWS4" + keys.secret).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    claim = f"Credential={keys.access}/{scope}, SignedHeaders={names}, Signature={signature}"
    found["authorization"] = "AWS4-HMAC-SHA256 " + claim
    return found


class Bucket:
    """One bucket, at ``url`` without a trailing slash. ``encryption`` is ``AES256``, ``aws:kms`` or that and a key."""

    def __init__(self, url: str, region: str, keys: Callable[[], Keys], encryption: str = "") -> None:
        self.url = url.rstrip("/")
        self._region = region
        self._keys = keys
        kind, _, key = encryption.partition(" ")
        self.encryption = {"x-amz-server-side-encryption": kind} if kind else {}
        if key:
            self.encryption["x-amz-server-side-encryption-aws-kms-key-id"] = key

    def open(self, key: str) -> Any:
        """Return an object's bytes as an open answer. Raises FileNotFoundError, OSError."""
        return self.call("GET", key, {}, None, READ_S)

    def read(self, key: str, bytes_max: int) -> bytes:
        """Return a small object. Raises FileNotFoundError, OSError, ValueError for one above the bound."""
        with self.open(key) as answer:
            data = whole(answer, bytes_max + 1)
        if len(data) > bytes_max:
            raise ValueError(key.rpartition("/")[2] + " is larger than " + str(bytes_max) + " bytes")
        return data

    def exists(self, key: str) -> bool:
        """Whether there is such an object. Raises OSError where that cannot be told."""
        try:
            with self.call("HEAD", key, {}, None, READ_S):
                return True
        except FileNotFoundError:
            return False

    def write(self, key: str, body: Any, size: int, absent: bool = False) -> bool:
        """Store ``size`` bytes or a file of that size; with ``absent`` return False where the object exists."""
        headers = dict(self.encryption)
        if absent:
            headers["if-none-match"] = "*"
        try:
            with self.call("PUT", key, headers, body, WRITE_S, size):
                return True
        except FileExistsError:
            return False

    def call(
        self,
        method: str,
        key: str,
        headers: dict[str, str],
        body: Any,
        limit_s: float,
        size: int | None = None,
        query: str = "",
    ) -> Any:
        """Make one call and return its open answer; ``query`` is encoded, its names in order.

        Raises FileNotFoundError, FileExistsError, OSError.
        """
        url = self.url + "/" + urllib.parse.quote(key, safe="/-_.~") + ("?" + query if query else "")
        found = signed(self._keys(), self._region, "s3", method, url, headers, UNSIGNED)
        if size is not None:
            found["content-length"] = str(size)
            found["content-type"] = "application/octet-stream"
        try:
            return send(urllib.request.Request(url, body, found, method=method), limit_s)  # noqa: S310
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 404:
                raise FileNotFoundError(key) from None
            if error.code == 412:
                raise FileExistsError(key) from None
            raise OSError("S3 answered " + str(error.code)) from None


def whole(answer: Any, bytes_max: int) -> bytes:
    """Return an answer's body up to a bound. Raises OSError where it is cut."""
    try:
        return bytes(answer.read(bytes_max))
    except http.client.HTTPException as error:
        raise OSError(type(error).__name__) from error
