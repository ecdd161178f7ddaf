"""The page on choosing a model is true: every command is run here, and what it quotes appears; pictures are small."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.house import CHECKOUT
from tests.support.how_to import Page, Shell

PAGE = "choose-a-model.md"
PICTURES_BYTES_MAX = 1_000_000
"""All pictures of the docs together."""


def test_every_command_of_the_page_works_and_says_what_the_page_says(tmp_path: Path) -> None:
    expected, unsaid = Page(PAGE).unsaid(Shell(tmp_path, {}))
    assert unsaid == []
    assert expected > 15


def test_the_pages_pictures_are_there_and_small() -> None:
    text = (CHECKOUT / "docs" / "how-to" / PAGE).read_text("utf-8")
    shown = {(CHECKOUT / "docs" / "how-to" / name).resolve() for name in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)}
    assert len(shown) > 3
    assert all(path.is_file() for path in shown)
    assert sum(path.stat().st_size for path in (CHECKOUT / "docs" / "pictures").iterdir()) < PICTURES_BYTES_MAX
