"""What is accepted can be looked at in the time that is given, and whoever waits for it waits longer."""

from __future__ import annotations

import pytest

from actors.admin.limits import Limits
from actors.storage.parts import (
    INSPECTION_BASE_S,
    INSPECTION_BYTES_PER_S,
    INSPECTION_S_MAX,
    StorageSettings,
    inspection_limit_s,
)
from lastcall.cli.client import ANSWER_S, MOVED_BYTES_MAX, waiting_s


@pytest.mark.parametrize(("size", "limit_s"), [(0, 60.0), (5_000_000, 80.0), (10**8, 460.0), (10 << 30, 600.0)])
def test_the_time_to_look_at_a_file_grows_with_it_up_to_a_bound(size: int, limit_s: float) -> None:
    assert inspection_limit_s(size) == limit_s


def test_a_packed_table_is_given_the_time_that_its_text_takes() -> None:
    """50 MB of Parquet (210 MB of text) took 18 s beside other work, as 210 MB of CSV took 9 s."""
    assert inspection_limit_s(50_000_000) >= INSPECTION_BASE_S + 20 * 50_000_000 / INSPECTION_BYTES_PER_S


def test_the_largest_file_taken_is_not_cut_short_and_everyone_waits_long_enough() -> None:
    largest = StorageSettings().upload_bytes_max
    assert INSPECTION_BASE_S + largest / INSPECTION_BYTES_PER_S < inspection_limit_s(largest) == INSPECTION_S_MAX
    assert Limits().upload_bytes == largest
    assert INSPECTION_S_MAX < Limits().work_s < ANSWER_S


@pytest.mark.parametrize("size", [0, 10**6, 10**9, 2 << 30])
def test_a_file_that_goes_to_a_slow_store_is_waited_for_as_long_as_it_takes(size: int) -> None:
    """2 GB at 10 Mbit/s take 27 minutes, and looking at them comes before."""
    limits = Limits()
    assert limits.working_s(size) >= INSPECTION_S_MAX + size / 1_250_000
    assert limits.working_s(2 * size) < waiting_s(size)
    assert limits.upload_bytes == MOVED_BYTES_MAX
