"""The page on files says the bounds and spellings that the code has."""

from __future__ import annotations

import re

from actors.storage.parts import UPLOAD_BYTES_MAX
from containers.training import memory, packed, target, values
from containers.training.table import COLUMNS_MAX
from tests.tidy.sources import ROOT

PAGE = " ".join((ROOT / "docs/how-to/prepare-a-file.md").read_text().split())


def test_the_page_on_files_has_every_bound() -> None:
    bounds = (
        f"At most {COLUMNS_MAX:,} columns, {UPLOAD_BYTES_MAX >> 30} GiB, and at least {target.ROWS_MIN} rows",
        f"at most {packed.RATIO_MAX} times its size once that is above {packed.RATIO_FREE_BYTES >> 20} MiB",
        f"at most {packed.UNPACKED_BYTES_MAX >> 30} GiB, at most {packed.MEMBERS_MAX:,} files",
        f"more than {target.CLASSES_MAX} classes or of numbers beyond {target.TARGET_MAX:g}".replace("e+", "e"),
        f"beyond {values.NUMBER_MAX:g} it counts as that".replace("e+", "e"),
        f"less than {memory.ROWS_MIN:,} rows or one in a hundred",
    )
    assert [bound for bound in bounds if bound not in PAGE] == []
    assert memory.SHARE_MIN == 1 / 100


def test_the_page_on_files_has_every_spelling_of_missing() -> None:
    [row] = re.findall(r"\| empty, ([^|]*) \| missing \|", PAGE)
    named = set(re.findall(r"`([^`]+)`", row))
    assert named | values.ERRORS == values.MISSING - values.INFINITE - {""}
