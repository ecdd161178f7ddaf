"""What is ordered, made of the options of ``train``, and what is wrong with it before anything is sent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click

from lastcall.cli.failures import Failure, Usage
from lastcall.cli.jobs import span_option
from lastcall.cli.text import quoted
from messages.errors import Refusal

MAX_RUNTIME_S_MAX = 30 * 86_400
USD_MAX = Decimal("1e12")
USD_PLACES = 6
NAME_CHARS_MAX = 40
"""Bounds of an order, as ``messages.admin.TrainOrder`` has them."""
HEADER_BYTES_MAX = 64 << 10
_AS_THEY_ARE = ("model", "task", "machine", "name", "test_share", "group", "time", "seed")
"""Options that are sent under their own names."""


def order_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the order that options make, without its data. Refused is what no data makes right."""
    order: dict[str, Any] = {"target": options["target"]}
    order.update({key: options[key] for key in _AS_THEY_ARE if options[key] is not None})
    if options["features"] is not None:
        order["features"] = [name.strip() for name in options["features"].split(",") if name.strip()]
    if options["parameters"]:
        order["parameters"] = dict(_parameter(text) for text in options["parameters"])
    if len(order.get("name", "")) > NAME_CHARS_MAX:
        raise Usage(f"--name is longer than {NAME_CHARS_MAX} characters", "Give a shorter one")
    _check_kind(order)
    return order | limits_of(options["max_runtime"], options["max_cost"])


def limits_of(max_runtime: str | None, max_cost: str | None) -> dict[str, Any]:
    """Return the limits that were typed. Raises Usage or click.BadParameter."""
    found: dict[str, Any] = {}
    if max_runtime is not None:
        found["max_runtime_s"] = seconds = span_option("--max-runtime", max_runtime)
        if not 0 < seconds <= MAX_RUNTIME_S_MAX:
            days = MAX_RUNTIME_S_MAX // 86_400
            raise Usage(f"--max-runtime {quoted(max_runtime)} is not between 1s and {days}d", "Give another time")
    if max_cost is not None:
        found["max_cost_usd"] = _dollars(max_cost)
    return found


def as_typed(options: Mapping[str, Any]) -> str:
    """Return the order as it would be typed, so that no limit is lost when the line is copied."""
    single = [
        f"--{key.replace('_', '-')} {quoted(str(value))}"
        for key, value in options.items()
        if isinstance(value, str | int | float) and not isinstance(value, bool)
    ]
    return " ".join([*single, *(f"--param {quoted(text)}" for text in options["parameters"])])


def check_header(path: Path, order: Mapping[str, Any]) -> None:
    """Refuse columns that the file does not have, where its first line alone is certain to say so."""
    names = plain_header(path)
    if names is None:
        return
    from containers.training.asked_order import check_columns

    with _refused():
        check_columns(names, order["target"], order.get("features", ()), order.get("group") or order.get("time"))


def plain_header(path: Path) -> list[str] | None:
    """Return the columns of a plain CSV; ``None`` where it takes more than the first line to know them.

    Certain is a line of UTF-8 in which nothing is quoted and one delimiter occurs; not the ``sep=;`` of Excel.
    """
    from containers.training.dialect import DELIMITERS

    with path.open("rb") as file:
        head = file.read(HEADER_BYTES_MAX)
    line, end = re.split(rb"[\r\n]", head, maxsplit=1)[0], re.search(rb"[\r\n]", head)
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    if end is None or not text.replace("\t", "").isprintable():
        return None
    found = [delimiter for delimiter in DELIMITERS if delimiter in text]
    if len(found) != 1 or '"' in text or text.lstrip().startswith("<") or text.lower().startswith("sep="):
        return None
    return [name.strip() for name in text.split(found[0])]


def _check_kind(order: Mapping[str, Any]) -> None:
    from containers.training.asked_order import check_features, check_kind

    with _refused():
        check_kind(order.get("model", "auto"), order.get("task", "auto"), order.get("parameters", {}))
        if "features" in order:
            check_features(order["features"], order["target"])


@contextmanager
def _refused() -> Iterator[None]:
    """Tell a refusal of the training program as the daemon would."""
    from containers.training.refusal import Refused

    try:
        yield
    except Refused as refusal:
        raise Failure.of_refusal(Refusal(refusal.code, refusal.detail)) from None


def _parameter(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise click.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="--param")
    try:
        parsed = json.loads(value)
    except ValueError:
        parsed = value
    return key.strip(), parsed if isinstance(parsed, bool | int | float | str) or parsed is None else value


def _dollars(text: str) -> str:
    """Return an amount as the daemon reads it."""
    bare = text.strip().lstrip("$")
    todo = "Give dollars: --max-cost 2.50"
    try:
        amount = Decimal(bare)
    except InvalidOperation:
        raise Usage(f"--max-cost {quoted(text)} is no amount of dollars", todo) from None
    if not amount.is_finite() or not 0 < amount <= USD_MAX:
        raise Usage(f"--max-cost {quoted(text)} has to be more than 0, and at most a million millions", todo)
    if amount != round(amount, USD_PLACES):
        raise Usage(f"--max-cost {quoted(text)} has more than {USD_PLACES} decimals", todo)
    return bare
