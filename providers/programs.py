"""Programs of machines as text, for what a machine is started with: without comments and docstrings, in one piece."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import Final

PROGRAMS: Final = Path(__file__).parents[1] / "containers" / "job"
_ONLY_ONCE: Final = "from __future__ import annotations"


def bare_source(parts: Sequence[str], folder: Path = PROGRAMS) -> str:
    """Return modules of ``containers/job`` as one, those that are imported first. Raises OSError."""
    lines = [line for part in parts for line in _bare((folder / part).read_text("utf-8"))]
    ours = (_ONLY_ONCE, "from containers.")
    return "\n".join([_ONLY_ONCE, *(line for line in lines if not line.startswith(ours))]) + "\n"


def _bare(text: str) -> list[str]:
    """Return the lines that do something, with the smallest indents. Texts that are statements are documentation."""
    idle: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            idle.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    kept = [line for number, line in enumerate(text.splitlines(), 1) if number not in idle]
    bare = [(line.lstrip(), (len(line) - len(line.lstrip())) // 4) for line in kept]
    return [" " * depth + line for line, depth in bare if line and not line.startswith("#")]
