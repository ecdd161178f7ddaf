"""Bad input is refused with one line and its fix, before any money is held or any machine made; nothing is lost."""

from __future__ import annotations

from typing import Any

from tests.support.house import House, Refused

GOOD_ROWS = b"".join(b"%d,%d,%s\n" % (i, i % 7, b"yes" if i % 2 else b"no") for i in range(30))
WIDE = ",".join(f"c{i}" for i in range(10_000)).encode()

CASES: list[tuple[str, bytes, dict[str, Any]]] = [
    ("E-CSV-EMPTY", b"", {}),
    ("E-CSV-HEADER", GOOD_ROWS, {}),
    ("E-CSV-TARGET", b"a,b,churn\n" + GOOD_ROWS, {"target": "chrun"}),
    ("E-CSV-ONECLASS", b"a,b,churn\n" + b"".join(b"%d,%d,yes\n" % (i, i % 7) for i in range(30)), {}),
    (
        "E-CSV-ALLMISSING",
        b"a,b,churn\n" + b"".join(b"%d,,%s\n" % (i, b"yes" if i % 2 else b"no") for i in range(30)),
        {},
    ),
    ("E-CSV-ROWS", b"a,b,churn\n1,2,yes\n", {}),
    ("E-CSV-DELIMITER", b"a^b^churn\n" + GOOD_ROWS.replace(b",", b"^"), {}),
    ("E-CSV-BINARY", bytes(range(256)) * 40, {}),
    ("E-CSV-COLUMNS", WIDE + b"\n" + b"1," * 9_999 + b"1\n" + b"2," * 9_999 + b"2\n", {}),
]


def refused(house: House, data: bytes, order: dict[str, Any]) -> dict[str, Any]:
    """Send the file and the order; return what the daemon says of them."""
    try:
        house.train("bad", dataset=house.upload(data, name="bad.csv"), **order)
    except Refused as no:
        return no.problem
    raise AssertionError("accepted")


def test_nine_bad_inputs_have_nine_codes_and_cost_nothing(house: House) -> None:
    """Fault 82."""
    codes = []
    for code, data, order in CASES:
        problem = refused(house, data, order)
        codes.append(problem["code"])
        assert problem["code"] == code, problem
        assert problem["detail"], problem
        assert "\n" not in problem["detail"]
        assert problem["hint"]
        assert problem["docs"] == f"docs/errors/{code}.md"
    assert len(set(codes)) == len(CASES) == 9
    kinds = {line["kind"] for line in house.lines("/v1/events")}
    assert "ledger.reserved" not in kinds
    assert "job.queued" not in kinds
    assert not any((house.state / "machines").iterdir())
    assert house.get("/v1/jobs?all=1")["jobs"] == []


def test_a_refused_file_leaves_no_byte_behind(house: House) -> None:
    refused(house, b"", {})
    refused(house, bytes(range(256)) * 40, {})
    kept = [path for path in (house.state / "storage").rglob("*") if path.is_file()]
    assert kept == []
