"""A fresh process that loads a converted model as predictions do: ``python -m containers.importing.checking REQUEST``.

Nothing of the sandbox is believed: the file is read by the allow-list of its family, its trees are looked at, its
answers are compared bit for bit with those of the original, and only then the rest of the bundle is written. It may
take no more than the sandbox: to read a model can take more than to make it, as trees of neighbours are built again.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np

from containers.importing.names import CLASSIFICATION, KINDS
from containers.importing.rows import framed
from containers.importing.trees import check
from containers.importing.walls import Limits, limit, starved
from containers.prediction.core import answer
from containers.prediction.model import METADATA_FILE, MODEL_FILE, SCHEMA_FILE, load_pipeline
from containers.training import manifest
from containers.training.families import library_of
from containers.training.refusal import Refused, unexpected

VERDICT: Final = "Brought over from an older product, which said how good it is; nothing was measured here."


def main(request: dict[str, Any]) -> int:
    """Check and write; the answer goes to the descriptor named."""
    with os.fdopen(request["asked"], "rb", closefd=False) as file:
        asked = json.load(file)
    try:
        said = checked(request["out"], asked)
    except Refused as refused:
        said = {"ok": False, "code": refused.code, "detail": refused.detail}
    except (ValueError, TypeError, LookupError, AttributeError, OSError, ImportError, MemoryError) as error:
        said = {"ok": False, "code": "E-IMPORT-LOAD", "detail": unexpected(error)}
        if starved(error):
            said |= {"code": "E-IMPORT-LIMIT", "detail": "The model took more memory than it may"}
    with os.fdopen(request["answered"], "wb", closefd=False) as file:
        file.write(json.dumps(said).encode())
    return 0


def checked(out: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Load, compare, write. Raises ``Refused`` E-IMPORT-DIFFERS, E-MODEL-DAMAGED."""
    said, told = asked["said"], asked["told"]
    family, task = str(said["model_type"]), str(said["task"])
    if (family, task) not in {tuple(kind) for kinds in KINDS.values() for kind in kinds.values()}:
        raise Refused("E-IMPORT-KIND", "The sandbox made a model of no kind that is known")
    metadata = _metadata(asked)
    pipeline = load_pipeline(Path(f"{out}{MODEL_FILE}"), family)
    check(pipeline)
    frame = framed(said["table"])[metadata["feature_columns"]]
    original = np.array(said["answers"], dtype=np.float64)
    found = answer(pipeline, metadata, frame).ravel()
    if len(original) == 0 or found.tobytes() != original.tobytes():
        raise Refused("E-IMPORT-DIFFERS", "The converted model does not answer as the original did")
    metrics = {"verdict": VERDICT, **{f"reported_{name}": value for name, value in told["metrics"].items()}}
    _write(out, "metrics.json", metrics)
    _write(out, SCHEMA_FILE, _schema(metadata, frame, invented=bool(said["invented"])))
    Path(f"{out}{manifest.REQUIREMENTS_FILE}").write_text(manifest.requirements(), encoding="utf-8")
    _write(out, METADATA_FILE, metadata)
    kept = ("model_type", "task", "target_column", "feature_columns")
    return {"ok": True, **{name: metadata[name] for name in kept}, "metrics": metrics, "rows": len(frame)}


def _metadata(asked: dict[str, Any]) -> dict[str, Any]:
    said, told, looked = asked["said"], asked["told"], asked["looked"]
    features = [str(name) for name in said["features"]]
    classes = [str(name) for name in said["classes"]] if said["task"] == CLASSIFICATION else None
    return {
        "model_type": str(said["model_type"]),
        "task": str(said["task"]),
        "target_column": told["target"],
        "feature_columns": features,
        "classes": classes,
        "probabilities": bool(said["probabilities"]),
        "hyperparameters": said["parameters"] if isinstance(said["parameters"], dict) else {},
        "training_samples": told["training_samples"],
        "test_samples": told["test_samples"],
        "imported": {
            "files": looked["files"],
            "class": str(said["class_name"])[:100],
            "made_with": looked["versions"],
            "told": {"model_type": told["model_type"], "hyperparameters": told["hyperparameters"]},
            "compared_rows": max((len(cells) for cells in said["table"].values()), default=0),
            "rows_invented": bool(said["invented"]),
            "walls": said["walls"],
            "at": manifest.now(),
        },
        "versions": manifest.versions(library_of(str(said["model_type"]))),
    }


def _schema(metadata: dict[str, Any], frame: Any, *, invented: bool) -> dict[str, Any]:
    columns = [_column(frame[name], str(name), invented=invented) for name in metadata["feature_columns"]]
    return {"schema": "columns/v1", "target": metadata["target_column"], "decimal": None, "columns": columns}


def _column(values: Any, name: str, *, invented: bool) -> dict[str, Any]:
    if values.dtype == object:
        return {"name": name, "kind": "category"}
    known = [] if invented else values[~np.isnan(values)].tolist()
    return {"name": name, "kind": "number", **({"low": min(known), "high": max(known)} if known else {})}


def _write(out: str, name: str, found: dict[str, Any]) -> None:
    text = json.dumps(found, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    Path(f"{out}{name}").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    limit(Limits(*given["limits"]))
    sys.exit(main(given))
