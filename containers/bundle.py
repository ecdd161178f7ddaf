"""The job bundle: all a stock machine needs to train, as a few files under one digest.

``wrapper.pyz`` (the first process), ``code.zip`` (the training program), ``requirements.txt`` (its libraries, locked
with hashes), ``requirements-LIBRARY.txt`` (those and one more, for the models that need it), ``prepare.py`` (the
preparing step) and ``manifest.json`` (what the others are). The same sources give the
same bytes, and the digest names all of them: it goes into storage once, under ``bundles/<32 hex>/``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from containers.job.build import archive_bytes, wrapper_bytes

FOLDER = "bundles"
"""First part of every bundle's keys in storage."""
DIGEST_CHARS = 32
"""So much of the digest is in the keys."""
SCHEMA = "bundle/v1"
WRAPPER = "wrapper.pyz"
CODE = "code.zip"
REQUIREMENTS = "requirements.txt"
PREPARE = "prepare.py"
MANIFEST = "manifest.json"

LIBRARIES = ("catboost", "lightgbm", "xgboost")
"""What some models need beside the libraries of all. A machine gets at most one of them."""
IMPORTS = ("matplotlib", "numpy", "pandas", "pyarrow", "sklearn", "skops.io", "threadpoolctl")
"""Imported once by the preparing step, so that what is missing shows there and not in the middle of a training."""

_PACKAGE = Path(__file__).parent
_CODE_FOLDERS = ("prediction", "training")
"""A training tries its model the way a prediction will, so it needs both."""
_LOCKED = (_PACKAGE / "requirements", _PACKAGE.parent / "requirements")
"""In an installed wheel, and in a checkout."""


@dataclass(frozen=True)
class Bundle:
    """A bundle in memory. ``files`` has the manifest last, the order in which they go into storage."""

    digest: str
    """sha256 of the manifest, hexadecimal."""
    files: Mapping[str, bytes]

    @property
    def prefix(self) -> str:
        """The storage key of its folder, without a trailing slash."""
        return f"{FOLDER}/{self.digest[:DIGEST_CHARS]}"

    @property
    def wrapper_sha256(self) -> str:
        """What a machine judges the wrapper by."""
        return hashlib.sha256(self.files[WRAPPER]).hexdigest()


def build() -> Bundle:
    """Return the bundle of these sources, about 0.5 MB. Raises OSError where this installation lacks a part of it."""
    return assemble(locked("job.txt"), {library: locked(f"job-{library}.txt") for library in LIBRARIES})


def requirements_name(library: str) -> str:
    """Return the name of the requirements file that has ``library`` too."""
    return f"requirements-{library}.txt"


def assemble(requirements: bytes, more: Mapping[str, bytes] | None = None) -> Bundle:
    """Return the bundle with requirements files of its own; ``more`` are those by library. Raises OSError."""
    files = {
        WRAPPER: wrapper_bytes(),
        CODE: archive_bytes(code_sources()),
        REQUIREMENTS: requirements,
        **{requirements_name(library): data for library, data in (more or {}).items()},
        PREPARE: (_PACKAGE / "job" / "prepare.py").read_bytes(),
    }
    entries = [
        {"name": name, "size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in files.items()
    ]
    manifest = json.dumps({"schema": SCHEMA, "files": entries}, indent=1).encode()
    return Bundle(hashlib.sha256(manifest).hexdigest(), {**files, MANIFEST: manifest})


def code_sources() -> dict[str, bytes]:
    """Return the programs' modules by their names in the archive, sorted. They import nothing else of ours."""
    files = {"containers/__init__.py": b""}
    for folder in _CODE_FOLDERS:
        for path in (_PACKAGE / folder).rglob("*.py"):
            files[f"containers/{path.relative_to(_PACKAGE).as_posix()}"] = path.read_bytes()
    return dict(sorted(files.items()))


def locked(name: str) -> bytes:
    """Return a file of locked requirements. Raises FileNotFoundError where this installation has it not."""
    for folder in _LOCKED:
        if (folder / name).is_file():
            return (folder / name).read_bytes()
    raise FileNotFoundError(f"{name}: the requirements of the training program are not installed")
