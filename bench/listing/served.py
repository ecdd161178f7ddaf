"""A process that answers ``GET /v2/pods`` as RunPod would, from pods made beforehand: ``python -m bench.listing.served
FILE``. It prints its port. Nothing of it runs in the process that is measured.
"""

from __future__ import annotations

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from bench.listing.bodies import page
from tests.support.runpod_sim import PLACE, VOLUME


def serve(file: str) -> None:
    """Serve until the process is ended."""
    pods = [tuple(pod) for pod in json.loads(Path(file).read_text())]
    began = time.monotonic()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path.endswith("/pods"):
                query = parse_qs(parts.query)
                first, limit = int(query.get("cursor", ["0"])[0]), int(query["limit"][0])
                end = first + limit
                body = page(pods[first:end], int(time.monotonic() - began), str(end) if end < len(pods) else None)
            else:
                body = json.dumps({"id": VOLUME, "name": "v", "size": 50, "dataCenter": PLACE}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("x-request-id", "r")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    serve(sys.argv[1])
