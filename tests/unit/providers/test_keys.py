"""Storage keys: whatever is taken stays inside the store and comes back from a listing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from providers.interface import Refused
from providers.keys import COMPONENT_BYTES_MAX, KEY_BYTES_MAX, is_key_part, split_key

SHARP = st.text(st.sampled_from("a./\\\0\n.. ~-%\u202eé\ud800"), max_size=12)


@given(st.one_of(st.text(max_size=40), SHARP))
@example("..")
@example("a/../../b")
@example("/etc/passwd")
def test_a_key_that_is_taken_names_a_place_below_the_root(key: str) -> None:
    try:
        parts = split_key(key)
    except Refused:
        return
    root = Path("/store/root")
    assert "/".join(parts) == key
    assert Path(os.path.normpath(root.joinpath(*parts))) == root.joinpath(*parts)
    assert root in root.joinpath(*parts).parents
    assert all(part and not part.startswith(".") and len(os.fsencode(part)) <= COMPONENT_BYTES_MAX for part in parts)
    assert all(is_key_part(part) for part in parts)
    assert key.isprintable()


@given(st.lists(st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,30}", fullmatch=True), min_size=1, max_size=8))
def test_plain_names_are_always_taken(parts: list[str]) -> None:
    assert split_key("/".join(parts)) == tuple(parts)


def test_the_longest_key_is_taken_and_one_more_byte_is_not() -> None:
    longest = "/".join(["x" * 255] * 4)[:KEY_BYTES_MAX].ljust(KEY_BYTES_MAX, "y")
    assert len(longest) == KEY_BYTES_MAX
    split_key(longest[:1000])
    with pytest.raises(Refused):
        split_key(longest + "z")


def test_a_refusal_shows_the_key_without_its_control_characters() -> None:
    with pytest.raises(Refused) as refused:
        split_key("a\x1b[31mb")
    assert "\x1b" not in str(refused.value)
