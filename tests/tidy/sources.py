"""The repository's own files as the tidy tests see them, with names resolved through the imports.

Trees are not kept: those of all files together are hundreds of megabytes, which the rest of a test run would carry.
"""

from __future__ import annotations

import ast
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("messages", "providers", "actors", "containers", "lastcall")
PYTHON_FOLDERS = (*ROOMS, "tests", "tools", "bench")


@dataclass(frozen=True)
class Source:
    """One Python file."""

    path: str
    """Relative to the repository's root."""
    text: str

    def parsed(self) -> Parsed:
        """Take it apart, anew each time."""
        with _nothing_looked_through():
            return Parsed(self.path, self.text, list(ast.walk(ast.parse(self.text))))


class Parsed:
    """What a Python file says: all its nodes, and what names mean in it."""

    def __init__(self, path: str, text: str, nodes: list[ast.AST]) -> None:
        self.path = path
        self.text = text
        self.nodes = nodes
        self.names: dict[str, str] = {}
        """What a plain name means here: ``sleep`` → ``asyncio.sleep``."""
        for node in nodes:
            if isinstance(node, ast.Import):
                self.names |= {
                    (a.asname or a.name.split(".")[0]): (a.name if a.asname else a.name.split(".")[0])
                    for a in node.names
                }
            elif isinstance(node, ast.ImportFrom) and node.module:
                self.names |= {(a.asname or a.name): f"{node.module}.{a.name}" for a in node.names}

    def dotted(self, node: ast.expr) -> str | None:
        """Return ``asyncio.sleep`` for any spelling of it, or ``None`` for what is no plain chain of names."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return None
        return ".".join([self.names.get(node.id, node.id), *reversed(parts)])

    def imported(self) -> Iterator[tuple[int, str]]:
        """Yield line and module of every import, inside functions too."""
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.lineno, node.module


@contextmanager
def _nothing_looked_through() -> Iterator[None]:
    """Have nothing looked through for what could be freed: a tree has many thousand nodes, and each is needed."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@cache
def load(folders: tuple[str, ...] = PYTHON_FOLDERS) -> tuple[Source, ...]:
    """Return every Python file under ``folders``."""
    files = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return tuple(_one(path) for path in files)


@cache
def _one(path: Path) -> Source:
    return Source(path.relative_to(ROOT).as_posix(), path.read_text())


NOT_OURS = {".git", ".venv", ".dev", "dist", "build", "__pycache__"}
"""Folders that are never committed, beside every ``.…_cache``."""
NEVER_COMMITTED = {".env", ".git"}
"""Files; ``.git`` is one in a second working tree."""
NOT_TEXT = {".png", ".skops", ".gz", ".zip", ".pyz", ".sqlite"}


def text_files() -> Iterator[Path]:
    """Yield every text file that is or would be committed."""
    for folder, inner, files in os.walk(ROOT):
        inner[:] = sorted(name for name in inner if name not in NOT_OURS and not name.endswith("_cache"))
        inner[:] = [name for name in inner if name != ".hypothesis"]
        for name in sorted(files):
            if Path(name).suffix not in NOT_TEXT and not name.startswith(".coverage") and name not in NEVER_COMMITTED:
                yield Path(folder) / name
