"""The log's way to CloudWatch: one stream for the machine, each log file's lines as one call, once it is in the bucket.

The bucket has the log anyway: whatever fails here is left out after one more try, and nothing waits for it.
"""

from __future__ import annotations

import hashlib
import json
import urllib.request
from collections.abc import Mapping
from typing import Any

from containers.job.bucket import signed
from containers.job.clock import epoch
from containers.job.instance import Metadata, send

CALL_S = 5.0
LINE_OVERHEAD_BYTES = 26
"""CloudWatch counts so much for each line beside its text ("PutLogEvents")."""
CALL_BYTES_MAX = 1_000_000
LINE_BYTES_MAX = 200_000
FAILURES_MAX = 5
"""After so many in a row nothing is sent any more: there is no such group, or no right."""


class CloudLog:
    """One machine's stream."""

    def __init__(self, url: str, region: str, group: str, stream: str, metadata: Metadata) -> None:
        self._url = url.rstrip("/") + "/"
        self._region = region
        self._where = {"logGroupName": group, "logStreamName": stream}
        self._metadata = metadata
        self._made = False
        self._failures = 0

    def ship(self, batch: bytes) -> None:
        """Send a log file's lines. Never raises."""
        events = events_of(batch)
        if not events or self._failures >= FAILURES_MAX:
            return
        try:
            if not self._made:
                self._create()
            for part in _parts(events):
                self._call("PutLogEvents", {**self._where, "logEvents": part})
            self._failures = 0
        except (OSError, ValueError):
            self._failures += 1

    def _create(self) -> None:
        try:
            self._call("CreateLogStream", self._where)
        except OSError as error:
            if getattr(error, "code", None) != 400:
                raise
        self._made = True  # 400: there is one, or the next call says what is wrong

    def _call(self, operation: str, document: Mapping[str, Any]) -> None:
        body = json.dumps(document).encode()
        headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "Logs_20140328." + operation}
        digest = hashlib.sha256(body).hexdigest()
        found = signed(self._metadata.keys(), self._region, "logs", "POST", self._url, headers, digest)
        with send(urllib.request.Request(self._url, body, found, method="POST"), CALL_S):  # noqa: S310
            return


def cloud_log(environ: Mapping[str, str], metadata: Metadata) -> CloudLog | None:
    """Return the stream the machine was told of, if any."""
    url, group = environ.get("LASTCALL_LOGS_URL"), environ.get("LASTCALL_LOG_GROUP")
    if not url or not group:
        return None
    return CloudLog(url, environ["LASTCALL_REGION"], group, environ["LASTCALL_MACHINE"], metadata)


def events_of(batch: bytes) -> list[dict[str, Any]]:
    """Return a log file's lines as CloudWatch takes them, in order of time."""
    events: list[dict[str, Any]] = []
    for line in batch.decode("utf-8", "replace").splitlines():
        try:
            document = json.loads(line)
            at = int(epoch(str(document["at"])) * 1000)
            text = f"{document.get('stream', '')}: {document['text']}"
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        earliest = events[-1]["timestamp"] if events else at
        events.append({"timestamp": max(at, earliest), "message": text[: LINE_BYTES_MAX // 4] or " "})
    return events


def _parts(events: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    parts: list[list[dict[str, Any]]] = [[]]
    held = 0
    for event in events:
        size = len(event["message"].encode()) + LINE_OVERHEAD_BYTES
        if held + size > CALL_BYTES_MAX and parts[-1]:
            parts.append([])
            held = 0
        parts[-1].append(event)
        held += size
    return parts
