"""A package index over one folder of wheels, for pods that have no internet (PEP 503), and what was asked of it."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from html import escape
from pathlib import Path

from aiohttp import web


def normalised(name: str) -> str:
    """Return a project's name as indexes spell it."""
    return re.sub(r"[-_.]+", "-", name).lower()


class Wheels:
    """Serves ``/simple/``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._digests: dict[str, str] = {}
        self.calls: Counter[str] = Counter()
        """``index.project <name>`` and ``index.file <file>`` → how often."""

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to add to a server."""
        return [
            web.get("/simple/", self._projects),
            web.get("/simple/{project}/", self._project),
            web.get("/simple/{project}/{file}", self._file),
        ]

    def _files(self) -> list[str]:
        return sorted(path.name for path in self._folder.iterdir() if path.suffix in {".whl", ".gz"})

    def _of(self, project: str) -> list[str]:
        return [name for name in self._files() if normalised(re.split(r"-\d", name)[0]) == project]

    async def _projects(self, request: web.Request) -> web.Response:
        self.calls["index.projects"] += 1
        names = sorted({normalised(re.split(r"-\d", name)[0]) for name in self._files()})
        return _page(f'<a href="{escape(name)}/">{escape(name)}</a>' for name in names)

    async def _project(self, request: web.Request) -> web.Response:
        project = normalised(request.match_info["project"])
        self.calls[f"index.project {project}"] += 1
        files = self._of(project)
        if not files:
            return web.Response(status=404)
        return _page(f'<a href="{escape(name)}#sha256={self._digest(name)}">{escape(name)}</a>' for name in files)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["file"]
        self.calls[f"index.file {name}"] += 1
        if name not in self._files():
            return web.Response(status=404)
        return web.FileResponse(self._folder / name)

    def _digest(self, name: str) -> str:
        if name not in self._digests:
            self._digests[name] = hashlib.sha256((self._folder / name).read_bytes()).hexdigest()
        return self._digests[name]


def _page(links: Iterable[str]) -> web.Response:
    lines = "<br>\n".join(links)
    return web.Response(text=f"<!DOCTYPE html><html><body>\n{lines}\n</body></html>", content_type="text/html")
