"""While a file is sent one line says how much of it is there, and that line is gone before anything else is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from lastcall.cli.app import App
from lastcall.cli.failures import Failure
from lastcall.cli.upload import send


class Told:
    """An app whose screen keeps what was shown and whose daemon refuses every file."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.screen = self.client = self

    def status(self, text: str) -> None:
        self.lines.append(text)

    def done(self) -> None:
        self.lines.append("")

    def upload(self, address: str, path: Path, told: Any, **query: str) -> None:
        told(3)
        raise Failure("E-FORBIDDEN", f"{address} {path.name} {query}")


@pytest.mark.parametrize(("called", "shown"), [("a.csv", "sending a.csv: 3 B of 5 B"), ("", "sending 3 B of 5 B")])
def test_a_refusal_finds_no_line_half_written(tmp_path: Path, called: str, shown: str) -> None:
    file = tmp_path / "a.csv"
    file.write_text("a\n1\n2")
    app = Told()
    with pytest.raises(Failure, match=r"/v1/x a\.csv \{'name': 'b'\}"):
        send(cast(App, app), "/v1/x", file, called, name="b")
    assert app.lines == [shown, ""]
