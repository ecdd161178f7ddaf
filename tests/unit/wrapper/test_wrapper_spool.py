"""The log on its way: in order, bounded, and cut openly. Fault 33."""

from __future__ import annotations

import json

from containers.job.spool import FILE_BYTES_MAX, PENDING_BYTES_MAX, STANDSTILL_S, TAIL_BYTES_MAX, Spool


def drain(spool: Spool, boot: float = 0.0) -> list[str]:
    texts = []
    while (batch := spool.batch()) is not None:
        assert len(batch) <= FILE_BYTES_MAX
        texts += [json.loads(line)["text"] for line in batch.splitlines()]
        spool.written(boot)
    return texts


def test_lines_leave_in_order_in_files_of_bounded_size() -> None:
    spool = Spool(1 << 30)
    for n in range(20_000):
        spool.add("stdout", f"{n} {'x' * 40}", 0.0, 0.0)
    assert [text.split()[0] for text in drain(spool)] == [str(n) for n in range(20_000)]
    assert spool.batch() is None


def test_a_batch_stays_the_same_until_it_is_written() -> None:
    spool = Spool(1 << 20)
    spool.add("stdout", "a", 0.0, 0.0)
    first = spool.batch()
    spool.add("stdout", "b", 0.0, 0.0)
    assert spool.batch() == first
    assert spool.due(0.0, 5.0) == 0.0
    spool.written(1.0)
    assert spool.due(1.0, 5.0) == 5.0


def test_a_file_is_due_after_the_interval_or_when_it_is_full() -> None:
    spool = Spool(1 << 30)
    assert spool.due(0.0, 5.0) is None
    spool.add("stdout", "a", 0.0, 10.0)
    assert spool.due(12.0, 5.0) == 3.0
    assert spool.due(20.0, 5.0) == 0.0
    for _ in range(40):
        spool.add("stdout", "x" * 10_000, 0.0, 10.0)
    assert spool.due(10.0, 5.0) == 0.0


def test_past_the_total_lines_are_counted_and_the_last_ones_kept() -> None:
    spool = Spool(10_000)
    for n in range(5_000):
        spool.add("stdout", f"line {n}", 0.0, 0.0)
    before = drain(spool)
    assert sum(len(text) for text in before) < 10_000
    spool.close(0.0, 0.0)
    after = drain(spool)
    assert after[-1] == "line 4999"
    assert after[0] == f"log cut: {5_000 - len(before) - (len(after) - 1)} lines left out here"
    assert sum(len(text) for text in after) < TAIL_BYTES_MAX


def test_a_full_spool_makes_the_pipes_wait_and_never_for_long() -> None:
    spool = Spool(1 << 30)
    line = "x" * 16_000
    while not spool.must_wait(100.0):
        spool.add("stdout", line, 0.0, 100.0)
    assert spool.must_wait(100.0 + STANDSTILL_S - 0.1)
    assert not spool.must_wait(100.0 + STANDSTILL_S)
    spool.batch()
    spool.written(106.0)
    assert not spool.must_wait(106.0)


def test_with_storage_at_a_standstill_memory_stays_bounded_and_the_gap_is_told_when_it_is_over() -> None:
    spool = Spool(1 << 30)
    line = "x" * 16_000
    for _ in range(2 * PENDING_BYTES_MAX // 16_000):
        spool.add("stdout", line, 0.0, 0.0)
    kept = drain(spool)
    assert len(kept) * 16_000 <= PENDING_BYTES_MAX + 16_100
    spool.add("stdout", "back", 0.0, 0.0)
    after = drain(spool)
    assert after[0].startswith("log cut: ")
    assert after[-1] == "back"
    assert len(kept) + int(after[0].split()[2]) + len(after) - 2 == 2 * PENDING_BYTES_MAX // 16_000


def test_a_gap_smaller_than_the_tail_is_no_gap() -> None:
    spool = Spool(130)
    spool.add("stdout", "a" * 20, 0.0, 0.0)
    spool.add("stdout", "b" * 20, 0.0, 0.0)
    spool.close(0.0, 0.0)
    assert drain(spool) == ["a" * 20, "b" * 20]
