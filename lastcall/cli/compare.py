"""``compare`` and ``reproduce``: two models beside each other, and a job done once more."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import click

from lastcall.cli.app import App, leaf, pass_app
from lastcall.cli.cards import model_words
from lastcall.cli.client import segment
from lastcall.cli.failures import BrokenConnection, Failure, Usage
from lastcall.cli.jobs import outcome_exit, show_result
from lastcall.cli.orders import limits_of
from lastcall.cli.paired import HOLDOUT_FILE, Paired, can_be, paired, sentence
from lastcall.cli.text import called, clean, count, cut, money, quoted, score, span, table, width, wrap
from lastcall.cli.train import confirmed, followed, leave, submit
from lastcall.cli.versions import here, on_rented, others
from messages.errors import EXIT_FAILED, EXIT_OK, EXIT_SIGINT

Document = dict[str, Any]

LOCAL = "local"
"""The provider whose machines are processes of this computer, with the libraries that are installed here."""
WITHIN = 1e-6
"""Largest difference of two metrics, as a share, that counts as the same result: other processors add in another
order."""
DIFFERENCES_SHOWN_MAX = 20
METRICS_SHOWN_MAX = 12
CELL_LEAST = 8


@leaf("compare", "lastcall compare churn-7fa churn-8bc", "lastcall compare @last churn-7fa --json")
@click.argument("first", metavar="JOB|MODEL")
@click.argument("second", metavar="JOB|MODEL")
@pass_app
def compare(app: App, first: str, second: str, as_json: bool) -> int:
    """Show two models beside each other, and say which is better, if that can be said."""
    found = app.client.get("/v1/compare", first=first, second=second)
    by_rows = _row_by_row(app, found.document)
    if as_json:
        app.screen.raw(found.raw if by_rows is None else _with_rows(found.document, by_rows))
        return EXIT_OK
    columns = app.screen.columns or app.screen.message_columns
    for line in compare_card(found.document, columns):
        app.screen.out(line)
    for line in wrap(clean(found.document["verdict"]), columns):
        app.screen.out(line, style="bold")
    if by_rows is not None:
        for line in wrap(clean(sentence(found.document, by_rows, score)), columns):
            app.screen.out(line, style="bold")
    return EXIT_OK


def _row_by_row(app: App, document: Document) -> Paired | None:
    """Return the difference of two models on the rows both were judged on, from the files they left."""
    if not can_be(document):
        return None
    texts = []
    for model in document["models"]:
        file = io.BytesIO()
        try:
            app.client.download(f"/v1/models/{segment(model['id'])}/files/{HOLDOUT_FILE}", file)
        except (
            BrokenConnection,
            Failure,
        ):  # the models themselves were compared; an older one may have left no such file
            return None
        texts.append(io.StringIO(file.getvalue().decode("utf-8", "replace"), newline=""))
    return paired(document, *texts)


def _with_rows(document: Document, found: Paired) -> bytes:
    """Return the comparison as the daemon sent it, with what the rows say."""
    row_by_row = {
        "rows": found.rows,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "clear": found.clear,
        "verdict": sentence(document, found, score),
    }
    return json.dumps(document | {"row_by_row": row_by_row}, ensure_ascii=False, separators=(",", ":")).encode()


@leaf(
    "reproduce",
    "lastcall reproduce churn-7fa",
    "lastcall reproduce @last --max-cost 1 -y --json",
    json_help="Print exactly one document, the comparison.",
)
@click.argument("job")
@click.option("--max-runtime", metavar="TIME", help="End it after 90s, 15m or 2h; as it was when left out.")
@click.option("--max-cost", metavar="USD", help="Never spend more on it; as it was when left out.")
@click.option("--machine", metavar="TYPE", help="Machine type; the best is chosen when left out.")
@click.option("--logs", "with_logs", is_flag=True, help="Show the log while following.")
@click.option("--no-follow", is_flag=True, help="Start it and return.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@pass_app
def reproduce(
    app: App,
    job: str,
    max_runtime: str | None,
    max_cost: str | None,
    machine: str | None,
    with_logs: bool,
    no_follow: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Train once more as JOB did, on the same data, rows and seed, and compare. Exit 1 when the result is another."""
    limits = limits_of(max_runtime, max_cost) | ({"machine": machine} if machine is not None else {})
    before = app.client.get(f"/v1/jobs/{segment(job)}/order").document
    if not yes and not app.screen.in_tty:
        raise Usage(
            "Spending has to be confirmed, and there is no terminal to ask on",
            f"lastcall reproduce {quoted(job)} --yes",
        )
    order = before["order"] | limits
    made = app.client.get("/v1/compare", first=before["model_id"], second=before["model_id"]).document["models"][0]
    plan = confirmed(app, order, yes=yes, also=lambda plan: other_versions(made, plan))
    if plan is None:
        return EXIT_OK
    accepted = submit(app, order)
    if no_follow:
        code = leave(app, accepted, as_json=as_json)
        app.screen.say(f"Then compare: lastcall compare {quoted(before['name'])} {quoted(accepted.document['name'])}")
        return code
    closed = followed(app, accepted.document, with_logs=with_logs, as_json=as_json)
    if closed is None:
        return EXIT_SIGINT
    model = closed.document["model"].get("id")
    if model is None:
        if as_json:
            app.screen.raw(closed.raw)
        else:
            show_result(app, closed.document)
        return outcome_exit(closed.document)
    found = app.client.get("/v1/compare", first=before["model_id"], second=model)
    if as_json:
        app.screen.raw(found.raw)
    else:
        show_result(app, closed.document)
        for line in reproduction_lines(found.document, app.screen.columns or app.screen.message_columns):
            app.screen.out(line, style="bold")
    return EXIT_OK if reproduced(found.document) else EXIT_FAILED


def other_versions(made: Document, plan: Document) -> str:
    """Return a sentence on what a training by this plan gets other versions of than the model was made with."""
    on_this_computer = plan["plan"]["provider"] == LOCAL
    return others(made["making"]["versions"], here if on_this_computer else on_rented)


def reproduced(document: Document) -> bool:
    """Say whether two results are the same as far as anybody could ask for."""
    return bool(document["comparable"]) and document["apart"] <= WITHIN


def reproduction_lines(document: Document, columns: int) -> list[str]:
    """Return whether the same came out, and if not, what else is not the same."""
    if not document["comparable"]:
        return wrap(f"Not reproduced. {clean(document['verdict'])}", columns)
    if document["identical"]:
        said = "Reproduced: the same to the last digit, every metric and every answer to the held-out rows."
    elif not document["apart"]:
        said = "Reproduced: every metric is the same to the last digit; its interval or some answers may not be."
    elif reproduced(document):
        said = f"Reproduced: no metric differs by more than {document['apart']:.1g} of its value."
    else:
        said = f"Not reproduced: metrics differ by up to {document['apart']:.2g} of their value."
    why = [one for one in document["differences"] if one["of"] != "data"]
    lines = wrap(said, columns)
    if why:
        return lines + _listed("What else differs", why, columns)
    return lines if document["identical"] else lines + wrap("Nothing else that is known differs.", columns)


def compare_card(document: Document, columns: int) -> list[str]:
    """Return both beside each other, and what else differs."""
    first, second = document["models"]
    rows = list(_rows(first, second))
    label = max(width(row[0]) for row in rows)
    most = max(CELL_LEAST, (columns - label - 4) // 2)
    cells = [[row[0], *(cut(clean(cell), most) for cell in row[1:])] for row in rows]
    heads = ["", *(clean(model["name"]) for model in (first, second))]
    lines = [line.rstrip() for line in table(heads, cells, None)]
    shown = [one for one in document["differences"] if one["of"] in ("settings", "versions") and one["what"] != "model"]
    return lines + (_listed("Different", shown, columns) if shown else [])


def _rows(first: Document, second: Document) -> Iterator[tuple[str, str, str]]:
    """Yield what is shown of both, by its name."""

    def both(name: str, words: Any) -> tuple[str, str, str]:
        return name, words(first), words(second)

    yield both("model", lambda m: model_words(m["model_type"]))
    yield both("data", lambda m: m["dataset_name"] or m["dataset_id"] or "not known")
    yield both("target", lambda m: m["target"])
    yield both("rows", _counted)
    yield both("held out", _held_out)
    scores = [model["score"] for model in (first, second) if model["score"]]
    labels = list(dict.fromkeys(one["label"] for one in scores))
    for label in labels:
        yield both(clean(label), lambda m, label=label: _score(m["score"], label))
        yield both("  between", lambda m, label=label: _between(m["score"], label))
    yield both("guessing", lambda m: score(m["score"]["name"], m["score"]["baseline"]) if m["score"] else "-")
    top = {one["name"] for one in scores}
    names = [name for name in dict.fromkeys([*first["metrics"], *second["metrics"]]) if name not in top]
    for name in names[:METRICS_SHOWN_MAX]:
        yield both(clean(called(name)), lambda m, name=name: score(name, m["metrics"].get(name, "-")))
    yield both("cost", lambda m: money(m["cost_usd"]))
    yield both("took", lambda m: span(m["runtime_s"]))
    yield both("machine", lambda m: str(m["making"]["machine"].get("machine_type") or "-"))


def _score(one: Document | None, label: str) -> str:
    return "-" if one is None or one["label"] != label else score(one["name"], one["value"])


def _between(one: Document | None, label: str) -> str:
    if one is None or one["label"] != label or one["low"] is None or one["high"] is None:
        return "-"
    return f"{score(one['name'], one['low'])}–{score(one['name'], one['high'])}"


def _counted(model: Document) -> str:
    if model["rows_train"] is None or model["rows_test"] is None:
        return "-"
    return f"{count(model['rows_train'])} + {count(model['rows_test'])}"


def _held_out(model: Document) -> str:
    split = model["making"]["split"]
    if split is None:
        return "-"
    how = {"random": "at random", "group": f"by {split['column']}", "time": f"last by {split['column']}"}
    return f"{split['share']:.0%} {how[split['method']]}, seed {model['making']['seed']}"


def _listed(title: str, found: list[Document], columns: int) -> list[str]:
    """Return differences, one a line."""
    lines = [f"{title}:"]
    for one in found[:DIFFERENCES_SHOWN_MAX]:
        words = clean(f"{one['what']}: {one['first']} → {one['second']}")
        lines += [f"  {line}" for line in wrap(words, columns - 2, "  ")]
    left = len(found) - DIFFERENCES_SHOWN_MAX
    return [*lines, f"  and {left} more"] if left > 0 else lines
