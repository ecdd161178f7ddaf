"""``auto``: several kinds of model are tried on the same folds of the training rows, and the best one is fitted.

Held-out rows are never looked at: what is chosen there would be praised there. The search has a time; a candidate that
would go past it is left out and named. Where the time is enough, the same data and seed choose the same model.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from containers.prediction.core import answer
from containers.training.checkpoints import Keeper, SearchRecord
from containers.training.families import AUTO_ROWS_MAX, Family, complete_parameters
from containers.training.figures import LABELS, score, spread
from containers.training.fitting import fit
from containers.training.folds import deal, sample
from containers.training.frame import Frame
from containers.training.learning import Ground, unfitted
from containers.training.progress import Metric, Progress
from containers.training.refusal import Refused
from containers.training.scoring import ERRORS, Truth, headline_score
from containers.training.splits import Indexes, Split, Way
from containers.training.titles import title_of

BUDGET_SHARE = 0.2
"""Part of a job's longest runtime that the search may take: the choice is still to be fitted and judged."""
BUDGET_S_MAX = 1200.0
"""Longest search: it costs money, and four kinds of model on ``folds.ROWS_MAX`` rows need less."""
BUDGET_S_UNKNOWN = 600.0
"""Where no longest runtime is told."""

Clock = Callable[[], float]
Scorer = Callable[[Family, Split, float], float]
"""Returns the score of a family on one fold; may raise ``OutOfTime`` past a time of the clock."""


class Tried(NamedTuple):
    """One candidate."""

    name: str
    scores: tuple[float, ...] = ()
    """One for each fold; none where it was left out."""
    seconds: float = 0.0
    skipped: str = ""
    """Why it was left out, in words."""

    @property
    def mean(self) -> float:
        """Of the scores; NaN where there are none."""
        return float(np.mean(self.scores)) if self.scores else math.nan

    @property
    def sd(self) -> float:
        """Standard deviation of the scores over the folds."""
        return float(np.std(self.scores, ddof=1)) if len(self.scores) > 1 else 0.0

    def json(self) -> dict[str, Any]:
        """Return the candidate as ``metrics.json`` has it."""
        found = {"name": self.name, "seconds": round(self.seconds, 2), "skipped": self.skipped or None}
        if not self.scores:
            return {**found, "mean": None, "sd": None, "scores": []}
        return {**found, "mean": self.mean, "sd": self.sd, "scores": list(self.scores)}


class Found(NamedTuple):
    """What a search came to."""

    winner: Family
    document: dict[str, Any]
    """For ``metrics.json``."""
    beside: dict[str, bytes]
    """For the checkpoints of the winner's fit."""


class OutOfTime(Exception):
    """The search's time ended within a fit."""


class _Timed(Keeper):
    """Keeps nothing; ends a fit that has rounds when the time is over."""

    def __init__(self, until_s: float, clock: Clock) -> None:
        super().__init__(None, "", Progress(None))
        self._until_s = until_s
        self._now = clock

    def tell(self, done: int, metric: Metric = None) -> None:  # noqa: ARG002 (its signature)
        """Look at the clock and say nothing. Raises ``OutOfTime``."""
        if self._now() > self._until_s:
            raise OutOfTime

    def begin(self, done: int, total: int) -> None:
        """Say nothing: there are many fits, and each candidate is told of once."""


def budget_s(max_runtime_s: float | None) -> float:
    """Return how long a search may take, in seconds."""
    return BUDGET_S_UNKNOWN if max_runtime_s is None else min(BUDGET_S_MAX, BUDGET_SHARE * max_runtime_s)


def best(tried: Sequence[Tried], metric: str) -> Tried | None:
    """Return the candidate with the best mean score, the earlier one of equals; ``None`` where none has scores."""
    scored = [one for one in tried if one.scores]
    sign = -1 if metric in ERRORS else 1
    return max(scored, key=lambda one: sign * one.mean, default=None)


def reason(tried: Sequence[Tried], metric: str, first: str) -> str:
    """Return in a sentence why the winner won; ``first`` is what is fitted where nothing could be compared."""
    won = best(tried, metric)
    if won is None:
        return f"{title_of(first)}: nothing could be compared, so the plainest kind of model was taken"
    label = LABELS[metric]
    text = f"{title_of(won.name)} has the best mean {label} ({score(metric, won.mean)})"
    second = best([one for one in tried if one is not won], metric)
    if second is None:
        return f"{text}, and no other could be compared"
    text += f", before {title_of(second.name)} ({score(metric, second.mean)})"
    if abs(won.mean - second.mean) <= max(won.sd, second.sd):
        text += "; they differ by less than the folds do, so either may do"
    return text


def scorer(ground: Ground, truth: Truth, metric: str, clock: Clock) -> Scorer:
    """Return what fits a family with its defaults on a fold's rows and scores it on the others.

    ``truth`` tells the classes and which of two is looked for.
    """
    frame = ground.frame
    told = {"task": ground.task, "classes": frame.classes}

    def score(family: Family, fold: Split, until_s: float) -> float:
        pipeline = unfitted(ground, fold.train, family, complete_parameters(family, {}))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the fit on all rows tells what there is to tell
            fit(pipeline, family, frame.features, frame.target[fold.train], _Timed(until_s, clock), fold.train)
            answers = answer(pipeline, told, frame.features.iloc[fold.test])
            return headline_score(metric, truth._replace(values=frame.target[fold.test]), answers)

    return score


class Search:
    """One search; what is found is kept candidate by candidate."""

    def __init__(self, metric: str, way: Way, progress: Progress, score: Scorer, clock: Clock = time.monotonic) -> None:
        """``metric`` is what candidates are compared by, ``score`` what fits one on a fold."""
        self._metric = metric
        self._way = way
        self._progress = progress
        self._score = score
        self._clock = clock
        self._used_s = 0.0

    def run(
        self, frame: Frame, rows: Indexes, families: Sequence[Family], limit_s: float, record: SearchRecord
    ) -> Found:
        """Try the candidates on folds of ``rows`` and return the winner. Raises ``Interrupted``."""
        chosen = sample(rows, self._way.seed)
        folds = deal(frame, chosen, self._way)
        among = f"{len(families)} kinds of model by {len(folds)} folds of {len(chosen):,} training rows"
        self._progress.stage("choose", f"choosing among {among}, for at most {limit_s:,.0f} s")
        tried = self._earlier(record, families)
        for number, family in enumerate(families[len(tried) :], len(tried)):
            so_far = best(tried, self._metric)
            self._progress.step(
                number / len(families),
                f"candidate {number + 1} of {len(families)}: {title_of(family.name)}",
                {self._metric: so_far.mean} if so_far else None,
            )
            tried.append(self._try(family, folds, limit_s, len(rows)))
            self._used_s += tried[-1].seconds
            self._progress.say(self._said(tried[-1]))
            record.save([one._asdict() for one in tried])
        winner = best(tried, self._metric)
        why = reason(tried, self._metric, families[0].name)
        self._progress.say(why)
        document = self._document(tried, folds, len(chosen), len(rows), limit_s)
        family = next((f for f in families if winner and f.name == winner.name), families[0])
        document |= {"winner": family.name, "why": why}
        return Found(family, document, record.members([one._asdict() for one in tried]))

    def _earlier(self, record: SearchRecord, families: Sequence[Family]) -> list[Tried]:
        """Return what an earlier attempt found, in the candidates' order."""
        try:
            found = [
                Tried(str(d["name"]), tuple(map(float, d["scores"])), float(d["seconds"]), str(d["skipped"]))
                for d in record.find()
            ]
        except (TypeError, KeyError, ValueError):
            return []
        names = [family.name for family in families]
        if not found or [one.name for one in found] != names[: len(found)]:
            return []
        self._used_s = sum(one.seconds for one in found)
        self._progress.say(f"the last attempt has tried {len(found)} of them")
        return found

    def _try(self, family: Family, folds: Sequence[Split], limit_s: float, rows: int) -> Tried:
        """Score one candidate on every fold. The first is never left out for time."""
        most = AUTO_ROWS_MAX.get(family.name, rows)
        if rows > most:
            return Tried(family.name, skipped=f"it is tried up to {most:,} training rows, past which it is slow")
        began, left_s = self._clock(), limit_s - self._used_s
        if self._used_s and left_s <= 0:
            return Tried(family.name, skipped="the time for the search was used up")
        until_s = began + left_s if self._used_s else math.inf
        scores: list[float] = []
        try:
            for number, fold in enumerate(folds, 1):
                scores.append(self._score(family, fold, until_s))
                needed_s = (self._clock() - began) / number * len(folds)
                if number < len(folds) and began + needed_s > until_s:
                    skipped = f"it would take about {needed_s:,.0f} s, and {left_s:,.0f} s were left"
                    return Tried(family.name, (), self._clock() - began, skipped)
        except OutOfTime:
            return Tried(family.name, (), self._clock() - began, f"more than the {left_s:,.0f} s left were needed")
        except Refused as refusal:
            return Tried(family.name, (), self._clock() - began, refusal.detail)
        except ValueError as error:  # what scikit-learn raises where data do not suit a model
            return Tried(family.name, (), self._clock() - began, f"it cannot learn from a fold: {str(error)[:200]}")
        if not scores or not all(map(math.isfinite, scores)):
            return Tried(family.name, (), self._clock() - began, "its score is no finite number")
        return Tried(family.name, tuple(scores), self._clock() - began)

    def _said(self, one: Tried) -> str:
        if not one.scores:
            return f"{title_of(one.name)} was left out: {one.skipped}"
        told = spread(self._metric, one.mean, one.sd)
        return f"{title_of(one.name)}: {LABELS[self._metric]} {told} in {one.seconds:.1f} s"

    def _document(
        self, tried: Sequence[Tried], folds: Sequence[Split], rows: int, of: int, limit_s: float
    ) -> dict[str, Any]:
        return {
            "metric": self._metric,
            "label": LABELS[self._metric],
            "higher_is_better": self._metric not in ERRORS,
            "folds": len(folds),
            "method": "group" if self._way.group else "time" if self._way.time else "random",
            "rows": rows,
            "rows_of": of,
            "budget_s": limit_s,
            "candidates": [one.json() for one in tried],
        }
