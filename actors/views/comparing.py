"""Two models beside each other. Pure: what storage and journal know of them comes in, a document and words go out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import ValidationError

from messages.comparing import (
    ComparedModel,
    CompareDocument,
    DescribedModel,
    Difference,
    Score,
)
from messages.documents import JobPart
from messages.jobs import HeldOut

HOLDOUT_FILE = "predictions_holdout.csv"
TEXT_CHARS_MAX = 200
"""Of a setting, as a difference shows it."""
Kind = Literal["data", "settings", "versions", "machine"]
_MACHINE = ("provider", "machine_type", "place", "processor", "cores", "system")


def compare(
    models: tuple[DescribedModel, DescribedModel], jobs: tuple[JobPart | None, JobPart | None]
) -> CompareDocument:
    """Return both, and what is to be said of them; ``jobs`` made them, where the journal still knows."""
    first, second = (compared(model, job) for model, job in zip(models, jobs, strict=True))
    why = obstacle(first, second)
    identical = why is None and alike(first, second)
    return CompareDocument(
        models=(first, second),
        comparable=why is None,
        identical=identical,
        apart=apart(first, second) if why is None else None,
        verdict=verdict(first, second, why, identical=identical),
        differences=tuple(differences(first, second)),
    )


def compared(model: DescribedModel, job: JobPart | None) -> ComparedModel:
    """Return one of the two as it is shown."""
    info, metrics = model.info, model.info.metrics
    rows, held_out = metrics.get("rows"), metrics.get("held_out")
    rows = rows if isinstance(rows, dict) else {}
    answers = next((artifact.sha256 for artifact in info.artifacts if artifact.name == HOLDOUT_FILE), None)
    return ComparedModel(
        id=info.id,
        name=info.name,
        job_id=info.job_id,
        created=info.created,
        dataset_id=info.dataset_id,
        dataset_name=job.dataset_name if job else None,
        target=info.target,
        task=info.task,
        model_type=info.model_type,
        features=info.features,
        rows_train=_whole(rows.get("train")),
        rows_test=_whole(rows.get("test")),
        making=model.making,
        score=_score(metrics.get("headline")),
        metrics=_numbers(held_out) if isinstance(held_out, dict) else {},
        answers_sha256=answers,
        cost_usd=job.cost_usd if job else None,
        runtime_s=job.runtime_s if job else None,
    )


def _score(headline: object) -> Score | None:
    if not isinstance(headline, dict):
        return None
    known = {key: headline[key] for key in Score.model_fields if headline.get(key) is not None}
    try:
        return Score.model_validate({"label": headline.get("name"), **known})
    except ValidationError:
        return None


def _numbers(found: Mapping[object, object]) -> dict[str, float]:
    return {str(k): float(v) for k, v in found.items() if isinstance(v, int | float) and not isinstance(v, bool)}


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None


def obstacle(first: ComparedModel, second: ComparedModel) -> str | None:
    """Return why their numbers do not mean the same, as the end of a sentence; ``None`` where they do."""
    one, two = first.making, second.making
    if first.target != second.target:
        return f"they predict different columns, {first.target} and {second.target}"
    if first.task != second.task:
        return f"one is a {first.task}, the other a {second.task}"
    if not (one.dataset_sha256 and two.dataset_sha256 and one.split and two.split and first.score and second.score):
        return "one of them does not say on which rows it was judged"
    if one.dataset_sha256 != two.dataset_sha256:
        return "they learnt from different data"
    ways = [held_out_words(making.split) for making in (one, two)]
    if ways[0] != ways[1]:
        return f"their rows were held out in different ways: {ways[0]}, and {ways[1]}"
    if one.split.sha256 != two.split.sha256:
        return "they were judged on different rows" + (
            f", by the seeds {one.seed} and {two.seed}" if one.seed != two.seed else ""
        )
    if first.score.name != second.score.name:
        return f"they were judged by different metrics, {first.score.label} and {second.score.label}"
    return None


def held_out_words(split: HeldOut | None) -> str:
    """Return how rows were held out."""
    if split is None:
        return "not told"
    ways = {"random": "at random", "group": f"whole groups of {split.column}", "time": f"the last by {split.column}"}
    return f"{split.share:.0%} {ways[split.method]}"


def alike(first: ComparedModel, second: ComparedModel) -> bool:
    """Say whether every metric and every answer is the same; what was not kept is not taken for the same."""
    return (
        first.score == second.score
        and first.metrics == second.metrics
        and first.answers_sha256 is not None
        and first.answers_sha256 == second.answers_sha256
    )


def apart(first: ComparedModel, second: ComparedModel) -> float:
    """Return the largest difference between two of their metrics, as a share of the larger."""
    found = 0.0
    for name in first.metrics.keys() & second.metrics.keys():
        one, two = first.metrics[name], second.metrics[name]
        largest = max(abs(one), abs(two))
        found = max(found, abs(one - two) / largest if largest else 0.0)
    return found


def verdict(first: ComparedModel, second: ComparedModel, why: str | None, *, identical: bool) -> str:
    """Return one sentence on the two."""
    one, two = first.score, second.score
    if why is not None or one is None or two is None:
        return f"These numbers cannot be compared: {why}."
    if identical:
        return "The same to the last digit: every metric and every answer to the held-out rows."
    low, high = (one, two) if (one.value < two.value) else (two, one)
    written = ".3f" if one.higher_is_better else ".4g"  # a share of one, or an error in the target's own unit
    values = f"{one.label} {one.value:{written}} and {two.value:{written}}"
    if low.high is None or high.low is None:
        return f"Whether {values} differ clearly is not known: one has no interval."
    if low.high >= high.low:
        return f"No clear difference: {values}, and the intervals overlap."
    better = first if (one.value > two.value) == one.higher_is_better else second
    return f"{better.name} is clearly better: {values}, and the intervals do not overlap."


def differences(first: ComparedModel, second: ComparedModel) -> Iterator[Difference]:
    """Yield what is not alike, of all that a result can hang on."""
    one, two = first.making, second.making
    yield from _differ("data", {"data": (one.dataset_sha256, two.dataset_sha256)})
    yield from _differ("data", {"target": (first.target, second.target)})
    yield from _differ("data", {"held out": (held_out_words(one.split), held_out_words(two.split))})
    yield from _differ("data", {"seed": (one.seed, two.seed)})
    yield from _differ("settings", {"model": (first.model_type, second.model_type)})
    only = [", ".join(f for f in a.features if f not in b.features) for a, b in ((first, second), (second, first))]
    yield from _differ("settings", {"columns only here": (only[0], only[1])})
    if first.model_type == second.model_type:
        yield from _differ("settings", _pairs(one.hyperparameters, two.hyperparameters))
    yield from _differ("versions", {"training program": (one.code_sha256[:12], two.code_sha256[:12])})
    yield from _differ("versions", _pairs(one.versions, two.versions))
    told = {key: (one.machine.get(key), two.machine.get(key)) for key in _MACHINE}
    yield from _differ("machine", {key.replace("_", " "): pair for key, pair in told.items()})


def _pairs(first: Mapping[str, object], second: Mapping[str, object]) -> dict[str, tuple[object, object]]:
    return {key: (first.get(key), second.get(key)) for key in sorted(first.keys() | second.keys())}


def _differ(of: Kind, found: Mapping[str, tuple[object, object]]) -> Iterator[Difference]:
    for what, (first, second) in found.items():
        if first != second:
            yield Difference(of=of, what=what, first=_words(first), second=_words(second))


def _words(value: object) -> str:
    return "none" if value is None or value == "" else str(value)[:TEXT_CHARS_MAX]
