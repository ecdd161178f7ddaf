"""Is it the machine that was asked for, and how long does the money last at its price?"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from actors.supervisor.checks import mismatch
from messages.machines import Machine, MachineState, Offer

AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
OFFER = Offer(
    id="NVIDIA RTX A5000@EU-RO-1",
    provider="runpod",
    machine_type="NVIDIA RTX A5000",
    place="EU-RO-1",
    rate_usd_per_hour=Decimal("0.27"),
    gpu="NVIDIA RTX A5000",
    gpu_count=1,
)


def made(**more: Any) -> Machine:
    facts: dict[str, Any] = {
        "id": "p1",
        "name": "n",
        "account": "a",
        "state": MachineState.STARTING,
        "first_seen": AT,
        "rate_usd_per_hour": Decimal("0.27"),
        "machine_type": "NVIDIA RTX A5000",
        "gpu_count": 1,
        "place": "EU-RO-1",
    }
    return Machine(**{**facts, **more})


def test_the_machine_that_was_asked_for_is_kept() -> None:
    assert mismatch(made(), OFFER) is None
    assert mismatch(made(rate_usd_per_hour=Decimal("0.20")), OFFER) is None
    assert mismatch(made(rate_usd_per_hour=Decimal("0.297")), OFFER) is None  # a tenth more: the hold bounds it


def test_what_the_provider_does_not_say_is_not_held_against_the_machine() -> None:
    unsaid = made(rate_usd_per_hour=None, machine_type=None, gpu_count=None, place=None)
    assert mismatch(unsaid, OFFER) is None


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        ({"rate_usd_per_hour": Decimal("0.30")}, "$0.30/h where $0.27/h"),
        ({"machine_type": "NVIDIA L4"}, "NVIDIA L4 where NVIDIA RTX A5000"),
        ({"gpu_count": 0}, "0 GPUs where 1"),
        ({"place": "US-KS-2"}, "US-KS-2 where EU-RO-1"),
    ],
)
def test_another_machine_is_named(difference: dict[str, Any], words: str) -> None:
    """Faults 27 and 77."""
    assert words in str(mismatch(made(**difference), OFFER))


def test_a_machine_without_a_gpu_is_not_asked_for_one() -> None:
    cpu = OFFER.model_copy(update={"machine_type": "cpu3c-2", "gpu": None, "gpu_count": 0})
    assert mismatch(made(machine_type="cpu3c-2", gpu_count=None), cpu) is None
