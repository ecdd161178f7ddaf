"""The bundle: the same bytes for the same sources, and nothing in it an old Python lacks."""

from __future__ import annotations

import ast
import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from containers.job import build as building
from containers.job.build import build, sources

ALONE = {name: (Path(building.__file__).parent / name).read_text() for name in ("boot.py", "prepare.py")}
"""Programs of their own, run by the same old Pythons."""
BUNDLED = {name: text.decode() for name, text in sources().items()} | ALONE
NEWER_THAN_3_9 = {"StrEnum", "TaskGroup", "ExceptionGroup", "Self", "assert_never", "tomllib", "UTC", "pairwise"}


@pytest.mark.parametrize("name", BUNDLED)
def test_every_module_is_python_3_9_and_imports_only_the_standard_library_and_itself(name: str) -> None:
    tree = ast.parse(BUNDLED[name], name, feature_version=(3, 9))
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(node.module or "")
        assert not isinstance(node, ast.Match)
        names = {getattr(node, "id", None), getattr(node, "attr", None), getattr(node, "name", None)}
        assert not names & NEWER_THAN_3_9
    ours = {module for module in imported if module.split(".")[0] == "containers"}
    assert all(module.startswith("containers.job") for module in ours)
    assert {module.split(".")[0] for module in imported - ours} <= sys.stdlib_module_names


def test_annotations_are_never_evaluated(tmp_path: Path) -> None:
    """``int | None`` is an error at run time on 3.9; as text it is not."""
    missing = [
        name for name, text in BUNDLED.items() if " | None" in text and "from __future__ import annotations" not in text
    ]
    assert missing == []


def test_the_same_sources_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = build(tmp_path / "one.pyz")
    files = dict(reversed(list(sources().items())))
    monkeypatch.setattr(building, "sources", lambda: dict(sorted(files.items())))
    assert build(tmp_path / "two.pyz") == first
    data = (tmp_path / "one.pyz").read_bytes()
    assert data == (tmp_path / "two.pyz").read_bytes()
    assert hashlib.sha256(data).hexdigest() == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.pyz", "two.pyz"]


def test_another_source_gives_another_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = build(tmp_path / "one.pyz")
    monkeypatch.setattr(building, "sources", lambda: {**sources(), "z.py": b""})
    assert build(tmp_path / "one.pyz") != first


def test_the_bundle_runs_alone(tmp_path: Path) -> None:
    build(tmp_path / "wrapper.pyz")
    with zipfile.ZipFile(tmp_path / "wrapper.pyz") as archive:
        assert "containers/job/build.py" not in archive.namelist()
        assert archive.namelist() == sorted(archive.namelist())
    found = subprocess.run(
        [sys.executable, "-I", "-S", str(tmp_path / "wrapper.pyz")],
        env={}, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (found.returncode, found.stdout) == (78, "")
    assert "LASTCALL_JOB_FOLDER is missing; nothing was run" in found.stderr
