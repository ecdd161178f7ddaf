"""Make ``requirements/*.txt`` again: every version and every hash, one file per profile, no index line, no addresses.

    python -m tools.lock [--upgrade]

The largest profile is solved first and binds the others, so that they always agree. Versions that are locked already
stay unless ``--upgrade`` is given.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = {"dev": "dev", "demo": "demo", "train": "train", "core": None}
"""Profile → extra in pyproject.toml, largest first."""

OPTIONS = (
    "--universal",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--no-annotate",
    "--python-version=3.11",
    "--custom-compile-command=./dev lock",
    "--quiet",
)


def compile_file(source: str, output: Path, *more: str) -> None:
    """Solve one file; a solver's refusal ends the run with its own words."""
    uv = Path(sys.executable).parent / "uv"
    command = [str(uv), "pip", "compile", source, "-o", str(output), *OPTIONS, *more]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        raise SystemExit(f"lock: {output.name} could not be solved")


def main(arguments: Sequence[str]) -> int:
    """Lock every profile, then uv itself."""
    if not (Path(sys.executable).parent / "uv").exists():
        raise SystemExit("lock: uv is not in the environment; it is needed to solve the requirements")
    more = [word for word in arguments if word == "--upgrade"]
    for profile, extra in EXTRAS.items():
        extras = ["--extra", extra] if extra else []
        bound = [] if profile == "dev" else ["--constraints", "requirements/dev.txt"]
        compile_file("pyproject.toml", ROOT / "requirements" / f"{profile}.txt", *extras, *bound, *more)
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "uv.in"
        wanted.write_text("uv\n")
        compile_file(str(wanted), ROOT / "requirements" / "uv.txt", *more)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
