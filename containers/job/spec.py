"""What the daemon wrote: ``spec.json`` and ``control.json``, checked field by field.

The shapes are those of ``messages/folder.py``; here they are read with the standard library alone.
"""

from __future__ import annotations

import math
import re
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from containers.job.clock import epoch

RESERVED_NAMES = frozenset({"work.json", "out", "tmp", "checkpoint", "progress.json", "env"})
"""Names in the scratch directory an input cannot have."""

_LOCAL_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")


class Work(NamedTuple):
    """One command to run."""

    argv: tuple[str, ...]
    environment: dict[str, str]
    limit_s: float | None


class Spec(NamedTuple):
    """What this attempt runs."""

    job_id: str
    prepare: Work | None
    work: Work
    work_spec: dict[str, Any]
    inputs: dict[str, str]
    artifacts_required: tuple[str, ...]
    resume: tuple[str, ...] = ()


class Control(NamedTuple):
    """What the daemon last said; the highest ``seq`` counts."""

    seq: int
    soft_deadline: float
    stop_requested: bool


def parse_spec(document: dict[str, Any], attempt: int) -> Spec:
    """Check a spec and return it; raises ``ValueError`` with the field's name."""
    if document.get("schema") != "spec/v1":
        raise ValueError("schema is not spec/v1")
    if document.get("attempt") != attempt:
        raise ValueError(f"attempt {document.get('attempt')!r} is not {attempt}")
    prepare = document.get("prepare")
    return Spec(
        job_id=_text(document, "job_id"),
        prepare=None if prepare is None else _work(prepare, "prepare"),
        work=_work(document.get("work"), "work"),
        work_spec=_object(document, "work_spec"),
        inputs={_local_name(name): _stored_path(path) for name, path in _object(document, "inputs").items()},
        artifacts_required=tuple(_strings(document.get("artifacts_required", []), "artifacts_required")),
        resume=tuple(_stored_path(key) for key in _strings(document.get("resume", []), "resume")),
    )


def parse_control(document: dict[str, Any]) -> Control:
    """Check a control document and return it; raises ``ValueError``."""
    seq = document.get("seq")
    if not isinstance(seq, int) or isinstance(seq, bool):
        raise ValueError("seq is not a whole number")
    stop = document.get("stop_requested", False)
    if not isinstance(stop, bool):
        raise ValueError("stop_requested is neither true nor false")
    return Control(seq, epoch(_text(document, "soft_deadline")), stop)


def _work(value: object, field: str) -> Work:
    if not isinstance(value, dict):
        raise ValueError(f"{field} is not an object")
    argv = tuple(_strings(value.get("argv"), f"{field}.argv"))
    if not argv:
        raise ValueError(f"{field}.argv is empty")
    environment = _object(value, "environment")
    for name, text in environment.items():
        if not isinstance(text, str) or not name or "=" in name or "\0" in name + text:
            raise ValueError(f"{field}.environment is not text to text")
    limit = value.get("limit_s")
    if limit is not None and (
        isinstance(limit, bool) or not isinstance(limit, (int, float)) or not math.isfinite(limit) or limit <= 0
    ):
        raise ValueError(f"{field}.limit_s is not a number of seconds")
    return Work(argv, environment, limit)


def _strings(value: object, field: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) and "\0" not in item for item in value):
        raise ValueError(f"{field} is not a list of texts")
    return value


def _text(document: dict[str, Any], field: str) -> str:
    value = document.get(field)
    if not isinstance(value, str):
        raise ValueError(f"{field} is not text")
    return value


def _object(document: dict[str, Any], field: str) -> dict[str, Any]:
    value = document.get(field, {})
    if not isinstance(value, dict):
        raise ValueError(f"{field} is not an object")
    return value


def _local_name(name: str) -> str:
    if not _LOCAL_NAME.fullmatch(name) or name in RESERVED_NAMES:
        raise ValueError(f"input name {name[:60]!r} is not allowed")
    return name


def _stored_path(path: object) -> str:
    if not isinstance(path, str) or not path or "\0" in path:
        raise ValueError("a storage path is not text")
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts:
        raise ValueError(f"storage path {path[:60]!r} leaves the storage root")
    return path
