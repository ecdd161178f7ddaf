"""Make the pictures of a report: what a browser shows of one, and its plots, small enough to be kept here.

    python -m tools.report_pictures FOLDER [BROWSER]

``FOLDER`` is what ``lastcall models get`` wrote; ``BROWSER`` is Chromium, which only this needs. The pictures in
``docs/pictures`` are of the second model of ``docs/how-to/choose-a-model.md``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "pictures"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WINDOW = (1100, 1560)
"""Points of the page that are shown: its head, and the plots."""
SHOWN = {"report": 900, "roc": 520, "calibration": 520, "importance": 520, "loss": 520}
"""Pictures and their width here, in pixels."""
COLOURS = 256
"""Plots and tables have few; a palette makes a third of the size of them."""
BROWSER_S = 60.0
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-sync")


def screenshot(page: Path, target: Path, browser: str) -> None:
    """Write what the browser shows of the top of a page. Raises ``CalledProcessError``, ``TimeoutExpired``."""
    with tempfile.TemporaryDirectory() as profile:
        size = f"--window-size={WINDOW[0]},{WINDOW[1]}"
        subprocess.run(
            [browser, *FLAGS, f"--user-data-dir={profile}", size, f"--screenshot={target}", page.absolute().as_uri()],
            check=True, capture_output=True, timeout=BROWSER_S,
        )  # fmt: skip


def smaller(source: Path, target: Path, width: int) -> None:
    """Write a picture in ``width`` pixels and few colours."""
    with Image.open(source) as found:
        size = (width, round(found.height * width / found.width))
        found.convert("RGB").resize(size, Image.Resampling.LANCZOS).quantize(COLOURS).save(target, optimize=True)


def main(arguments: Sequence[str]) -> int:
    """Write the pictures of one bundle."""
    browser = arguments[1] if len(arguments) > 1 else next(filter(None, map(shutil.which, BROWSERS)), None)
    if not arguments or browser is None:
        sys.stderr.write("usage: python -m tools.report_pictures FOLDER [BROWSER]; needs Chromium\n")
        return 2
    folder = Path(arguments[0])
    with tempfile.TemporaryDirectory() as scratch:
        shot = Path(scratch) / "report.png"
        screenshot(folder / "report.html", shot, browser)
        for name, width in SHOWN.items():
            source = shot if name == "report" else folder / "plots" / f"{name}.png"
            smaller(source, TARGET / f"report-{name}.png" if name != "report" else TARGET / "report.png", width)
    total = sum(path.stat().st_size for path in TARGET.glob("report*.png"))
    sys.stdout.write(f"{len(SHOWN)} pictures, {total:,} bytes, in {TARGET.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
