"""Whatever the work prints becomes clean lines of bounded length."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from containers.job.lines import LINE_BYTES_MAX, LineCutter, clean


def test_escape_sequences_and_control_characters_are_taken_out() -> None:
    assert (
        clean(b"\x1b[1;31mred\x1b[0m \x1b]0;title\x07and\x1b]8;;http://x\x1b\\link\x1b(B\x00\x08\ttab")
        == "red andlink\ttab"
    )
    assert clean("a\u2028b\x85c".encode()) == "abc"


def test_invalid_utf8_is_replaced() -> None:
    assert clean(b"caf\xe9 \xff") == "caf\ufffd \ufffd"


def test_of_a_progress_bar_the_last_drawing_is_kept() -> None:
    assert clean(b"10%\r50%\r100%") == "100%"
    assert clean(b"windows\r") == "windows"


def test_a_line_is_cut_at_its_bound_and_says_how_much_is_missing() -> None:
    cutter = LineCutter()
    assert cutter.feed(b"x" * LINE_BYTES_MAX) == []
    assert cutter.feed(b"y" * 10) == []
    assert cutter.feed(b"\nz\n") == ["x" * LINE_BYTES_MAX + " … [10 bytes cut]", "z"]


def test_what_is_left_without_a_line_break_is_a_line() -> None:
    cutter = LineCutter()
    assert cutter.feed(b"a\nb") == ["a"]
    assert cutter.finish() == ["b"]
    assert LineCutter().finish() == []


@given(data=st.binary(max_size=400), cuts=st.lists(st.integers(0, 400), max_size=8))
def test_how_a_pipe_splits_its_bytes_makes_no_difference(data: bytes, cuts: list[int]) -> None:
    whole, split = LineCutter(), LineCutter()
    lines: list[str] = []
    at = 0
    for cut in [*sorted(cuts), len(data)]:
        lines += split.feed(data[at:cut])
        at = max(at, cut)
    assert lines + split.finish() == whole.feed(data) + whole.finish()


@given(st.binary(max_size=300))
def test_no_line_holds_a_control_character(data: bytes) -> None:
    text = clean(data.replace(b"\n", b""))
    assert not [c for c in text if (ord(c) < 32 and c != "\t") or 127 <= ord(c) < 160]
