"""Our own images: what goes into one, and the docker commands that build and push it. Standard library only."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import containers
from containers.bundle import locked
from lastcall import __version__

PLATFORM = "linux/amd64"
"""What both clouds rent; an image built on another kind of computer would not start there."""
PYTHON_IMAGE = "python:3.12-slim-bookworm"
_PACKAGE = Path(containers.__file__).parent
REQUIREMENTS = (
    *("job.txt", "job-catboost.txt", "job-lightgbm.txt"),
    *("job-xgboost.txt", "job-xgboost-gpu.txt", "job-torch.txt"),
)
"""What they are made of, and rented machines install of it."""
_NAME = re.compile(r"[a-z0-9]+(?:[._/-][a-z0-9]+)*(?::[0-9]+(?:/[a-z0-9]+(?:[._/-][a-z0-9]+)*)?)?")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Wanted(NamedTuple):
    """One image."""

    gpu: bool = False
    registry: str | None = None
    """Account under which it is published, with its registry where that is another than docker's own."""
    digest: str | None = None
    """Of the Python image it is built on, ``sha256:…``."""
    user_id: int | None = None
    """Whom its programs run as; what the Dockerfile says when ``None``."""

    @property
    def name(self) -> str:
        """What it is called."""
        kind = "lastcall-training-gpu" if self.gpu else "lastcall-training"
        return f"{self.registry}/{kind}:{__version__}" if self.registry else f"{kind}:{__version__}"


def check(wanted: Wanted) -> str | None:
    """Return what is wrong with a name or digest that was given, in a sentence; ``None`` where nothing is."""
    if wanted.registry is not None and not _NAME.fullmatch(wanted.registry):
        return f"{wanted.registry!r} is no account of a registry, such as someone or registry.example/someone"
    if wanted.digest is not None and not _DIGEST.fullmatch(wanted.digest):
        return f"{wanted.digest!r} is no digest, such as sha256: and 64 hexadecimal digits"
    return None


def make_context(folder: Path) -> None:
    """Put into ``folder`` what docker builds from: requirements and programs. Raises OSError."""
    (folder / "requirements").mkdir()
    for name in REQUIREMENTS:
        (folder / "requirements" / name).write_bytes(locked(name))
    unwanted = shutil.ignore_patterns("__pycache__", "*.pyc", "requirements")
    shutil.copytree(_PACKAGE, folder / "containers", ignore=unwanted)


def build_command(wanted: Wanted, context: str) -> list[str]:
    """Return the command that builds the image from a context."""
    file = f"{context}/containers/training/{'Dockerfile.gpu' if wanted.gpu else 'Dockerfile'}"
    command = ["docker", "build", "--platform", PLATFORM, "--file", file, "--tag", wanted.name]
    if wanted.digest is not None:
        command += ["--build-arg", f"PYTHON_IMAGE={PYTHON_IMAGE}@{wanted.digest}"]
    if wanted.user_id is not None:
        command += ["--build-arg", f"USER_ID={wanted.user_id}"]
    return [*command, context]


def push_command(wanted: Wanted) -> list[str]:
    """Return the command that publishes the image."""
    return ["docker", "push", wanted.name]


def probe_command() -> Sequence[str]:
    """Return the command that succeeds where docker can be used."""
    return ("docker", "version", "--format", "{{.Server.Version}}")
