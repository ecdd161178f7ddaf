"""Fill ``.dev/wheels`` with the wheels that a training machine installs, for tests that prepare one with them.

    python -m tools.wheels

Quick when nothing changed: a stamp holds the digest of the requirements and the kind of Python. Every wheel is checked
by its hash as it comes. Standard library only.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(".dev") / "wheels"
LIMIT_S = 1800
REQUIREMENTS = "job-lightgbm.txt"
"""What every machine installs, and the smallest of the libraries that only some models need."""


def fingerprint(requirements: Path) -> str:
    """Return what decides which wheels are needed."""
    kind = f"{sys.implementation.cache_tag} {sysconfig.get_platform()}"
    return f"{hashlib.sha256(requirements.read_bytes()).hexdigest()} {kind}\n"


def ensure(root: Path, python: str | Path = sys.executable) -> str | None:
    """Make sure of the wheels for ``python``; return ``None``, or one line on why they are not there."""
    requirements = root / "requirements" / REQUIREMENTS
    folder, stamp = root / FOLDER, root / FOLDER / "stamp"
    wanted = fingerprint(requirements)
    if stamp.is_file() and stamp.read_text() == wanted:
        return None
    draft = folder.with_name("wheels.new")
    shutil.rmtree(draft, ignore_errors=True)
    command = [str(python), "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--require-hashes", "--no-deps", "--only-binary", ":all:", "-d", str(draft), "-r", str(requirements)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        return "the wheels for tests did not come in time"
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()] or ["no output"]
        return f"the wheels for tests could not be fetched: {lines[-1][:300]}"
    (draft / "stamp").write_text(wanted)
    shutil.rmtree(folder, ignore_errors=True)
    draft.replace(folder)
    return None


def main() -> int:
    """Fetch what is missing."""
    trouble = ensure(ROOT)
    if trouble is not None:
        sys.stderr.write(f"dev: {trouble}\n")
    return 0 if trouble is None else 1


if __name__ == "__main__":
    sys.exit(main())
