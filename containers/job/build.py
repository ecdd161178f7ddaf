"""Builds the wrapper: one zipapp, the same bytes for the same sources.

Stored without compression, so that not even the zlib version shows; names sorted, times fixed.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

SHEBANG = b"#!/usr/bin/env python3\n"
FIXED_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip archive can state."""

_MAIN = b"""import os
import sys

from containers.job.main import main

sys.exit(main(os.environ))
"""
_PACKAGE = Path(__file__).parent
_NOT_BUNDLED = frozenset({Path(__file__).name, "aws_boot.py", "boot.py", "prepare.py"})
"""Programs of their own, which the wrapper does not import."""


def sources() -> dict[str, bytes]:
    """Return what goes into the archive: name to bytes, sorted by name."""
    files = {"__main__.py": _MAIN, "containers/__init__.py": b""}
    for path in _PACKAGE.glob("*.py"):
        if path.name not in _NOT_BUNDLED:
            files[f"containers/job/{path.name}"] = path.read_bytes()
    return dict(sorted(files.items()))


def archive_bytes(files: Mapping[str, bytes]) -> bytes:
    """Return a zip archive of ``files`` in their order: the same bytes for the same files."""
    data = BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, FIXED_TIME)
            entry.external_attr = 0o644 << 16
            entry.create_system = 3  # Unix, wherever it is built
            archive.writestr(entry, content)
    return data.getvalue()


def wrapper_bytes() -> bytes:
    """Return the zipapp."""
    return SHEBANG + archive_bytes(sources())


def build(target: Path) -> str:
    """Write the zipapp to ``target``, whole or not at all, and return its sha256 (hexadecimal)."""
    bundle = wrapper_bytes()
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    temporary.write_bytes(bundle)
    temporary.chmod(0o755)
    temporary.replace(target)
    return hashlib.sha256(bundle).hexdigest()
