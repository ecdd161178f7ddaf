"""``/_control``: what tests switch and read; no part of the platform itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from itertools import islice
from typing import Any

from tests.emulators.runpod.platform import Platform
from tests.emulators.runpod.s3 import VolumeS3

ASKED_SHOWN_MAX = 1000
WORDS = ("faults", "s3", "heal", "balance")


def change(platform: Platform, document: Any, now: float) -> None:
    """Take a change: ``faults`` and ``s3`` merge, ``heal`` switches all off, ``balance`` is account → USD.

    Raises ValueError on anything else.
    """
    if not isinstance(document, Mapping) or any(word not in WORDS for word in document):
        raise ValueError(f"want an object of {', '.join(WORDS)}")
    if document.get("heal"):
        platform.faults.heal()
        if isinstance(platform.s3, VolumeS3):
            platform.s3.faults.clear()
    platform.faults.arm_json(document.get("faults", {}), now)
    if document.get("s3"):
        if not isinstance(platform.s3, VolumeS3):
            raise ValueError("there is no S3 here")
        platform.s3.faults.merge(document["s3"], now)
    for account, balance in document.get("balance", {}).items():
        platform.set_balance(account, Decimal(str(balance)), now)
    platform.tick(now)


def show(platform: Platform, now: float) -> dict[str, Any]:
    """Return everything the auditor knows; money as decimal texts, times as seconds since 1970."""
    platform.tick(now)
    asked = islice(reversed(platform.asked), ASKED_SHOWN_MAX)
    return {
        "now": now,
        "faults": platform.faults.shown(),
        "hits": dict(platform.faults.hits),
        "s3": platform.s3.faults.as_json() if isinstance(platform.s3, VolumeS3) else None,
        "calls": dict(platform.calls),
        "answers": dict(platform.answers),
        "asked": [asdict(one) for one in asked][::-1],
        "alive": [{**vars(one), "rate": str(one.rate)} for one in platform.alive(now)],
        "history": [life.shown() for life in platform.history()],
        "bills": [{**vars(line), "rate": str(line.rate), "amount": str(line.amount(now))} for line in platform.bills()],
        "balances": {name: str(platform.ledger.balance(name, now)) for name in platform.settings.accounts},
    }
