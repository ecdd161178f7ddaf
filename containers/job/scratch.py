"""The scratch directory: what the work finds when it starts, and the environment it starts with."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path
from typing import Any, Callable

from containers.job.folder import PROGRESS, dump
from containers.job.memory import limit_bytes
from containers.job.processes import MARKER
from containers.job.settings import Settings
from containers.job.spec import Spec, Work

WORK_FILE = "work.json"
OUT = "out"
TEMPORARY = "tmp"
CHECKPOINTS = "checkpoint"


class InputMissing(Exception):
    """An input of the job is not where the spec says."""


def prepare(settings: Settings, spec: Spec) -> None:
    """Make the scratch directory from nothing. Raises OSError, InputMissing."""
    scratch = settings.scratch
    remove(scratch)
    scratch.mkdir(mode=0o700)
    for name in (OUT, TEMPORARY, CHECKPOINTS):
        (scratch / name).mkdir(mode=0o700)
    (scratch / WORK_FILE).write_bytes(dump(spec.work_spec))
    for name, relative in spec.inputs.items():
        source = settings.storage_root / relative
        if not source.is_file():
            raise InputMissing(f"input {name} is not in storage")
        (scratch / name).symlink_to(source)


def environment(settings: Settings, work: Work) -> dict[str, str]:
    """Return all the work gets: none of the daemon's variables, no key, and ours win over the spec's."""
    scratch = settings.scratch
    return {
        "PATH": settings.path,
        "HOME": str(scratch),
        "TMPDIR": str(scratch / TEMPORARY),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        **work.environment,
        MARKER: settings.machine,
        "LASTCALL_PROGRESS_FILE": str(scratch / PROGRESS),
        "LASTCALL_OUT": str(scratch / OUT),
        "LASTCALL_CHECKPOINT_FILE": str(checkpoint_file(settings)),
        "LASTCALL_PYTHON": sys.executable,
        "LASTCALL_WORK_MEMORY_BYTES": str(limit_bytes(settings.memory_limit_bytes)),
    }


def checkpoint_file(settings: Settings) -> Path:
    """Return where the work leaves its checkpoint, replaced whole, and finds an earlier attempt's."""
    return settings.scratch / CHECKPOINTS / "latest"


def preparing_environment(settings: Settings, work: Work) -> dict[str, str]:
    """Return what the preparing step gets: that, and where this machine was told to take packages from."""
    return {**settings.installer, **environment(settings, work)}


def remove(path: Path) -> bool:
    """Remove a directory tree, also one whose folders were made unreadable; return whether it is gone."""
    shutil.rmtree(path, onerror=_open_up)
    return not os.path.lexists(path)


def _open_up(_: Callable[..., Any], name: str, __: Any) -> None:
    path = Path(name)
    try:
        if path.is_symlink() or not os.path.lexists(path):
            return
        path.parent.chmod(stat.S_IRWXU)
        if path.is_dir():
            path.chmod(stat.S_IRWXU)
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
    except OSError:
        return
