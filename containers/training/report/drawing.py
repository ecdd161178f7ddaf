"""Paper and pens for the plots: one look, names that can be drawn, and the same bytes for the same input.

matplotlib's ``Figure`` alone, never pyplot: no global state, no window, nothing left behind. Only the font that
matplotlib itself brings is used, so that a picture does not hang on what a machine has installed; the list of fonts is
ours, so that nobody looks through a machine's, and lies in a folder that goes when the drawing is done.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from containers.training.figures import MINUS, power

SIZE_IN = (5.12, 3.84)
DPI = 250
"""1280 by 960 pixels: what a chat shows without scaling it. A phone shows it 350 points wide: letters are large."""
BLUE, ORANGE, GREEN, RED, GREY, INK = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#8A8A8A", "#1F2328"
"""Okabe and Ito's colours, which people who see few colours can tell apart (jfly.uni-koeln.de/color)."""
SOFT = "#59636E"
"""Of small print, as the report has it: 6 to 1 against white."""
COLOURS = (BLUE, ORANGE, GREEN, "#CC79A7", "#56B4E9", RED, "#8C8C00", INK)
SEQUENTIAL = "Blues"
NAME_CHARS_MAX = 26
"""Longest name on a plot; the middle of longer ones is left out."""
TITLE_POINTS = 12.0
TITLE_CHARS = 47
"""What fits across the plot at full size; longer titles are set smaller."""
TICKS_MAX = 6
"""Numbers along an axis: more of them run into each other once they have six digits."""
LEGEND_POINTS = 9.5
FOOTER_SHARE = 0.03
"""Height of the footer, as a share of the plot's."""
POWER_FROM = 1e9
POWER_UNDER = 1e-3
"""Axes that reach further are numbered in powers of ten, which stand with the axis' name."""
FONT, BOLD = "DejaVuSans.ttf", "DejaVuSans-Bold.ttf"
CONFIG_VARIABLE = "MPLCONFIGDIR"
FONT_LIST_VERSION = "3.11.0"
"""``FontManager.__version__`` in ``matplotlib.font_manager``; another one makes its own list."""
PNG_LEVEL = 6
"""zlib's: level 9 takes three times as long for 3 % less."""

_STYLE: Any = {
    "text.parse_math": False,  # a dollar in a name is a dollar
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "axes.unicode_minus": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "grid.color": "#E3E6EA",
    "grid.linewidth": 0.8,
    "lines.linewidth": 2,
    "legend.frameon": True,
    "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
    "legend.fontsize": LEGEND_POINTS,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


class Sheet(NamedTuple):
    """An empty plot."""

    figure: Any
    axes: Any


@contextmanager
def workshop() -> Iterator[None]:
    """Set the look for as long as plots are made."""
    with tempfile.TemporaryDirectory(prefix="plots-") as folder, _fonts_kept_in(Path(folder)):
        import matplotlib

        with matplotlib.rc_context(_STYLE):
            yield


@contextmanager
def _fonts_kept_in(folder: Path) -> Iterator[None]:
    (folder / f"fontlist-v{FONT_LIST_VERSION}.json").write_text(json.dumps(_font_list()), encoding="utf-8")
    before = os.environ.get(CONFIG_VARIABLE)
    os.environ[CONFIG_VARIABLE] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[CONFIG_VARIABLE]


def _font_list() -> dict[str, Any]:
    """Return the fonts we draw with, as matplotlib keeps what it found; files are below its own data."""
    alike = {"name": "DejaVu Sans", "style": "normal", "variant": "normal", "stretch": "normal", "size": "scalable"}
    fonts = [
        {"fname": f"fonts/ttf/{file}", "index": 0, **alike, "weight": weight, "__class__": "FontEntry"}
        for file, weight in ((FONT, 400), (BOLD, 700))
    ]
    return {
        "_version": FONT_LIST_VERSION,
        "_FontManager__default_weight": "normal",
        "default_size": None,
        "defaultFamily": {"ttf": alike["name"], "afm": "Helvetica"},
        "afmlist": [],
        "ttflist": fonts,
        "__class__": "FontManager",
    }


def bands(bars: int) -> tuple[float, float]:
    """Return the ends of an axis of that many bars, first on top; fewer than three stand in its middle."""
    half = max(bars, 3) / 2 + 0.1
    middle = (bars - 1) / 2
    return middle + half, middle - half


def legend_below(figure: Any, columns: int = 3) -> None:
    """Put the legend under the plot, where it covers nothing that is drawn."""
    pad = FOOTER_SHARE * SIZE_IN[1] * 72 / LEGEND_POINTS  # over the footer, in heights of its letters
    figure.legend(loc="outside lower center", ncols=columns, borderaxespad=pad)


def sheet(title: str, across: str = "", up: str = "") -> Sheet:
    """Return an empty plot with its title and the names of its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE_IN, dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    size = min(TITLE_POINTS, TITLE_POINTS * TITLE_CHARS / len(title))
    figure.suptitle(title, x=0.012, ha="left", fontsize=size, fontweight="bold")  # over the names, not over the axes
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    return Sheet(figure, axes)


def spaced(axis: Any, *, whole: bool = False) -> None:
    """Set an axis' numbers apart; write large ones in thousands, and those far off 1 with their power in its name.

    ``whole``: there is nothing between two whole numbers, as of rows.
    """
    axis.set_major_locator(_locator(whole))
    reach = max(map(abs, axis.get_view_interval()))
    if 1e4 <= reach < POWER_FROM:
        axis.set_major_formatter(lambda value, _: f"{value:,.0f}".replace("-", MINUS))
    elif reach and not POWER_UNDER <= reach < POWER_FROM:
        exponent = int(f"{reach:e}".partition("e")[2]) // 3 * 3
        axis.set_major_formatter(lambda value, _: f"{value / 10.0**exponent:g}".replace("-", MINUS))
        axis.set_label_text(f"{axis.get_label_text()} (× {power(exponent)})".strip())


def _locator(whole: bool) -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(TICKS_MAX, steps=[1, 2, 2.5, 5, 10], integer=whole)


def png(figure: Any, footer: str) -> bytes:
    """Return the plot with its small footer as PNG; the same plot gives the same bytes.

    Drawn once, where ``savefig`` draws twice, and without transparency, which a white page has none of.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas: Any = FigureCanvasAgg(figure)
    figure.text(0.995, 0.004, footer, ha="right", va="bottom", fontsize=6.5, color=SOFT)
    figure.get_layout_engine().set(rect=(0, FOOTER_SHARE, 1, 1 - FOOTER_SHARE))
    canvas.draw()
    picture = Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba(), "raw", "RGBA", 0, 1)
    out = io.BytesIO()
    picture.convert("RGB").save(out, format="png", compress_level=PNG_LEVEL, dpi=(DPI, DPI))
    return out.getvalue()


@cache
def _font() -> Any:
    import matplotlib
    from matplotlib.ft2font import FT2Font

    return FT2Font(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / FONT))


def drawable(text: str) -> bool:
    """Return whether the font has every character of ``text``."""
    return all(_font().get_char_index(ord(c)) for c in text)


def shown(name: str, number: int, kind: str = "column", chars: int = NAME_CHARS_MAX) -> str:
    """Return a name as it can be drawn: one line, cut in its middle.

    A name in a script that the font lacks becomes ``column 17``: a row of empty boxes says less. The report has every
    name as it is.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    if not line or not drawable(line):
        return f"{kind} {number}"
    if len(line) <= chars:
        return line
    tail = chars // 3
    return f"{line[: chars - tail - 1]}…{line[-tail:]}"


def shown_all(names: Sequence[str], kind: str = "class", chars: int = NAME_CHARS_MAX) -> list[str]:
    """Return names as they can be drawn, numbered from 1; see ``told_apart``."""
    return told_apart(names, range(1, len(names) + 1), kind, chars)


def told_apart(names: Sequence[str], numbers: Iterable[int], kind: str, chars: int = NAME_CHARS_MAX) -> list[str]:
    """Return names as they can be drawn, with their numbers. Of those that look alike once cut, what differs is shown.

    Where that is not enough they get their number.
    """
    numbered = list(zip(names, numbers, strict=True))
    cut = [shown(name, number, kind, chars) for name, number in numbered]
    alike = [i for i, text in enumerate(cut) if cut.count(text) > 1]
    groups: dict[str, list[int]] = {}
    for i in alike:
        groups.setdefault(cut[i], []).append(i)
    for group in groups.values():
        for i, middle in zip(group, _differing([names[i] for i in group]), strict=True):
            cut[i] = f"…{shown(middle, numbered[i][1], kind, chars - 2)}…" if middle else cut[i]
    return [
        f"{text} ({number})" if cut.count(text) > 1 else text for text, (_, number) in zip(cut, numbered, strict=True)
    ]


def _differing(names: Sequence[str]) -> list[str]:
    """Return what names do not have in common: without the words that all begin and end with."""
    words = [name.split() for name in names]
    before = _shared(words)
    after = _shared([each[before:][::-1] for each in words])
    return [" ".join(each[before : len(each) - after]) for each in words]


def _shared(lists: Sequence[Sequence[str]]) -> int:
    """Return how many first words are the same in all."""
    return next((i for i, words in enumerate(zip(*lists, strict=False)) if len(set(words)) > 1), min(map(len, lists)))
