"""Ending a RunPod pod from inside it: the calls, each by itself, until this process is killed.

The platform starts a container that exits again, for ever (fact sheet 2.1): only a call ends the rent. The key in the
pod may end this pod and nothing else; which route takes it has changed over time (fact sheet 2.2), so all are tried. An
accepted end is believed for one round: an answer may be without effect, and 404 may mean that the pod is not the key's.
This text is also part of the boot program (``providers/runpod/boot.py``): Python 3.9, nothing of ours imported.
"""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, Callable, Optional

API_URL = "https://api.runpod.io/v2"
GRAPHQL_URL = "https://api.runpod.io/graphql"
USER_AGENT = "lastcall-machine/1"
"""Names of HTTP libraries are refused by what stands before the API (fact sheet 0)."""

CALL_LIMIT_S = 10.0
ROUTE_LEAD_S = 2.0
"""An answer is waited for so long before the next route is tried beside it: one that hangs holds up no other."""
ROUND_S = 5.0
END_LIMIT_S = 10.0
"""After so long alive the caller exits: a fresh start of the container ends the pod again, and runs nothing."""
REPLY_BYTES_MAX = 65536

Told = Callable[[str, Optional[int], str, bool], None]
"""Told the route, the HTTP status or ``None``, what was answered, and whether the end was accepted."""


class Pod:
    """One pod and its key. The key shows in no text made of it."""

    def __init__(self, environ: Mapping[str, str], key: str) -> None:
        self.key = key
        self.id = environ.get("RUNPOD_POD_ID", "")
        api = (environ.get("LASTCALL_RUNPOD_API_URL") or API_URL).rstrip("/")
        graphql = environ.get("LASTCALL_RUNPOD_GRAPHQL_URL") or GRAPHQL_URL
        query = 'mutation{podTerminate(input:{podId:"' + self.id + '"})}'
        self.routes: tuple[tuple[str, str, str, Any], ...] = (
            ("delete", "DELETE", api + "/pods/" + self.id, None),
            ("action", "POST", api + "/pods/" + self.id + "/action", {"action": "terminate"}),
            ("graphql", "POST", graphql, {"query": query}),
        )
        if not (re.fullmatch("[A-Za-z0-9_-]{1,64}", self.id) and re.fullmatch("[!-~]{1,4096}", key)):
            self.routes = ()


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow nothing: the key would travel along."""
        return None


def call(pod: Pod, method: str, url: str, body: Any) -> tuple[int | None, str, bool]:
    """Send one call and return status, answer and whether it was accepted; never raises."""
    headers = {"Authorization": "Bearer " + pod.key, "User-Agent": USER_AGENT, "Accept": "application/json"}
    data = None
    if body is not None:
        data = json.dumps(body).encode()
        headers["Content-Type"] = "application/json"
    # An image's proxy settings are not ours to follow.
    opener = urllib.request.build_opener(_Stay, urllib.request.ProxyHandler({}))
    try:
        request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310
        with opener.open(request, timeout=CALL_LIMIT_S) as reply:
            status, text = reply.status, reply.read(REPLY_BYTES_MAX)
    except urllib.error.HTTPError as error:
        with error:
            status = error.code
            try:
                text = error.read(REPLY_BYTES_MAX)
            except (OSError, http.client.HTTPException):
                text = b""
    except (OSError, ValueError, http.client.HTTPException) as error:
        return None, (type(error).__name__ + ": " + str(error)).replace(pod.key, "***")[:200], False
    answer = text.decode("utf-8", "replace").replace(pod.key, "***")
    failed = "query" in (body or {}) and '"errors"' in answer  # GraphQL says no with 200
    return status, answer[:200], (200 <= status < 300 or status == 404) and not failed


def end_pod(pod: Pod, told: Told = lambda *_: None, limit_s: float = END_LIMIT_S) -> None:
    """Call until this process is killed. Returns after ``limit_s`` seconds whatever hangs; at once without a key."""
    until, routes, believed = time.monotonic() + limit_s, pod.routes, True
    while routes and time.monotonic() < until:
        began = time.monotonic()
        for number, (name, method, url, body) in enumerate(routes, 1):
            accepted: list[bool] = []
            arguments = (pod, name, method, url, body, told, accepted)
            thread = threading.Thread(target=_try, args=arguments, daemon=True)
            try:
                thread.start()
                thread.join(max(0.0, min(ROUTE_LEAD_S, until - time.monotonic())))
            except RuntimeError:  # no thread can be had
                _try(*arguments)
            if accepted and believed:
                routes = routes[number:] + routes[:number]
                break
            if time.monotonic() >= until:
                break
        believed = False
        time.sleep(max(0.0, min(began + ROUND_S, until) - time.monotonic()))


def _try(pod: Pod, name: str, method: str, url: str, body: Any, told: Told, accepted: list[bool]) -> None:
    status, answer, done = call(pod, method, url, body)
    if done:
        accepted.append(True)
    told(name, status, answer, done)
