"""Write the golden cards anew, then look at them: ``python -m tests.unit.cli.write_goldens``."""

from __future__ import annotations

import os
import time

os.environ["TZ"] = "UTC"
time.tzset()

from tests.unit.cli.test_cli_cards import CARDS, GOLDEN  # noqa: E402 (the zone comes first)

if __name__ == "__main__":
    for name, card in CARDS.items():
        for columns in (80, 40):
            (GOLDEN / f"{name}-{columns}.txt").write_text("\n".join(card(columns)) + "\n", encoding="utf-8")
