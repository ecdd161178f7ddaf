"""Words and numbers as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastcall.cli import text


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "-"),
        ("0", "$0.00"),
        ("0.000400", "<$0.001"),
        ("0.043500", "$0.044"),
        ("0.9995", "$1.000"),
        ("1.2345", "$1.23"),
        ("-0.5", "$-0.500"),
    ],
)
def test_money_is_exact_and_never_looks_free_when_it_is_not(value: str | None, words: str) -> None:
    assert text.money(value) == words


@pytest.mark.parametrize(("value", "words"), [("10.000000", "$10"), ("0.27", "$0.27"), ("0.2712", "$0.271")])
def test_a_limit_is_written_as_its_owner_would(value: str, words: str) -> None:
    assert text.limit(value) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "-"),
        (0, "0 s"),
        (59.6, "1 min"),
        (90, "1 min 30 s"),
        (3600, "1 h"),
        (5400, "1 h 30 min"),
        (270_000, "3 d 3 h"),
        (-3, "0 s"),
    ],
)
def test_a_span_has_at_most_two_units(seconds: float | None, words: str) -> None:
    assert text.span(seconds) == words


@pytest.mark.parametrize(
    ("given_text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("2h", 7200), ("1h30m", 5400), ("1d", 86_400)]
)
def test_a_time_is_read_as_people_write_it(given_text: str, seconds: int) -> None:
    assert text.parse_span(given_text) == seconds


@pytest.mark.parametrize("given_text", ["", "soon", "1.5h", "-3", "2h2h"])
def test_what_is_no_time_is_refused(given_text: str) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        text.parse_span(given_text)


@pytest.mark.parametrize(
    ("number", "words"),
    [(None, "-"), (11, "11 B"), (977_501, "978 kB"), (1_500_000, "1.5 MB"), (7 * 10**12, "7000 GB")],
)
def test_sizes(number: int | None, words: str) -> None:
    assert text.size(number) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.84612, "0.846"),
        (12_345.678, "12,345.7"),
        (7043, "7,043"),
        (3.03e-18, "3.03 × 10⁻¹⁸"),
        (3.636e12, "3.64 × 10¹²"),
        (True, "True"),
        ("x", "x"),
    ],
)
def test_metrics_are_short_enough_to_compare(value: object, words: str) -> None:
    assert text.number(value) == words


@given(st.text())
def test_nothing_from_outside_can_steer_a_terminal(given_text: str) -> None:
    shown = text.clean(given_text)
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or 0x202A <= ord(c) <= 0x202E for c in shown)


def test_controls_are_written_out() -> None:
    assert text.clean("a\x1b[2Jb\u202ec") == "a\\x1b[2Jb\\u202ec"


@given(st.text(), st.integers(min_value=1, max_value=30))
def test_a_cut_text_fits(given_text: str, columns: int) -> None:
    assert text.width(text.cut(given_text, columns)) <= columns


def test_wide_characters_count_double() -> None:
    assert text.width("数a") == 3
    assert text.cut("数数数", 4) == "数…"
    assert text.cut("abc", 0) == ""


def test_a_table_keeps_its_names_and_drops_what_is_soft() -> None:
    rows = [["churn-7fa", "random_forest_of_trees", "$0.04"], ["x", "y", "$10.00"]]
    wide = text.table(["NAME", "MODEL", "COST"], rows, None, right=("COST",), soft=("MODEL",))
    assert wide == [
        "NAME       MODEL                     COST",
        "churn-7fa  random_forest_of_trees   $0.04",
        "x          y                       $10.00",
    ]
    middle = text.table(["NAME", "MODEL", "COST"], rows, 30, right=("COST",), soft=("MODEL",))
    assert middle[1] == "churn-7fa  random_for…   $0.04"
    narrow = text.table(["NAME", "MODEL", "COST"], rows, 20, right=("COST",), soft=("MODEL",))
    assert narrow == ["NAME         COST", "churn-7fa   $0.04", "x          $10.00"]


def test_a_table_neutralises_its_cells() -> None:
    assert "\x1b" not in "".join(text.table(["A"], [["\x1b[31mred\n"]], None))


@pytest.mark.parametrize(
    ("name", "value", "called", "written"),
    [
        ("rmse", 59.17531, "RMSE", "59.18"),
        ("mape", 0.16642, "mean error in percent", "16.6%"),
        ("roc_auc_ovr", 0.99871, "ROC AUC", "0.999"),
        ("average_precision", 0.0003, "average precision", "0.000"),
        ("out_of_bag_error", 0.03, "out of bag error", "0.030"),
        ("roc_auc", "-", "ROC AUC", "-"),
    ],
)
def test_a_metric_is_called_and_written_in_a_terminal_as_in_the_report(
    name: str, value: object, called: str, written: str
) -> None:
    assert (text.called(name), text.score(name, value)) == (called, written)
