"""Fault 86: no secret in anything that is written."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from lastcall.redaction import DEPTH_MAX, ITEMS_MAX, STARS, TEXT_CHARS_MAX, Redactor

CANARY = 'c4nary"\\ ä-Secret'
BOT = "123456789:AAE-canary_canary_canary_canary_canary"

LOOKS_SECRET = [
    "Authorization: Bearer abcdefgh.canary.ijkl",
    "authorization=Basic Y2FuYXJ5OmNhbmFyeQ==",
    "used rpa_canaryCANARYcanary99 for it",
    "key rps_canary0123456789",
    "AKIACANARYCANARY1234",
    f"POST https://api.telegram.org/bot{BOT}/getUpdates",
    "redis://user:canary@host/0",
    "https://canary@host/path",
    "GET https://b.example/k?X-Amz-Signature=canary0123&X-Amz-Date=1",
    "https://h/x?a=1&token=canary%20x&b=2",
    'config {"api_key": "canary-value-1"}',
    "password = canary123",
    "secret_access_key: canary/abc+def",
    "bot_token='canary-canary'",
]

HARMLESS = [
    "job_abcdefghij closed: succeeded, cost 0.012345",
    "https://h/x?a=1&b=2 answered 200 in 12 ms",
    "12:30:45 token bucket has 3 left",
    "2026-11-23T14:03:00.123456Z lc1-abcdef2345-abcdefghij-a001-x1790000000-abcd",
    '{"api_key": null, "password": false}',
    "basic training",
    "C:\\data\\x.csv and user@example.org",
]


@pytest.mark.parametrize("text", LOOKS_SECRET)
def test_what_looks_like_a_secret_is_taken_out(text: str) -> None:
    cleaned = Redactor().text(text)
    assert "canary" not in cleaned.lower()
    assert "Y2FuYXJ5" not in cleaned
    assert STARS in cleaned


@pytest.mark.parametrize("text", HARMLESS)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert Redactor().text(text) == text
    assert Redactor().line(text) == text


@pytest.mark.parametrize("shape", [str, json.dumps, repr, lambda value: f"x{value}y"])
def test_a_known_secret_is_taken_out_in_every_spelling(shape: object) -> None:
    cleaned = Redactor([CANARY]).text(f"said {shape(CANARY)} here")  # type: ignore[operator]
    assert "c4nary" not in cleaned
    assert cleaned.startswith("said ")
    assert cleaned.endswith(" here")


def test_the_longer_of_two_overlapping_secrets_wins() -> None:
    assert Redactor(["abcd", "abcdefgh"]).text("abcdefgh") == STARS


def test_a_very_short_secret_does_not_blank_out_words() -> None:
    assert Redactor(["a", ""]).text("a banana") == "a banana"


def test_values_inside_values_are_cleaned() -> None:
    nested = {"list": [{"deep": (f"x {CANARY}",)}], "set": {CANARY}, CANARY: 1, "raw": CANARY.encode()}
    cleaned = Redactor([CANARY]).value(nested)
    assert "c4nary" not in json.dumps(cleaned, ensure_ascii=False)


@pytest.mark.parametrize("name", ["api_key", "token", "Authorization", "AWS_SECRET_ACCESS_KEY", "RUNPOD_API_KEY"])
@pytest.mark.parametrize("value", ["x", b"x", 12345678, ["x"], SecretStr("x")])
def test_a_field_named_like_a_secret_is_never_written(name: str, value: object) -> None:
    assert Redactor().value({name: value}) == {name: STARS}


@pytest.mark.parametrize("value", [None, "", True, False])
def test_a_secret_field_that_says_nothing_is_written(value: object) -> None:
    assert Redactor().value({"api_key": value}) == {"api_key": value}


def test_only_plain_data_comes_out() -> None:
    class Odd:
        def __str__(self) -> str:
            raise RuntimeError

    cleaned = Redactor().value({"odd": Odd(), "nan": float("nan"), "n": 1.5, "none": None, 7: b"\xff"})
    assert cleaned == {"odd": "<Odd>", "nan": "nan", "n": 1.5, "none": None, "7": "\\xff"}


def test_what_is_written_has_a_bound() -> None:
    redactor = Redactor()
    assert len(redactor.text("x" * 10 * TEXT_CHARS_MAX)) < TEXT_CHARS_MAX + 60
    assert redactor.value(list(range(ITEMS_MAX + 5)))[-1] == "… (5 more)"
    assert redactor.value({str(n): n for n in range(ITEMS_MAX + 5)})["…"] == "5 more"
    deep: object = "bottom"
    for _ in range(DEPTH_MAX + 5):
        deep = [deep]
    assert "bottom" not in json.dumps(redactor.value(deep))


PIECES = ["a://", "?token", "api_key:", "Bearer ", "1" * 20 + ":", "secret_", "&sig=", "x-" * 8, '"', "\\"]


@pytest.mark.parametrize("piece", PIECES)
def test_no_text_makes_the_scan_slow(piece: str) -> None:
    began = time.process_time()
    Redactor(["canary-1234"]).line(piece * (100_000 // len(piece)))
    assert time.process_time() - began < 0.5


@given(st.text(alphabet='ab"\\=:?& {}@/tokensecretapi_key', max_size=60), st.sampled_from(LOOKS_SECRET))
def test_a_json_line_stays_json_whatever_is_taken_out(text: str, secret: str) -> None:
    line = json.dumps({"event": text + secret + text, "api_key": None, "n": [text, secret]})
    assert json.loads(Redactor([CANARY]).line(line))
