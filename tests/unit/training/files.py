"""Small CSV files for the tests of inspection and training."""

from __future__ import annotations

import importlib.metadata
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from containers.training.inspection import inspect


def write(folder: Path, text: str | bytes, name: str = "data.csv") -> Path:
    """Write a file and return its path."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def table(header: str, rows: Sequence[str]) -> str:
    """Return a CSV text."""
    return "\n".join([header, *rows]) + "\n"


def people(rows: int = 40, delimiter: str = ",") -> str:
    """Return a small mixed table with the target ``bought`` (yes or no)."""
    draw = random.Random(7)
    lines = [
        delimiter.join(
            [str(20 + draw.randrange(50)), draw.choice(["Lisbon", "Porto", "Faro"]), ("yes", "no")[i % 2], f"{i}.5"]
        )
        for i in range(rows)
    ]
    return table(delimiter.join(["age", "city", "bought", "spent"]), lines)


def ask(path: Path, target: str = "bought", **request: Any) -> dict[str, Any]:
    """Inspect a file with a target."""
    return inspect(path, {"target": target, "features": None, "model": "auto", "task": "auto", **request})


def refused(answer: dict[str, Any]) -> str:
    """Return the code of a refusal, having checked that its detail is one line that says something."""
    assert answer["ok"] is False, answer
    detail = answer["detail"]
    assert 20 <= len(detail) <= 400
    assert detail.isprintable()
    assert ":" in detail, "what is wrong, then what to do"
    return str(answer["code"])


def penguins() -> Path:
    """Return the penguins data file, without importing its package (which imports pandas)."""
    files = importlib.metadata.files("palmerpenguins") or []
    return Path(str(next(f for f in files if f.name == "penguins.csv").locate()))
