"""Stands for the platform on loopback: the calls that end a pod, and a package index that counts."""

from __future__ import annotations

import base64
import hashlib
import io
import threading
import time
import zipfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ENDING_S = 0.2
"""From an accepted end to SIGKILL."""


class Server:
    """An HTTP server on loopback, in a thread."""

    def __init__(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                return

            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                status, data, headers = outer.answer(self.command, self.path, dict(self.headers), body)
                try:
                    self.send_response(status)
                    for name, value in {"Content-Length": str(len(data)), **headers}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(data)
                except OSError:
                    return

            do_GET = do_POST = do_DELETE = _any  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes, dict[str, str]]:
        raise NotImplementedError

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Platform(Server):
    """Ends a pod by one of three routes; each route can accept, refuse, send elsewhere or hang."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, float]] = []
        """Route and time of every call."""
        self.headers: list[dict[str, str]] = []
        self.says = dict.fromkeys(("delete", "action", "graphql"), "accept")
        self.kill: Callable[[], None] = lambda: None
        self._let_go = threading.Event()
        super().__init__()

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes, dict[str, str]]:
        route = {"DELETE /v2/pods/pod1": "delete", "POST /v2/pods/pod1/action": "action", "POST /graphql": "graphql"}
        name = route.get(f"{method} {path}", "unknown")
        self.calls.append((name, time.monotonic()))
        self.headers.append(headers)
        says = self.says.get(name, "refuse")
        if says == "hang":
            self._let_go.wait(30)
            return 500, b"", {}
        if says == "redirect":
            return 302, b"", {"Location": f"{self.url}/elsewhere"}
        if says == "refuse":
            if name == "graphql":
                return 200, b'{"errors":[{"message":"Unauthorized"}],"data":null}', {}
            told = f'{{"title":"Forbidden","status":403,"detail":"no, {headers.get("Authorization")}"}}'
            return 403, told.encode(), {"Content-Type": "application/problem+json"}
        threading.Timer(ENDING_S, self.kill).start()
        return (200, b'{"data":{"podTerminate":null}}', {}) if name == "graphql" else (204, b"", {})

    def count(self, route: str) -> int:
        return sum(1 for name, _ in self.calls if name == route)

    def close(self) -> None:
        self._let_go.set()
        super().close()


class Index(Server):
    """A package index with one tiny library."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.wheel = tiny_wheel()
        self.name = "tinylib-1.0-py3-none-any.whl"
        super().__init__()

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes, dict[str, str]]:
        self.requests.append(path)
        if path == "/simple/tinylib/":
            digest = hashlib.sha256(self.wheel).hexdigest()
            page = f'<html><body><a href="/{self.name}#sha256={digest}">{self.name}</a></body></html>'
            return 200, page.encode(), {"Content-Type": "text/html"}
        if path == f"/{self.name}":
            return 200, self.wheel, {"Content-Type": "application/octet-stream"}
        return 404, b"", {}

    @property
    def requirements(self) -> bytes:
        digest = hashlib.sha256(self.wheel).hexdigest()
        other = "elsewhere==1.0 ; sys_platform == 'win32' \\\n    --hash=sha256:" + "0" * 64
        return f"tinylib==1.0 \\\n    --hash=sha256:{digest}\n{other}\n".encode()


def tiny_wheel() -> bytes:
    """A wheel of one module, as the format wants it."""
    files = {
        "tinylib.py": b"WORD = 'tiny'\n",
        "tinylib-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: tinylib\nVersion: 1.0\n",
        "tinylib-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(data)}\n"
    files["tinylib-1.0.dist-info/RECORD"] = f"{record}tinylib-1.0.dist-info/RECORD,,\n".encode()
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return wheel.getvalue()
