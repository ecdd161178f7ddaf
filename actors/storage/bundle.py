"""What a training leaves, judged: which files belong to a model, and what its small documents say. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from actors.storage.access import safe_name
from actors.storage.models import MANIFEST
from actors.storage.reading import NotFinite, parse_json
from messages.storage import Artifact

ARTIFACTS_FOLDER: Final = "artifacts/"
"""Where the wrapper puts what the work left; names in a marker begin with it."""
MODEL_FILE: Final = "model.skops"
METRICS_FILE: Final = "metrics.json"
METADATA_FILE: Final = "metadata.json"
SCHEMA_FILE: Final = "schema.json"
REQUIRED: Final = (MODEL_FILE, METRICS_FILE, METADATA_FILE, SCHEMA_FILE)
DOCUMENT_BYTES_MAX: Final = 4 << 20
"""``metrics.json`` and ``metadata.json``."""
FEATURE_NAMES_MAX: Final = 10_000
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Fault(NamedTuple):
    """Why a result is none: a registered code and one line."""

    code: str
    detail: str


class Description(NamedTuple):
    """What ``metadata.json`` says of the model."""

    target: str
    task: str
    model_type: str
    features: tuple[str, ...]


def files_of(artifacts: Sequence[Artifact], files_max: int, bytes_max: int) -> dict[str, Artifact] | Fault:
    """Return name inside the model → artifact, or what is wrong with the list itself."""
    files: dict[str, Artifact] = {}
    for artifact in artifacts:
        name = artifact.name.removeprefix(ARTIFACTS_FOLDER)
        if name == artifact.name or not safe_name(name):
            return Fault("E-ARTIFACT", f"the result names a file outside its folder: {artifact.name[:60]!r}")
        if artifact.size_bytes < 0 or not _SHA256.fullmatch(artifact.sha256):
            return Fault("E-ARTIFACT", f"the result states no size or SHA-256 for {name}")
        if name in files or name == MANIFEST:
            return Fault("E-ARTIFACT", f"the result names {name[:60]!r} twice or in place of ours")
        files[name] = artifact
    missing = [name for name in REQUIRED if name not in files]
    if missing:
        return Fault("E-NORESULT", f"no {missing[0]} among the result files")
    if len(files) > files_max or sum(a.size_bytes for a in files.values()) > bytes_max:
        return Fault("E-ARTIFACT", f"the result has more than {files_max} files or {bytes_max} bytes")
    large = [n for n in (METRICS_FILE, METADATA_FILE) if files[n].size_bytes > DOCUMENT_BYTES_MAX]
    if large:
        return Fault("E-ARTIFACT", f"{large[0]} is longer than {DOCUMENT_BYTES_MAX} bytes")
    return files


def metrics_of(data: bytes) -> dict[str, object] | Fault:
    """Return the metrics, or ``E-METRICS`` when a number in them is none, or there is no number at all."""
    try:
        value = parse_json(data)
    except NotFinite as error:
        return Fault("E-METRICS", f"{METRICS_FILE}: {error}")
    except ValueError:
        return Fault("E-METRICS", f"{METRICS_FILE} cannot be read")
    if not isinstance(value, dict) or not _numbers(value):
        return Fault("E-METRICS", f"{METRICS_FILE} holds no number")
    return value


def description_of(data: bytes, job: str) -> Description | Fault:
    """Return what ``metadata.json`` says; a file about another job is refused."""
    try:
        value = parse_json(data)
    except ValueError:
        return Fault("E-ARTIFACT", f"{METADATA_FILE} cannot be read")
    if not isinstance(value, dict):
        return Fault("E-ARTIFACT", f"{METADATA_FILE} is not an object")
    if value.get("job_id") not in (job, "", None):
        return Fault("E-ARTIFACT", f"{METADATA_FILE} is about another job")
    target, task, model_type = (_text(value.get(name)) for name in ("target_column", "task", "model_type"))
    features = _names(value.get("feature_columns"))
    if not (target and task and model_type and features):
        return Fault("E-ARTIFACT", f"{METADATA_FILE} lacks target_column, task, model_type or feature_columns")
    return Description(target, task, model_type, features)


def _numbers(value: Any) -> int:
    """Count the finite numbers in a document that was read without NaN."""
    if isinstance(value, dict):
        return sum(_numbers(item) for item in value.values())
    if isinstance(value, list):
        return sum(_numbers(item) for item in value)
    return int(isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value))


def _text(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= 1000 and _is_unicode(value) else ""


def _is_unicode(value: str) -> bool:
    """Lone surrogates can be written in JSON and nowhere else."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _names(value: object) -> tuple[str, ...]:
    """Return a list of column names; empty when it is none."""
    if not isinstance(value, list) or len(value) > FEATURE_NAMES_MAX:
        return ()
    names = [_text(item) for item in value]
    return tuple(names) if all(names) else ()
