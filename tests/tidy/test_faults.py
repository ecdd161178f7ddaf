"""Every fault that an emulated RunPod can be told to have is there for something that must hold in spite of it."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from tests.emulators.runpod.faults import RULES, Faults
from tests.emulators.runpod.s3_faults import S3Faults

TESTS = Path(__file__).parents[1]
OUTCOMES = (
    "unit/providers",
    "unit/fleet",
    "unit/reaping",
    "integration/runpod",
    "integration/setup",
    "simulation",
    "e2e",
)
"""Where tests judge what comes of a fault; that it does what its name says is tested with the emulator."""
SOURCES = [path.read_text() for room in OUTCOMES for path in sorted((TESTS / room).rglob("*.py"))]
NAMES = {field.name: name for field, name in zip(fields(Faults), RULES, strict=True)}


def told(*names: str) -> bool:
    """Tell whether a test switches it on: by keyword, or by its name as a text."""
    return any(f"{name}=" in source or f'"{name}"' in source for source in SOURCES for name in names)


@pytest.mark.parametrize("field", sorted(NAMES))
def test_a_fault_of_the_control_plane_has_a_test_of_what_comes_of_it(field: str) -> None:
    assert told(field, NAMES[field])


@pytest.mark.parametrize("name", sorted(one.name for one in fields(S3Faults)))
def test_a_fault_of_the_volume_has_a_test_of_what_comes_of_it(name: str) -> None:
    assert told(name)
