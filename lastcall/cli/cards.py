"""The plan before money, the line while it runs, the result with its proof. Pure: documents in, lines out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from containers.training.titles import title_of
from lastcall.cli import text
from lastcall.cli.text import clean, instant, limit, money, plural, quoted, span, wrap

Document = dict[str, Any]

_STATE_WORDS = {
    "queued": "waiting for a machine",
    "reserved": "money held, about to rent",
    "launching": "renting the machine",
    "starting": "the machine is starting",
    "running": "training",
    "ending": "ending the machine",
    "confirming": "making sure the machine is gone",
    "closed": "over",
}
_OUTCOME_WORDS = {
    "succeeded": "finished in",
    "failed": "failed after",
    "cancelled": "was stopped after",
    "timed_out": "ran out of time after",
    "over_budget": "reached its cost limit after",
    "interrupted": "was interrupted after",
    "no_capacity": "found no machine after",
    "refused": "was refused after",
    "lost": "ended with its result unknown after",
}


def model_words(name: str) -> str:
    """Return a model type as words: ``random forest``, ``histogram gradient boosting``."""
    return "the best model" if name == "auto" else clean(title_of(name))


def made_with(versions: Sequence[str]) -> str:
    """Return what wrote an older model, as the end of a phrase; nothing where it is not known."""
    return f", written by scikit-learn {', '.join(map(clean, versions))}" if versions else ""


def plan_card(document: Document, columns: int) -> list[str]:
    """Return what is about to happen and what it can cost."""
    plan = document["plan"]
    spec, offer, estimate = plan["spec"], plan["offers"][0], plan["estimate"]
    counted = f"{plural(document['rows'], 'row')}, {plural(document['columns'], 'column')}"
    data = f"{clean(document['dataset_name'])} ({counted})"
    title = f"Plan: {model_words(spec['model'])} on {data}, target {clean(spec['target'])}"
    rows = [
        ("machine", _offer_words(offer)),
        *_beside(offer),
        *[("otherwise", words) for words in _way_out(plan["offers"])],
        ("expected", _range(estimate, "runtime_s", span) + " · " + _range(estimate, "cost_usd", money)),
        ("at most", f"{span(plan['limits']['max_runtime_s'])} · {limit(plan['limits']['max_cost_usd'])}"),
        ("held", f"{money(plan['hold_usd'])} while it runs; no more can be spent"),
    ]
    if document.get("budget_left_usd") is not None:
        rows.append(("budget", f"{money(document['budget_left_usd'])} left"))
    rows += [("note", clean(warning)) for warning in plan["warnings"]]
    if plan["self_termination"] == "proven":
        rows.append(("safety", "the machine ends by its own timer, even with Lastcall dead"))
    else:
        rows.append(("safety", "bounded only while Lastcall runs: the machine's own timer is not proven"))
    return wrap(title, columns, "      ") + _rows(rows, columns)


def _offer_words(offer: Document) -> str:
    parts = [clean(offer["machine_type"]), f"{limit(offer['rate_usd_per_hour'])}/h"]
    if offer.get("gpu"):
        parts.append(clean(offer["gpu"]))
    cpus = offer.get("cpus")
    if cpus:
        parts.append(f"{cpus:g} cores")
    if offer.get("memory_gb"):
        parts.append(f"{offer['memory_gb']:.3g} GB")
    if offer.get("reason"):
        parts.append(clean(offer["reason"]))
    return " · ".join(parts)


def _way_out(offers: list[Document]) -> list[str]:
    """Return what is tried where the first machine is not to be had: above all one that nobody takes back."""
    first, *others = offers
    if not others:
        return []
    chosen = next((offer for offer in others if first.get("spot") and not offer.get("spot")), others[0])
    words = f"{_type_words(chosen, spot=bool(first.get('spot')))} · {limit(chosen['rate_usd_per_hour'])}/h"
    return [words + (f" · {plural(len(others) - 1, 'more offer')}" if len(others) > 1 else "")]


def _type_words(offer: Document, *, spot: bool) -> str:
    """Return type and place, and whether it is spot where that is a question."""
    kind = clean(str(offer["machine_type"]))
    if offer.get("spot") or spot:
        kind += " spot" if offer.get("spot") else " on-demand"
    return f"{kind} in {clean(str(offer['place']))}" if offer.get("place") else kind


def attempt_lines(document: Document, columns: int) -> list[str]:
    """Return what was tried before the last machine, and that; nothing where the first one did it."""
    earlier, machine, job = document.get("earlier") or [], document["machine"], document["job"]
    if not earlier:
        return []
    spot = any(one["spot"] for one in earlier)
    lines = []
    for one in earlier:
        said = f"Attempt {one['attempt']}, {_type_words(one, spot=spot)}: {_BECAME.get(one['outcome'], one['outcome'])}"
        cost = f", {money(one['cost_usd'])}" if float(one["cost_usd"]) else ""
        why = f": {clean(one['detail'])}" if one["detail"] else ""
        lines += wrap(said + cost + why, columns)
    last = f"Attempt {job['attempt']}, {_type_words(machine, spot=spot)}: {_BECAME.get(job['outcome'], job['outcome'])}"
    return lines + wrap(last, columns)


_BECAME = {"no_capacity": "not to be had", "not_made": "nothing was started", "timed_out": "out of time"}


def _beside(offer: Document) -> list[tuple[str, str]]:
    """Return what runs up beside the machine's own price, where the provider says what it is for."""
    words = offer.get("beside")
    return [("beside", f"{money(offer['disk_usd_per_hour'])}/h for {clean(words)}")] if words else []


def _range(estimate: Document, key: str, words: Any) -> str:
    low, high = words(estimate[f"{key}_low"]), words(estimate[f"{key}_high"])
    return str(low) if low == high else f"{low} – {high}"


def _rows(rows: list[tuple[str, str]], columns: int) -> list[str]:
    return [line for name, words in rows for line in _row(name, words, columns)]


def _row(name: str, words: str, columns: int) -> list[str]:
    first, *rest = wrap(words, max(_LABEL_COLUMNS, columns - _LABEL_COLUMNS))
    return [f"  {name:<{_LABEL_COLUMNS - 2}}{first}", *(" " * _LABEL_COLUMNS + line for line in rest)]


_LABEL_COLUMNS = 12


def progress_line(document: Document) -> str:
    """Return how far a job is, one line. What matters most stands first: a narrow terminal cuts the end."""
    job = document["job"]
    state = job["state"]
    parts = [_STATE_WORDS.get(state, state)]
    if state == "running" and job.get("percent") is not None:
        parts += [f"{job['percent']:.0f} %", text.left(job.get("left_s"))]
    if job.get("attempt", 1) > 1:
        parts.append(f"attempt {job['attempt']}")
    if state == "running" and job.get("runtime_s") is not None:
        parts.append(span(job["runtime_s"]))
    if state != "queued":
        parts.append(money(job["cost_usd"]))
    if state == "running":
        parts += [
            text.use(document.get("machine", {})),
            job.get("message") or job.get("stage") or "",
            text.metric(job.get("metric")),
        ]
    elif state == "launching" and job.get("detail"):
        parts.append(job["detail"])  # why it takes so long: an unanswered create
    return clean(f"{job['name']}: " + " · ".join(part for part in parts if part))


def result_card(document: Document, machines: Document | None, columns: int, expected: str = "") -> list[str]:
    """Return how a job ended: what happened, what it cost and that the machine is gone, what to do next."""
    if document["job"]["outcome"] == "succeeded":
        return _success(document, machines, columns, expected)
    return _no_success(document, machines, columns)


def _took(job: Document) -> str:
    seconds = text.between(job.get("started_at") or job["created_at"], job.get("ended_at"))
    return f"{clean(job['name'])} {_OUTCOME_WORDS.get(job['outcome'], job['outcome'])} {span(seconds)}"


def _success(document: Document, machines: Document | None, columns: int, expected: str) -> list[str]:
    job, metrics = document["job"], document.get("metrics") or {}
    estimated = f" (est. {expected})" if expected else ""
    lines = wrap(f"{_took(job)} · cost {money(job['cost_usd'])}{estimated}", columns)
    kind = model_words(str(metrics.get("model_type") or job["model_type"]))
    rows = metrics.get("rows")
    counted = f" ({text.count(rows['train'])} + {text.count(rows['test'])} rows)" if isinstance(rows, dict) else ""
    lines += wrap(
        f"{kind[:1].upper()}{kind[1:]} on {clean(job['dataset_name'])}{counted}, target {clean(job['target'])}", columns
    )
    model = document["model"]
    lines += metric_lines(metrics, columns)
    notes = metrics.get("warnings")
    if isinstance(notes, list) and notes and model.get("name"):
        said = f"{plural(len(notes), 'note')} on data and score in its report"
        lines += wrap(f"{said}: lastcall models get {quoted(model['name'])}", columns)
    lines += attempt_lines(document, columns)
    if model.get("id"):
        lines.append(f"Model {clean(model.get('name') or model['id'])} · {model['id']}")
    lines += wrap(machine_line(document, machines), columns)
    if model.get("name"):
        lines.append(f"Next: lastcall predict {quoted(model['name'])} FILE")
    return lines


def metric_lines(metrics: Document, columns: int) -> list[str]:
    """Return the headline metric beside guessing, and what it means."""
    headline = metrics.get("headline")
    if not isinstance(headline, dict):
        plain = [
            f"{clean(str(k).replace('_', ' '))} {text.number(v)}"
            for k, v in metrics.items()
            if isinstance(v, int | float)
        ]
        return wrap(" · ".join(plain), columns) if plain else []
    name = str(headline.get("name"))
    line = f"{clean(str(headline.get('label') or name))} {text.score(name, headline.get('value'))}"
    if headline.get("low") is not None and headline.get("high") is not None:
        line += f" [{text.score(name, headline['low'])}–{text.score(name, headline['high'])}]"
    if headline.get("baseline") is not None:
        line += f" · guessing {text.score(name, headline['baseline'])}"
    last = metrics.get("last_run")
    words = [str(metrics[key]) for key in ("verdict", "gap") if metrics.get(key)]
    if isinstance(last, dict) and last.get("verdict"):
        words.append(str(last["verdict"]))
    return wrap(line, columns) + [w for word in words for w in wrap(clean(word), columns)]


def _no_success(document: Document, machines: Document | None, columns: int) -> list[str]:
    job = document["job"]
    why = ": ".join(part for part in (job.get("text", ""), job.get("detail", "")) if part)
    lines = wrap(clean(f"{_took(job)}{': ' + why if why else ''}"), columns)
    lines += attempt_lines(document, columns)
    lines += wrap(f"Cost {money(job['cost_usd'])}. {machine_line(document, machines)}. Your data set is kept.", columns)
    if document["model"].get("id"):
        lines.append(f"A model was left and kept: {clean(document['model'].get('name') or document['model']['id'])}")
    if job.get("hint"):
        lines += wrap(clean(job["hint"].rstrip(".")) + ".", columns)
    code = job.get("code")
    lines.append(" · ".join(part for part in (code, f"docs/errors/{code}.md" if code else "", job["id"]) if part))
    return lines


def machine_line(document: Document, machines: Document | None) -> str:
    """Return the promise of the product: when the end was proven, and what a listing begun after it shows."""
    machine = document["machine"]
    confirmed = machine.get("terminated_confirmed_at")
    if confirmed:
        said = f"Machine terminated {text.clock(confirmed)}, confirmed"
    elif machine.get("id"):
        said = "The end of the machine is not confirmed"
    else:
        said = "No machine was rented"
    return f"{said} · {running_words(machines, confirmed)}"


def running_words(machines: Document | None, since: str | None) -> str:
    """Return how many machines run, from a complete listing begun no earlier than ``since``; else that it is open."""
    if machines is None or not machines["complete"]:
        return "how many machines run is not known: lastcall machines ls"
    if since is not None and instant(machines["listed_at"]) < instant(since):
        return "how many machines run is not known: lastcall machines ls"
    return f"{plural(machines['running'], 'machine')} running"
