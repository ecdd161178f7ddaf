"""What the first line of a file says for certain, and the bounds of an order."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from lastcall.cli import orders
from messages import admin


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        (b"a, b ,churn\n1,2,3\n", ["a", "b", "churn"]),
        (b"\xef\xbb\xbfgr\xc3\xb6\xc3\x9fe;b\r\n1;2\r\n", ["größe", "b"]),
        (b"a\tb\r1\t2\r", ["a", "b"]),
        (b'"a,b",c\n', None),
        (b"a,b;c\n", None),
        (b"a\n1\n", None),
        (b"\na,b\n", None),
        (b"sep=,\na,b\n", None),
        (b"<html, charset>\n", None),
        (b"gr\xf6\xdfe,b\n", None),
        (b"PK\x03\x04,\n", None),
        (b"a,b", None),
        (b"a," * (1 << 15) + b"b\n", None),
    ],
)
def test_only_a_plain_first_line_says_which_columns_a_file_has(
    tmp_path: Path, content: bytes, columns: list[str] | None
) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    assert orders.plain_header(path) == columns


def test_bounds_of_an_order_are_those_the_daemon_holds() -> None:
    order = {"dataset": "d", "target": "t"}
    most = {"max_runtime_s": orders.MAX_RUNTIME_S_MAX, "max_cost_usd": orders.USD_MAX, "name": "n" * 40}
    admin.TrainOrder.model_validate(order | most)
    for wrong in ({"max_runtime_s": orders.MAX_RUNTIME_S_MAX + 1}, {"max_cost_usd": orders.USD_MAX + 1}):
        with pytest.raises(ValidationError):
            admin.TrainOrder.model_validate(order | wrong)
    with pytest.raises(ValidationError):
        admin.TrainOrder.model_validate(order | {"name": "n" * (orders.NAME_CHARS_MAX + 1)})
