from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lastcall.config.load import Loaded, load

Loader = Callable[..., Loaded]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home directory."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """An empty working directory."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def loaded(home: Path, work: Path) -> Loader:
    """Load with a clean environment: only what the test names is set."""

    def call(environ: dict[str, str] | None = None, **more: object) -> Loaded:
        return load({"HOME": str(home), **(environ or {})}, work, **more)  # type: ignore[arg-type]

    return call
