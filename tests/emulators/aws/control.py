"""``/_control``: what tests switch and read; no part of AWS itself."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from tests.emulators.aws.core import Ec2Core

ASKED_SHOWN_MAX = 1000
WORDS = ("faults", "heal")


def change(core: Ec2Core, document: Any, now: float) -> None:
    """Take a change: ``heal`` switches all faults off, ``faults`` merge. Raises ValueError on anything else."""
    if not isinstance(document, Mapping) or any(word not in WORDS for word in document):
        raise ValueError(f"want an object of {', '.join(WORDS)}")
    if document.get("heal"):
        core.faults.heal()
    core.faults.arm_json(document.get("faults", {}), now)
    core.tick(now)


def show(core: Ec2Core, now: float) -> dict[str, Any]:
    """Return everything the auditor knows; money as decimal texts, times as seconds since 1970."""
    core.tick(now)
    asked = islice(reversed(core.asked), ASKED_SHOWN_MAX)
    return {
        "now": now,
        "faults": core.faults.shown(),
        "hits": dict(core.faults.hits),
        "calls": dict(core.calls),
        "asked": [one._asdict() for one in asked][::-1],
        "alive": [{**vars(one), "rate": str(one.rate)} for one in core.alive(now)],
        "history": [life.shown() for life in core.history()],
        "bills": [
            {**vars(line), "rate": str(line.rate), "fixed": str(line.fixed), "amount": str(line.amount(now))}
            for line in core.bills()
        ],
    }
