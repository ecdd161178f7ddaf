"""What an image of ours has beside its libraries: ``python -m containers.image FOLDER``, a step of the Dockerfiles.

Leaves ``wrapper.pyz``, ``code.zip`` and ``entry`` in FOLDER, an environment that was installed there, and lends its
Python scikit-learn's copy of OpenMP, which LightGBM needs and slim images lack. Standard library only.
"""

from __future__ import annotations

import sys
from pathlib import Path

from containers.bundle import CODE, WRAPPER, code_sources
from containers.job import prepare
from containers.job.build import archive_bytes, build

ENTRY = "entry"
_ENTRY = """#!/bin/sh
if [ $# -gt 0 ]; then
  exec "$@"
fi
here=${0%/*}
exec "$here/bin/python" -I -S "$here/wrapper.pyz"
"""
"""The wrapper, unless another command is given: clouds start a job by a command of their own, which fetches the
wrapper that belongs to it, and hand it to whatever entry point an image has."""


def fill(folder: Path) -> None:
    """Put the programs beside the libraries in ``folder``. Raises OSError."""
    (site,) = folder.glob("lib/python*/site-packages")
    prepare.lend_openmp(folder, site)
    build(folder / WRAPPER)
    (folder / CODE).write_bytes(archive_bytes(code_sources()))
    (folder / ENTRY).write_text(_ENTRY, "utf-8")
    (folder / ENTRY).chmod(0o755)


if __name__ == "__main__":
    fill(Path(sys.argv[1]))
