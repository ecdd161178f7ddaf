"""The committed JSON Schemas of the documents that scripts rely on: ``python -m lastcall.cli.schemas FOLDER``.

Not imported by any command: it needs pydantic.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from messages.documents import CostDocument, Document, PsDocument, TrainDocument

DIALECT = "https://json-schema.org/draft/2020-12/schema"
PUBLISHED: dict[str, type[Document]] = {"train": TrainDocument, "ps": PsDocument, "cost": CostDocument}


def schema_text(name: str) -> str:
    """Return one schema as it is committed. Every field of an answer is always there, so all are required."""
    schema = PUBLISHED[name].model_json_schema(by_alias=True, mode="serialization")
    return json.dumps({"$schema": DIALECT, **schema}, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def write(folder: Path) -> None:
    """Write every published schema into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in PUBLISHED:
        (folder / f"{name}.json").write_text(schema_text(name), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
