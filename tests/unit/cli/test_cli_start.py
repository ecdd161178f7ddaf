"""What the command line may import: the user waits for every module."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from lastcall.cli.main import cli
from lastcall.cli.manual import commands, page
from lastcall.cli.schemas import PUBLISHED, schema_text, write

ROOT = Path(__file__).parents[3]
FORBIDDEN = [
    *("aiohttp", "pydantic", "pydantic_core", "structlog", "numpy", "pandas", "sklearn", "rich", "asyncio", "apsw"),
    *("prometheus_client", "telegram", "lastcall.daemon", "lastcall.boot", "actors", "providers"),
    *("messages.documents", "messages.base"),
]


def imported(*arguments: str, folder: Path) -> set[str]:
    program = (
        "import sys\nfrom lastcall.cli.main import main\ncode = main(sys.argv[1:])\n"
        "sys.stderr.write('\\nMODULES ' + ' '.join(sorted(sys.modules)))\n"
    )
    environment = {**os.environ, "LASTCALL_HOST": f"unix://{folder}/none.sock", "COVERAGE_PROCESS_START": ""}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.rsplit("MODULES ", 1)[1].split())


@pytest.mark.parametrize(
    "arguments", ["--help", "ps", "ps --json", "train --help", "logs -f x", "models ls", "status", "version --json"]
)
def test_nothing_heavy_is_imported(arguments: str, tmp_path: Path) -> None:
    found = imported(*arguments.split(), folder=tmp_path)
    assert [name for name in FORBIDDEN if name in found] == []


def test_help_imports_none_of_the_commands(tmp_path: Path) -> None:
    found = {name for name in imported("--help", folder=tmp_path) if name.startswith("lastcall.cli.")}
    assert found <= {f"lastcall.cli.{name}" for name in ("app", "main")}


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_the_committed_schema_is_the_documents(name: str) -> None:
    """Write it anew with: python -m lastcall.cli.schemas docs/schemas."""
    assert (ROOT / "docs" / "schemas" / f"{name}.json").read_text(encoding="utf-8") == schema_text(name)


@pytest.mark.parametrize(
    ("schema", "golden"),
    [("train", "train"), ("train", "train_running"), ("train", "train_failed"), ("ps", "ps"), ("cost", "cost")],
)
def test_every_golden_holds_its_schema(schema: str, golden: str) -> None:
    import json

    document = json.loads((ROOT / "tests" / "golden" / f"{golden}.json").read_text(encoding="utf-8"))
    jsonschema.validate(document, json.loads(schema_text(schema)), cls=jsonschema.Draft202012Validator)


def test_the_manual_page_is_that_of_the_commands() -> None:
    """Write it anew with: python -m lastcall.cli.manual > docs/reference/cli.md."""
    written = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    assert written == page()
    assert all(f"## {name}\n" in written for name, _ in commands(cli))


def test_schemas_are_written_as_they_are_committed(tmp_path: Path) -> None:
    write(tmp_path / "schemas")
    for name in PUBLISHED:
        assert (tmp_path / "schemas" / f"{name}.json").read_text(encoding="utf-8") == schema_text(name)
