"""Make ``requirements/*.txt`` again: every version and every hash, one file per profile, no index line, no addresses.

    python -m tools.lock [--upgrade]

The largest profile is solved first and binds the others, so that they always agree. Versions that are locked already
stay unless ``--upgrade`` is given. ``job.txt`` is what a rented machine installs: the libraries of the training
program with all they need, and nothing of the application's own; ``job-LIBRARY.txt`` has one more for the models that
need it, ``job-torch.txt`` and ``job-xgboost-gpu.txt`` what the GPU image has in place of it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = {
    "dev": ("dev",),
    "boosters": ("boosters",),
    "demo": ("demo", "aws"),
    "train": ("train", "aws"),
    "aws": ("aws",),
    "core": ("aws",),
}
"""Profile → extras in pyproject.toml, largest first. A checkout reaches every provider, whichever is configured."""

JOB_EXTRA = "train"
"""The extra whose libraries the training program needs; compiled alone, it brings no dependency of the application."""

BOOSTERS = {"catboost": "catboost", "lightgbm": "lightgbm", "xgboost": "xgboost-cpu"}
"""Library → its package. A machine installs one of them, and only for a model that needs it."""

GPU_IMAGE = ("torch", "safetensors")
"""What the GPU image has beside them. Some gigabytes: no machine installs it for one job."""

GPU_XGBOOST = "xgboost"
"""XGBoost with CUDA, in place of its CPU package and in the same version: models go from one to the other."""

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


def compile_alone(profile: str, wanted: Sequence[str], *more: str) -> None:
    """Solve a list of its own, without the project's dependencies."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / f"{profile}.in"
        source.write_text("".join(f"{line}\n" for line in wanted))
        compile_file(str(source), ROOT / "requirements" / f"{profile}.txt", *more)


def locked(profile: str) -> list[str]:
    """Return the locked versions of a profile, with the Pythons they are for."""
    lines = (ROOT / "requirements" / f"{profile}.txt").read_text().splitlines()
    return [line.removesuffix("\\").strip() for line in lines if "==" in line and not line.startswith("#")]


def main(arguments: Sequence[str]) -> int:
    """Lock every profile, then uv itself."""
    if not (Path(sys.executable).parent / "uv").exists():
        raise SystemExit("lock: uv is not in the environment; it is needed to solve the requirements")
    more = [word for word in arguments if word == "--upgrade"]
    for profile, names in EXTRAS.items():
        extras = [f"--extra={name}" for name in names]
        bound = [] if profile == "dev" else ["--constraints", "requirements/dev.txt"]
        compile_file("pyproject.toml", ROOT / "requirements" / f"{profile}.txt", *extras, *bound, *more)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    bound = ["--constraints", "requirements/dev.txt"]
    wanted = project["optional-dependencies"][JOB_EXTRA]
    compile_alone("job", wanted, *bound, *more)
    for library, package in BOOSTERS.items():
        compile_alone(f"job-{library}", [*wanted, package], *bound, *more)
    compile_alone("job-torch", [*wanted, *GPU_IMAGE], *bound, *more)
    cpu = BOOSTERS["xgboost"]
    same = [line.replace(cpu, GPU_XGBOOST) for line in locked("job-xgboost") if line.startswith(f"{cpu}==")]
    bound += ["--constraints", "requirements/job-torch.txt"]
    compile_alone("job-xgboost-gpu", [*wanted, *same], *bound, *more)
    compile_alone("uv", ["uv"], *more)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
