"""One training from start to end: load, prepare, fit, evaluate, save.

The same data, seed, libraries and machine give the same metrics and the same predictions.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from containers.prediction.core import one_thread
from containers.training import bundle, evaluation, manifest, memory, splits, swift
from containers.training.checkpoints import CHECKPOINT_VARIABLE, SearchRecord, key_of
from containers.training.dialect import Dialect
from containers.training.families import CLASSIFICATION, Family, complete_parameters
from containers.training.figures import score
from containers.training.frame import Draw, Frame, is_blank, load
from containers.training.inspection import read_question
from containers.training.judgement import Asked, judge, judged_by
from containers.training.learning import Fitted, Ground, fit_noted
from containers.training.profile import Survey, survey
from containers.training.progress import Progress
from containers.training.refusal import Refused, listed
from containers.training.search import Found, Search, budget_s, scorer
from containers.training.table import detect_file
from containers.training.target import Check, Question, check

TEST_SHARE = 0.2
SEED = 42
WHOLE_FACTOR = 8
"""A file is read whole at once where the memory is at least as many times its size."""
ONE_THREAD_CELLS_MAX = 250_000
"""Cells of features up to which one thread does all the work, so that results do not hang on the number of cores."""


class Order(NamedTuple):
    """What ``work.json`` asks for."""

    source: Path
    question: Question
    test_share: float
    seed: int
    dialect: Mapping[str, str | None]
    sha256: str | None
    job_id: str
    name: str
    ordered_at: str = ""
    """When the job was ordered, as plots and report say it."""
    machine: Mapping[str, Any] = {}
    """What whoever rented the machine tells of it."""
    started_at: str = ""
    dataset_name: str = ""
    """What the user calls the file."""
    last_run: Mapping[str, Any] | None = None
    """Headline of the user's last model on the same data and target."""
    max_runtime_s: float | None = None
    """The job's; part of it may go into choosing a model."""
    plots: bool = True
    """Whether plots are drawn, which takes a second."""


def read_order(work: Mapping[str, Any]) -> Order:
    """Return the order in ``work.json``; raises ``Refused`` for an unknown model or task."""
    return Order(
        source=Path(work["input"]),
        question=read_question(dict(work)),
        test_share=float(work.get("test_share", TEST_SHARE)),
        seed=int(work.get("seed", SEED)),
        dialect={"delimiter": work.get("delimiter"), "encoding": work.get("encoding")},
        sha256=work.get("dataset_sha256"),
        job_id=str(work.get("job_id", "")),
        name=str(work.get("name", "")),
        ordered_at=str(work.get("ordered_at") or ""),
        machine=dict(work.get("machine") or {}),
        started_at=manifest.now(),
        dataset_name=str(work.get("dataset_name") or ""),
        last_run=work.get("last_run"),
        max_runtime_s=float(work["max_runtime_s"]) if work.get("max_runtime_s") else None,
        plots=bool(work.get("plots", True)),
    )


Space = Callable[[Family, int], memory.Room]
"""Returns how many of some rows a family can learn from here; raises ``Refused`` E-MEMORY."""


def train(order: Order, out: Path, progress: Progress) -> dict[str, Any]:
    """Train as ordered, leave the bundle in ``out`` and return the metrics. Raises ``Refused``."""
    progress.say(f"reading {order.source.name}")
    found, columns = _survey(order)
    checked = check(found, order.question)
    by = order.question.group or order.question.time
    space = _space(found, checked, checked.family, found.rows)
    draw = Draw(space.rows / space.of, order.seed) if space.note else None
    frame = load(order.source, found, checked.features, order.question.target, checked.task, by, draw, columns)
    del columns
    notes = [space.note, *checked.warnings] if space.note else list(checked.warnings)
    progress.stage("prepare", f"{found.rows:,} rows, {len(found.columns)} columns; task {checked.task}")
    for note in notes:
        progress.say(f"note: {note}")
    split = splits.split_rows(frame, checked.task, _way(order))
    frame = _without_blank_columns(frame, split.train, notes)
    with one_thread() if frame.features.size <= ONE_THREAD_CELLS_MAX else nullcontext():
        return _learn(order, out, progress, found, checked, frame, split, notes)


def _space(found: Survey, checked: Check, family: Family, rows: int) -> memory.Room:
    names = set(checked.features)
    kinds = Counter(c.kind for c in found.columns if c.name in names)
    asked = checked.parameters if family is checked.family else complete_parameters(family, {})
    return memory.room(rows, kinds, family, memory.limit_bytes(), asked, checked.task, checked.classes or 0)


def _learn(
    order: Order,
    out: Path,
    progress: Progress,
    found: Survey,
    checked: Check,
    frame: Frame,
    split: splits.Split,
    notes: list[str],
) -> dict[str, Any]:
    fitted, checked, chosen = _fit(frame, checked, order, split, progress, partial(_space, found, checked))
    progress.stage("evaluate", f"{len(split.test):,} held-out rows")
    metadata = _metadata(order, found, checked, frame, split)
    asked = Asked(order.seed, split.last_value, order.last_run)
    judged = judge(fitted.pipeline, metadata, frame, split, asked)
    measured = judged.measured
    _report(measured, progress)
    for note in judged.notes:
        progress.say(f"note: {note}")
    metrics = {
        **measured.document,
        "task": checked.task,
        "model_type": checked.family.name,
        "rows": {"train": len(split.train), "test": len(split.test), "dropped": frame.dropped},
        "split": metadata["split"],
        **({"auto": chosen} if chosen else {}),
        "warnings": [*notes, *fitted.notes, *judged.notes],
    }
    metadata["machine"]["computed_on"] = fitted.computed_on
    metadata["score"] = measured.value
    metadata["score_metric"] = measured.headline
    metadata["times"] = manifest.times(order.started_at)
    progress.stage("save", "writing the model", {measured.headline: measured.value})
    bundle.save(
        out,
        bundle.Fitted(
            fitted.pipeline, metadata, metrics, frame, split, judged, found.decimal, order.plots, progress.log()
        ),
    )
    progress.stage("done", "trained")
    return metrics


def _survey(order: Order) -> tuple[Survey, Mapping[str, Any] | None]:
    """Return what is in the file, and its columns where it could be read whole at once."""
    dialect = detect_file(order.source)
    given = Dialect(
        order.dialect["encoding"] or dialect.encoding,
        order.dialect["delimiter"] or dialect.delimiter,
        dialect.skip_lines,
        dialect.format,
    )
    read = swift.read(order.source, given, order.question.target, memory.limit_bytes() // WHOLE_FACTOR)
    found = read.survey if read else survey(order.source, order.question.target, dialect=given)
    if order.sha256 and found.sha256 != order.sha256:
        raise Refused(
            "E-ARTIFACT", "The data is not the file that was inspected (its digest differs): run the job again"
        )
    return found, read.by_name if read else None


def _without_blank_columns(frame: Frame, train_rows: splits.Indexes, notes: list[str]) -> Frame:
    """Leave out features that hold nothing in the training rows, and say so."""
    blank = [str(name) for name in frame.features.columns if is_blank(frame.features, str(name), train_rows)]
    if not blank:
        return frame
    if len(blank) == len(frame.features.columns):
        raise Refused("E-CSV-ALLMISSING", f"No feature has a value in the training rows ({listed(blank)}): add values")
    notes.append(f"Left out, because they hold nothing in the training rows: {listed(blank)}.")
    return frame._replace(features=frame.features.drop(columns=blank))


def _fit(
    frame: Frame, checked: Check, order: Order, split: splits.Split, progress: Progress, space: Space
) -> tuple[Fitted, Check, dict[str, Any] | None]:
    """Return the fit, what was checked with the model chosen, and how ``auto`` chose it, where it did."""
    threads = 1 if frame.features.size <= ONE_THREAD_CELLS_MAX else -1
    ground = Ground(frame, checked.task, order.seed, threads, _way(order))
    asked = order.question
    about = {
        "data": order.sha256,
        "held_out": (order.test_share, asked.group, asked.time),
        "task": checked.task,
        "target": asked.target,
    }
    name = os.environ.get(CHECKPOINT_VARIABLE)
    checkpoint = Path(name) if name else None
    rows = split.train
    found = _choose(ground, checked, order, rows, progress, about, checkpoint, space)
    if found:
        checked = checked._replace(family=found.winner, parameters=complete_parameters(found.winner, {}))
    beside = found.beside if found else {}
    fitted = fit_noted(
        ground, rows, checked.family, checked.parameters, progress, about, checkpoint, beside, held_out=split.test
    )
    return fitted, checked, found.document if found else None


def _search_key(about: Mapping[str, Any], ground: Ground, rows: splits.Indexes) -> str:
    columns = [str(n) for n in ground.frame.features.columns]
    more = {"seed": ground.seed, "columns": columns, "rows": len(rows), "versions": manifest.versions()}
    return key_of({**about, **more, "code": manifest.code_digest()})


def _choose(
    ground: Ground,
    checked: Check,
    order: Order,
    rows: splits.Indexes,
    progress: Progress,
    about: Mapping[str, Any],
    checkpoint: Path | None,
    space: Space,
) -> Found | None:
    """Return what a search came to; ``None`` where the model was named."""
    if not checked.candidates:
        return None
    record = SearchRecord(checkpoint, _search_key(about, ground, rows))
    truth, metric = judged_by(ground.frame)
    scored = scorer(ground, truth, metric, time.monotonic)

    def scored_where_it_fits(family: Family, fold: splits.Split, until_s: float) -> float:
        if family is not checked.family:  # for that one the rows were drawn
            space(family, len(ground.frame.target)).demand_all()
        return scored(family, fold, until_s)

    search = Search(metric, _way(order), progress, scored_where_it_fits)
    return search.run(ground.frame, rows, checked.candidates, budget_s(order.max_runtime_s), record)


def _report(measured: evaluation.Measured, progress: Progress) -> None:
    top = measured.document["headline"]
    value, low, high, guessing = (score(measured.headline, top[key]) for key in ("value", "low", "high", "baseline"))
    progress.say(f"{top['label']} {value}  [{low} to {high}]  guessing {guessing}")
    progress.say(measured.document["verdict"])
    last = measured.document.get("last_run") or {}
    for said in (measured.document["gap"], last.get("verdict")):
        if said:
            progress.say(said)


def _way(order: Order) -> splits.Way:
    return splits.Way(order.test_share, order.seed, order.question.group, order.question.time)


def _metadata(order: Order, found: Survey, checked: Check, frame: Frame, split: splits.Split) -> dict[str, Any]:
    return {
        "schema": "model/v1",
        "name": order.name,
        "job_id": order.job_id,
        "model_type": checked.family.name,
        "model_asked": order.question.model,
        "task": checked.task,
        "target_column": order.question.target,
        "feature_columns": [str(n) for n in frame.features.columns],
        "classes": list(frame.classes) if checked.task == CLASSIFICATION else None,
        "hyperparameters": checked.parameters,
        "training_samples": len(split.train),
        "test_samples": len(split.test),
        "test_share": order.test_share,
        "split": _way(order).json(split, frame.row_numbers),
        "seed": order.seed,
        "dataset_name": order.dataset_name,
        "dataset_sha256": found.sha256,
        "delimiter": found.dialect.delimiter,
        "encoding": found.dialect.encoding,
        "date_ways": {c.name: c.way for c in found.columns if c.kind == "date" and c.name in frame.features.columns},
        "versions": manifest.versions(checked.family.library),
        "code_sha256": manifest.code_digest(),
        "machine": manifest.machine(order.machine),
        "ordered_at": order.ordered_at,
        "times": {"started_at": order.started_at},
    }
