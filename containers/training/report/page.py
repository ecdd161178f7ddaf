"""``report.html``: one file that needs nothing else, says what happened, and prints well.

No script, no address, no font from elsewhere: pictures stand in the page itself, and its own policy forbids the rest.
Every word that came from a user goes through ``esc``.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence

from containers.training.report.exhibit import Plot
from containers.training.report.story import Grid, Story

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --soft: #59636e; --line: #d9dee4; --paper: #ffffff; --tint: #f5f7f9;
  --mark: #0072b2; --note: #fff7e0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --soft: #a4adb6; --line: #3a4149; --paper: #15181c;
  --tint: #1e2328; --mark: #6bb7e8; --note: #332b12; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 62rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.25rem 0 .5rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line); }
p { margin: .5rem 0; overflow-wrap: anywhere; }
.soft { color: var(--soft); font-size: .9rem; }
.score { font-size: 1.35rem; font-weight: 600; margin: 1rem 0 .25rem; }
.verdict { border-left: 4px solid var(--mark); background: var(--tint); padding: .5rem .9rem; margin: .75rem 0; }
.note { background: var(--note); padding: .5rem .9rem; margin: .5rem 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-size: .93rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere; }
thead th { color: var(--soft); font-weight: 600; }
tbody th { font-weight: 500; width: 38%; }
td.n, th.n { text-align: right; white-space: nowrap; padding-right: 0; padding-left: .75rem; }
.album { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1.25rem; }
figure { margin: 0; break-inside: avoid; }
img { width: 100%; height: auto; background: #ffffff; border: 1px solid var(--line); border-radius: 6px; }
figcaption { color: var(--soft); font-size: .88rem; margin-top: .35rem; }
pre { background: var(--tint); padding: .6rem .9rem; overflow-x: auto; font-size: .88rem; }
@media print { :root { --ink: #000; --soft: #444; --line: #bbb; --paper: #fff; --tint: #fff; --mark: #0072b2;
  --note: #fff; } body { padding: 0; font-size: 10pt; max-width: none; } h2 { break-after: avoid; }
  .note { border: 1px solid var(--line); } tr, .verdict { break-inside: avoid; }
  .album { grid-template-columns: 1fr 1fr; } pre { white-space: pre-wrap; } @page { margin: 16mm; } }
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
        f"<header><h1>{name}</h1>\n<p class=soft>{esc(_subtitle(story))}</p></header>",
        f'<p class="score">{esc(story.headline)}</p>',
        *(f'<p class="verdict">{esc(text)}</p>' for text in story.verdicts),
        *_warnings(story.warnings()),
        *_section("Plots", [_album(plots)] if plots else []),
        *_section("Metrics", _metrics(story)),
        *_section("How the model was chosen", _candidates(story)),
        *_section("By class", _grid(story.classes(), numbers_from=2)),
        *_section("What matters", _signals(story)),
        *_section("Data", _pairs(story.data())),
        *_section("Parameters", _pairs(story.parameters())),
        *_section("How it was made", _pairs(story.made())),
        *_section("Use it", [_commands(story)]),
        "</body>\n</html>\n",
    ]
    return "\n".join(parts)


def _subtitle(story: Story) -> str:
    meta = story.metadata
    kind = f"{story.kind[:1].upper()}{story.kind[1:]}"
    return f"{kind}, {meta['task']}, target “{meta['target_column']}”"


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
    found = [*_grid(story.scores(), numbers_from=1)]
    found.append(f'<p class="soft">Guessing answers {esc(str(story.metrics["guessing"]))}.</p>')
    thresholds = story.thresholds()
    if thresholds:
        found += ["<h3>Threshold</h3>", *_grid(thresholds, numbers_from=1)]
        found.append(f'<p class="soft">{esc(story.threshold_note())}</p>')
    return found


def _signals(story: Story) -> list[str]:
    grid = story.signals()
    return [*_grid(grid, numbers_from=2), f'<p class="soft">{esc(story.signals_note())}</p>'] if grid else []


def _candidates(story: Story) -> list[str]:
    grid = story.candidates()
    return [*_grid(grid, numbers_from=2), f'<p class="soft">{esc(story.candidates_note())}</p>'] if grid else []


def _grid(grid: Grid | None, numbers_from: int) -> list[str]:
    """Return a table; columns from ``numbers_from`` on hold numbers."""
    if grid is None:
        return []
    head = "".join(f"<th{' class=n' if i >= numbers_from else ''}>{esc(text)}</th>" for i, text in enumerate(grid.head))
    lines = []
    for row in grid.rows:
        cells = [f"<td{' class=n' if i >= numbers_from else ''}>{esc(text)}</td>" for i, text in enumerate(row)]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return [f"<table><thead><tr>{head}</tr></thead>\n<tbody>{''.join(lines)}</tbody></table>"]


def _pairs(pairs: Sequence[tuple[str, str]]) -> list[str]:
    if not pairs:
        return []
    rows = "".join(f"<tr><th scope=row>{esc(label)}</th><td>{esc(text)}</td></tr>" for label, text in pairs)
    return [f"<table><tbody>{rows}</tbody></table>"]


def _commands(story: Story) -> str:
    model = str(story.metadata.get("name") or "MODEL")
    return f"<pre>{esc(f'lastcall predict {model} FILE')}\n{esc(f'lastcall models get {model}')}</pre>"
