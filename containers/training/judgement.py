"""The whole judgement of a fitted model: its answers on held-out rows, and everything that is to be said of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from containers.prediction.core import answer
from containers.training import evaluation
from containers.training.duplicates import shared_rows
from containers.training.figures import number
from containers.training.frame import Floats, Frame, Integers
from containers.training.importance import importance
from containers.training.report.exhibit import Exhibit
from containers.training.rounds import learning
from containers.training.scoring import Truth, headline_metric
from containers.training.splits import Split
from containers.training.threshold import thresholds

GROUPS_TOLD_MIN = 10
"""Held-out groups below which a person is told that they are few; intervals over fewer clusters are known to be too
narrow (Cameron, Gelbach and Miller 2008, Bootstrap-Based Improvements for Inference with Clustered Errors)."""

RARE_TOLD_MIN = 10
"""Held-out rows of the rarer of two classes below which a person is told that they are few."""
SHIFT_SHARE = 0.5
"""Part of the squared error that is one shift of all answers, from which on it is said of rows split by time."""


class Asked(NamedTuple):
    """How a model is to be judged."""

    seed: int
    last_value: float | None = None
    """Target of the last training row, where the rows are in order of time and the target is a number."""
    last_run: Mapping[str, Any] | None = None
    """Headline of the model before this one, on the same data and target."""


class Judged(NamedTuple):
    """What was found."""

    answers: Any
    """On the held-out rows."""
    measured: evaluation.Measured
    exhibit: Exhibit
    notes: list[str]
    """What a person should know, one sentence each."""


def judged_by(frame: Frame) -> tuple[Truth, str]:
    """Return the target of all rows as what answers are compared with, and the metric that speaks first."""
    classes = len(frame.classes)
    positive = evaluation.positive_class(frame.classes, frame.target.astype(np.int64)) if classes == 2 else 1
    everything = Truth(frame.target, classes, positive)
    return everything, headline_metric(everything)


def judge(
    pipeline: Any,
    metadata: Mapping[str, Any],
    frame: Frame,
    split: Split,
    asked: Asked,
) -> Judged:
    """Judge a fitted pipeline on the held-out rows. Raises ``Refused`` E-METRICS."""
    everything, name = judged_by(frame)
    classes, positive = everything.classes, everything.positive
    held_out = frame.features.iloc[split.test]
    answers = answer(pipeline, metadata, held_out)
    scored = split.train[: evaluation.TRAIN_ROWS_SCORED_MAX]
    known = answer(pipeline, metadata, frame.features.iloc[scored])
    learnt = everything._replace(values=frame.target[split.train])
    tested = everything._replace(values=frame.target[split.test])
    measured = evaluation.measure(
        learnt,
        known,
        tested,
        answers,
        name=name,
        seed=asked.seed,
        classes=frame.classes,
        last_value=asked.last_value,
        groups=_groups(split, split.test),
        stretches=split.stretches,
    )
    found = measured.document
    if classes == 2:
        rows, groups = frame.features.iloc[split.train], _groups(split, split.train)
        found["threshold"] = thresholds(pipeline, rows, learnt, tested, answers, asked.seed, groups)
    found["importance"] = importance(
        name, tested, held_out, answers, lambda rows: answer(pipeline, metadata, rows), asked.seed
    )
    rounds = learning(pipeline, str(metadata["model_type"]), frame, split)
    if rounds:
        found["learning"] = rounds
    found["rows_shared"] = shared_rows(frame, split)
    if asked.last_run:
        found["last_run"] = {
            **asked.last_run,
            "verdict": evaluation.compare_with_last(found["headline"], asked.last_run, metadata["split"]),
        }
    if split.groups is not None:
        found["groups"] = {side: len(np.unique(split.groups[rows])) for side, rows in _sides(split)}
    exhibit = Exhibit(tested.values, answers, frame.classes, positive, str(metadata["target_column"]), found)
    return Judged(
        answers,
        measured,
        exhibit,
        [
            *_of_groups(split),
            *_of_time(split, tested, answers),
            *_of_rare(tested, frame.classes),
            *_of_threshold(found),
            *_of_shared(found["rows_shared"]),
        ],
    )


def _groups(split: Split, rows: Integers) -> Integers | None:
    """Return a number for the group of each of these rows; ``None`` where rows are not split by group."""
    return None if split.groups is None else split.groups[rows]


def _of_groups(split: Split) -> list[str]:
    """Return a note where so few groups are held out that their interval says little of others."""
    held_out = _groups(split, split.test)
    groups = 0 if held_out is None else len(np.unique(held_out))
    if not 0 < groups < GROUPS_TOLD_MIN:
        return []
    said = "1 group is" if groups == 1 else f"{groups} groups are"
    return [f"Only {said} held out: how well it does on others is hardly known. More groups would tell."]


def _sides(split: Split) -> tuple[tuple[str, Integers], ...]:
    return (("train", split.train), ("test", split.test))


def _of_time(split: Split, tested: Truth, answers: Floats) -> list[str]:
    """Return a note where later rows lie above or below all that was learnt, so that most of the error is one shift."""
    if split.last_value is None:
        return []
    error = answers - tested.values
    mean = float(np.mean(error))
    if mean**2 < SHIFT_SHARE * float(np.mean(error**2)) or not mean:
        return []
    said = f"too {'low' if mean < 0 else 'high'} by {number(abs(mean))} on average"
    return [
        f"Answers to later rows are {said}, which is most of the error: the target moves with time. A column that says "
        "what moves it may help; trees never answer beyond what they have seen, a line (ridge) does."
    ]


def _of_rare(tested: Truth, classes: tuple[str, ...]) -> list[str]:
    """Return a note where the score of two classes hangs on a handful of rows."""
    if tested.classes != 2:
        return []
    counted = np.bincount(tested.values.astype(np.int64), minlength=2)
    rare = int(np.argmin(counted))
    if counted[rare] >= RARE_TOLD_MIN:
        return []
    said = "1 held-out row is" if counted[rare] == 1 else f"{counted[rare]} held-out rows are"
    return [f"Only {said} “{classes[rare]}”: the score hangs on them. More such rows would tell."]


def _of_threshold(found: Mapping[str, Any]) -> list[str]:
    """Return a note where predictions never name the class that is looked for, and what would find it."""
    best = (found.get("threshold") or {}).get("best_f1")
    if not best or found["confusion"]["true_positive"] + found["confusion"]["false_positive"]:
        return []
    return [
        f"No held-out row is predicted as “{found['positive']}”: none has a probability over 0.5. Take the "
        f"probability of each row instead; best F1 was from {number(best['threshold'])} on."
    ]


def _of_shared(shared: int | None) -> list[str]:
    if not shared:
        return []
    rows = "1 held-out row is equal to a row" if shared == 1 else f"{shared:,} held-out rows are equal to rows"
    return [f"{rows} learnt from, which flatters the score: duplicates in the file, or rows that belong together."]
