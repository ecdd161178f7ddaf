"""What stands before and after the platform proper: outages, proxies, redirects, broken bodies (fact sheet 0)."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

from tests.emulators.runpod.faults import FaultBox
from tests.emulators.runpod.wire import Request, Response

BLOCKED_AGENTS = ("Python-urllib",)
"""User agents that Cloudflare turns away."""
FILLER = b" " * 65_536
HTML = {"content-type": "text/html"}


def before(request: Request, call: str, faults: FaultBox, now: float) -> Response | None:
    """Return the answer of somebody in front of the platform, or ``None`` to let the call through."""
    outage = faults.hit("outage", call, now)
    if outage:
        lost = {"refuse": "reset", "hang": "hang"}.get(outage)
        return Response(503, HTML, b"<html><body>503 Service Unavailable</body></html>", lost=lost)  # type: ignore[arg-type]
    agent = request.headers.get("user-agent", "")
    if agent.startswith(BLOCKED_AGENTS) or faults.hit("edge.cloudflare_1010", call, now):
        return Response(403, {"content-type": "text/plain"}, b"error code: 1010")
    if faults.hit("edge.html200", call, now):
        return Response(200, HTML, b"<html><body>Just a moment...</body></html>")
    address = faults.hit("redirect.evil", call, now)
    if address:
        return Response(307, {"location": address})
    if faults.hit("body.endless", call, now):
        return Response(200, {"content-type": "application/json"}, b'{"pods":[', follow=lambda: FILLER)
    size = faults.hit("body.bomb", call, now)
    if size:
        packed = gzip.compress(json.dumps({"pods": []}).encode() + b" " * size, mtime=0)
        return Response(200, {"content-type": "application/json", "content-encoding": "gzip"}, packed)
    return None


def after(response: Response, call: str, faults: FaultBox, now: float) -> Response:
    """Return the answer as it arrives."""
    delay = faults.hit("latency", call, now)
    if delay:
        response = replace(response, delay_s=response.delay_s + delay)
    drip = faults.hit("body.drip", call, now)
    if drip:
        response = replace(response, drip_s=drip)
    if response.body and faults.hit("edge.cut_json", call, now):
        response = replace(response, body=response.body[: len(response.body) // 2])
    if response.body and faults.hit("edge.cut", call, now):
        response = replace(response, lost="cut")
    return response
