"""Numbers are written once and the same everywhere."""

from __future__ import annotations

from containers.training.figures import number, score, spread


def test_numbers_have_three_digits_and_no_needless_exponent() -> None:
    written = [number(v) for v in (0, 0.12345, 0.64, 9.999, 12345.6, -3.5, 1e-9, 2.5e12, 5e-324)]
    assert written == ["0", "0.123", "0.640", "10.0", "12,346", "−3.50", "1.00 × 10⁻⁹", "2.50 × 10¹²", "4.94 × 10⁻³²⁴"]


def test_scores_have_the_same_decimals_whatever_their_size_and_errors_the_digits_of_the_target() -> None:
    assert [score("roc_auc", v) for v in (0.5, 0.72707, 1, 0.0044, None)] == ["0.500", "0.727", "1.000", "0.004", "–"]
    assert [score("rmse", v) for v in (42412.9, 0.03141593, 3.6e12)] == ["42,413", "0.03142", "3.600 × 10¹²"]


def test_a_share_of_the_value_is_written_in_percent() -> None:
    assert [score("mape", v) for v in (0.2, 2.919, 0.0)] == ["20.0%", "291.9%", "0.0%"]


def test_what_rounds_to_nothing_has_no_sign() -> None:
    assert [score("r2", v) for v in (-5e-5, -0.013, -1234.5)] == ["0.000", "−0.013", "−1,234.500"]


def test_a_spread_has_the_decimals_of_its_mean() -> None:
    assert [spread("rmse", m, d) for m, d in ((10.35, 0.7543), (3.529, 0.3043))] == ["10.35 ± 0.75", "3.529 ± 0.304"]
    assert spread("f1_macro", 0.9861, 0.0321) == "0.986 ± 0.032"
    assert spread("rmse", 3e-18, 1e-19) == "3.000 × 10⁻¹⁸ ± 1.000 × 10⁻¹⁹"
