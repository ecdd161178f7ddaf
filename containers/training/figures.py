"""Metrics and numbers as people read them, the same in the log, the report, the card, on plots and in a terminal.

Standard library only.
"""

from __future__ import annotations

LABELS = {
    "rmse": "RMSE",
    "mae": "MAE",
    "median_ae": "median absolute error",
    "max_error": "largest error",
    "mape": "mean error in percent",
    "r2": "R²",
    "roc_auc": "ROC AUC",
    "roc_auc_ovr": "ROC AUC, one class against the rest",
    "average_precision": "average precision",
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "f1_macro": "macro F1",
    "log_loss": "log loss",
    "brier": "Brier score",
    "top_3": "right among the first three",
}
"""What metrics are called."""
DIGITS = 3
"""Significant digits where nothing else is said."""
PLAIN_FROM = 1e-4
PLAIN_TO = 1e9
"""Numbers in between are written out; others as a power of ten."""
POINTS = 3
"""Decimals of a score between 0 and 1, so that scores under each other can be compared."""
IN_UNITS = frozenset({"rmse", "mae", "median_ae", "max_error"})
"""Metrics in the target's own unit, whatever its size."""
SHARES = frozenset({"mape"})
"""Metrics that are shares without a bound, written in percent."""
MINUS = "\N{MINUS SIGN}"
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, digits: int = DIGITS) -> str:
    """Return a number with ``digits`` significant digits, thousands set apart, a power of ten where it is far off 1."""
    if not value:
        return "0"
    first, _, raised = f"{value:.{digits - 1}e}".partition("e")
    if PLAIN_FROM <= abs(value) < PLAIN_TO:
        text = f"{value:,.{max(0, digits - 1 - int(raised))}f}"
    else:
        text = f"{first} × {power(int(raised))}"
    return text.replace("-", MINUS)


def power(exponent: int) -> str:
    """Return a power of ten, as it is written by hand."""
    return f"10{str(exponent).translate(_RAISED)}"


def spread(name: str, mean: float | None, sd: float | None) -> str:
    """Return the mean of a metric with its standard deviation, both with the same decimals."""
    first = score(name, mean)
    if mean is None or sd is None or name not in IN_UNITS or "×" in first:
        return f"{first} ± {score(name, sd)}"
    return f"{first} ± {sd:,.{len(first.partition('.')[2])}f}"


def score(name: str, value: float | None) -> str:
    """Return the value of the metric ``name``; a dash where there is none."""
    if value is None:
        return "–"
    if name in IN_UNITS:
        return number(value, 4)
    text = f"{value:.1%}" if name in SHARES else f"{value:,.{POINTS}f}"
    return (text if float(text.strip("%").replace(",", "")) else text.lstrip("-")).replace("-", MINUS)
