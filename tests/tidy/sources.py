"""The repository's own files as the tidy tests see them: parsed once, with names resolved through the imports."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
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
    tree: ast.Module
    names: dict[str, str]
    """What a plain name means here: ``sleep`` → ``asyncio.sleep``."""

    def dotted(self, node: ast.expr) -> str | None:
        """Return ``asyncio.sleep`` for any spelling of it, or ``None`` for what is no plain chain of names."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return None
        return ".".join([self.names.get(node.id, node.id), *reversed(parts)])


def parse(path: str, text: str) -> Source:
    """Return a parsed source."""
    tree = ast.parse(text)
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(
                {(a.asname or a.name.split(".")[0]): (a.name if a.asname else a.name.split(".")[0]) for a in node.names}
            )
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update({(a.asname or a.name): f"{node.module}.{a.name}" for a in node.names})
    return Source(path, text, tree, names)


@cache
def load(folders: tuple[str, ...] = PYTHON_FOLDERS) -> tuple[Source, ...]:
    """Return every Python file under ``folders``."""
    files = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return tuple(_one(path) for path in files)


@cache
def _one(path: Path) -> Source:
    return parse(path.relative_to(ROOT).as_posix(), path.read_text())


def imported(source: Source) -> Iterator[tuple[int, str]]:
    """Yield line and module of every import, inside functions too."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module


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
