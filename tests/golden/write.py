"""Write the golden documents both sides are tested with: ``python -m tests.golden.write``."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel

from tests.integration.socket import examples

FOLDER = Path(__file__).parent


def goldens() -> dict[str, BaseModel]:
    """Return every golden by name."""
    return {
        "train": examples.succeeded(),
        "train_tried": examples.tried(),
        "train_running": examples.running(),
        "train_failed": examples.failed(),
        "ps": examples.ps(),
        "cost": examples.cost(),
        "plan": examples.plan_document(),
        "machines": examples.machines(),
        "machines_one": examples.machines(1),
        "status": examples.status(),
    }


def text(document: BaseModel) -> str:
    """Return a golden's text."""
    return json.dumps(json.loads(document.model_dump_json(by_alias=True)), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name, document in goldens().items():
        (FOLDER / f"{name}.json").write_text(text(document), encoding="utf-8")
