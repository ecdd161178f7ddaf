"""``report.html``: one file that needs nothing else, says what happened, and prints well.

No script, no address, no font from elsewhere: pictures stand in the page itself, and its own policy forbids the rest.
Every word that came from a user goes through ``esc``.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence

from containers.training.report.exhibit import Plot
from containers.training.report.story import NUMBERED, Grid, Story
from containers.training.report.words import cut

BYTES_MAX = 4_000_000
"""Largest page: six plots of the largest size, and every table at its longest."""
WHOLE_ROWS_MAX = 12
"""Rows up to which a printed table stays on one page."""
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --soft: #59636e; --line: #d9dee4; --paper: #ffffff; --tint: #f5f7f9;
  --mark: #0072b2; --note: #fff7e0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --soft: #a4adb6; --line: #3a4149; --paper: #15181c;
  --tint: #1e2328; --mark: #6bb7e8; --note: #332b12; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 68rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.25rem 0 .5rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .25rem; }
p { margin: .5rem 0; overflow-wrap: anywhere; max-width: 48rem; }
.soft { color: var(--soft); font-size: .9rem; }
.score { font-size: 1.35rem; line-height: 1.3; font-weight: 600; margin: 1rem 0 .25rem; max-width: none; }
.verdict { border-left: 4px solid var(--mark); background: var(--tint); padding: .5rem .9rem; margin: .5rem 0;
  max-width: none; }
.note { background: var(--note); padding: .5rem .9rem; margin: .5rem 0; max-width: none; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .93rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 500; }
thead th { color: var(--soft); font-weight: 600; vertical-align: bottom; }
.name { overflow-wrap: anywhere; min-width: 9rem; }
.text { overflow-wrap: anywhere; min-width: 5.4rem; }
.pairs th { width: 38%; }
.pairs td { overflow-wrap: anywhere; }
.n { text-align: right; white-space: nowrap; padding: .3rem 0 .3rem .9rem; }
time, .one { white-space: nowrap; }
.no { color: var(--soft); white-space: nowrap; width: 3rem; }
.album { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1.25rem; }
figure { margin: 0; break-inside: avoid; }
img { display: block; width: 100%; height: auto; background: #ffffff; border: 1px solid var(--line);
  border-radius: 6px; }
figcaption { color: var(--soft); font-size: .88rem; margin-top: .35rem; }
pre { background: var(--tint); padding: .6rem .9rem; overflow-x: auto; font-size: .88rem; }
@media (max-width: 36rem) { body { padding: 1.25rem 1rem 3rem; } table { font-size: .85rem; }
  .n { padding-left: .4rem; } .name { min-width: 6.3rem; } th, td { padding-right: .5rem; }
  .text { min-width: 4.4rem; } .text + .text { min-width: 5.5rem; }
  .no { width: 1.8rem; padding-right: .35rem; } .pairs th { width: 42%; } }
@media print { :root { color-scheme: light; --ink: #000; --soft: #444; --line: #bbb; --paper: #fff; --tint: #fff;
    --mark: #0072b2; --note: #fff; font-size: 10pt; }
  body { padding: 0; max-width: none; line-height: 1.35; } h2 { margin-top: 1.4rem; } h2, h3 { break-after: avoid; }
  .note { border: 1px solid var(--line); } tr, p { break-inside: avoid; } .whole { break-inside: avoid; }
  .wide { overflow: visible; } .album { grid-template-columns: 1fr 1fr; gap: .8rem;
    padding-right: 1mm; } figcaption { font-size: .8rem; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; } @page { margin: 14mm; } }
"""


def esc(text: str) -> str:
    """Return text as HTML that shows it and nothing more; characters that cannot be seen become spaces."""
    return html.escape("".join(c if c.isprintable() else " " for c in text), quote=True)


def page(story: Story, plots: Sequence[Plot]) -> str:
    """Return the report."""
    name = esc(story.name)
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{esc(POLICY)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{name}: training report</title>\n<style>{STYLE}</style>\n</head>\n<body>",
        f'<header>\n<h1>{name}</h1>\n<p class="soft">{_subtitle(story)}</p>\n</header>\n<main>',
        f'<p class="score">{esc(story.headline)}</p>',
        *(f'<p class="verdict">{esc(cut(text))}</p>' for text in story.verdicts),
        *_warnings(story.warnings()),
        *_section("Plots", [_album(plots)] if plots else []),
        *_section("Metrics", _metrics(story)),
        *_section("How the model was chosen", _candidates(story)),
        *_section("By class", [*_grid(story.classes(), 2), *_soft(story.classes_note())]),
        *_section("What matters", _signals(story)),
        *_section("Data", _pairs(story.data())),
        *_section("Columns it needs", [*_grid(story.columns(), 4), *_soft(story.columns_note())]),
        *_section("Parameters", _pairs(story.parameters())),
        *_section("How it was made", _pairs(story.made())),
        *_section("Use it", [_commands(story)]),
        "</main>\n</body>\n</html>\n",
    ]
    return "\n".join(parts)


def _subtitle(story: Story) -> str:
    """Return what it is and when it was made, as HTML; a day stays whole."""
    meta = story.metadata
    kind = f"{story.kind[:1].upper()}{story.kind[1:]}"
    day = str((meta.get("times") or {}).get("started_at") or "")[:10]
    on = f" Trained on <time>{esc(day)}</time>." if day else ""
    return f"{esc(f'{kind}. {story.answers}')}{on}"


def _section(title: str, body: Iterable[str]) -> list[str]:
    found = list(body)
    return ["<section>", f"<h2>{esc(title)}</h2>", *found, "</section>"] if found else []


def _warnings(warnings: Sequence[str]) -> list[str]:
    return [f'<p class="note">{esc(text)}</p>' for text in warnings]


def _album(plots: Sequence[Plot]) -> str:
    return f'<div class="album">\n{"".join(map(_picture, plots))}</div>'


def _picture(plot: Plot) -> str:
    data = base64.b64encode(plot.data).decode("ascii")
    alt = esc(f"{plot.title}. {plot.caption}")
    return (
        f'<figure><img alt="{alt}" src="data:image/png;base64,{data}">\n'
        f"<figcaption>{esc(plot.caption)}</figcaption></figure>\n"
    )


def _metrics(story: Story) -> list[str]:
    found = [*_grid(story.scores(), 1), *_soft(f"Guessing answers {story.metrics['guessing']}.")]
    thresholds = story.thresholds()
    if thresholds:
        found += ["<h3>Threshold</h3>", *_grid(thresholds, 1), *_soft(story.threshold_note())]
    return found


def _signals(story: Story) -> list[str]:
    grid = story.signals()
    return [*_grid(grid, 2), *_soft(story.signals_note())] if grid else []


def _soft(text: str) -> list[str]:
    return [f'<p class="soft">{esc(text)}</p>'] if text else []


def _candidates(story: Story) -> list[str]:
    grid = story.candidates()
    return [*_grid(grid, 2), *_soft(story.candidates_note())] if grid else []


def _grid(grid: Grid | None, numbers_from: int) -> list[str]:
    """Return a table; columns from ``numbers_from`` on hold numbers, and what is named ``No.`` is no name."""
    if grid is None:
        return []
    named = 1 if grid.head[0] == NUMBERED else 0
    kinds = ["no" if i < named else "n" if i >= numbers_from else "text" for i in range(len(grid.head))]
    kinds[named] = "name"
    head = "".join(
        f'<th scope="col" class="{kind}">{esc(text)}</th>' for kind, text in zip(kinds, grid.head, strict=True)
    )
    lines = []
    for row in grid.rows:
        cells = [f'<td class="{kind}">{_unbroken(text)}</td>' for kind, text in zip(kinds, row, strict=True)]
        cells[named] = f'<th scope="row" class="{kinds[named]}">{esc(row[named])}</th>'
        lines.append(f"<tr>{''.join(cells)}</tr>")
    whole = ' class="whole"' if len(lines) <= WHOLE_ROWS_MAX else ""
    table = f"<table{whole}><thead><tr>{head}</tr></thead>\n<tbody>\n{chr(10).join(lines)}\n</tbody></table>"
    return [f'<div class="wide">{table}</div>']


def _unbroken(text: str) -> str:
    """Return a cell as HTML; a number stays on the line of its spread."""
    return f'<span class="one">{esc(text)}</span>' if " ± " in text else esc(text)


def _pairs(pairs: Sequence[tuple[str, str]]) -> list[str]:
    if not pairs:
        return []
    rows = "".join(f'<tr><th scope="row">{esc(label)}</th><td>{esc(text)}</td></tr>\n' for label, text in pairs)
    whole = " whole" if len(pairs) <= WHOLE_ROWS_MAX else ""
    return [f'<table class="pairs{whole}"><tbody>\n{rows}</tbody></table>']


def _commands(story: Story) -> str:
    model = str(story.metadata.get("name") or "MODEL")
    return f"<pre>{esc(f'lastcall predict {model} FILE')}\n{esc(f'lastcall models get {model}')}</pre>"
