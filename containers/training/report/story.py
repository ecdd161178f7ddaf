"""What report and model card say, as plain text: the same words from the same documents, each page in its own dress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from containers.training.families import FAMILIES
from containers.training.figures import LABELS, score, spread
from containers.training.report.words import (
    LICENCES,
    cut,
    lost_words,
    machine_words,
    price_words,
    split_words,
    values_words,
)
from containers.training.titles import title_of

Document = Mapping[str, Any]
CLASSES_SHOWN_MAX = 100
"""Classes of the table by class; of more those with most rows. All of them are in ``metrics.json``."""
NUMBERED = "No."
"""Head of a column that holds places, by which plots name what they cannot write."""
COLUMNS_SHOWN_MAX = 200
"""Columns of the table of columns. All of them are in ``schema.json``."""


class Grid(NamedTuple):
    """A table in words."""

    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


class Story(NamedTuple):
    """A training, told."""

    metadata: Document
    metrics: Document
    schema: Document = MappingProxyType({})

    @property
    def name(self) -> str:
        """What the model is called."""
        return cut(self.metadata.get("name") or self.metadata.get("job_id") or "model")

    @property
    def footer(self) -> str:
        """What stands in a plot's corner."""
        meta = self.metadata
        machine = (meta.get("machine") or {}).get("machine_type")
        parts = [meta.get("name"), meta.get("job_id"), str(meta.get("ordered_at") or "")[:10], machine]
        return " · ".join(["lastcall", *(str(part)[:60] for part in parts if part)])

    @property
    def kind(self) -> str:
        """The kind of model, in words."""
        return title_of(str(self.metadata["model_type"]))

    @property
    def headline(self) -> str:
        """The metric that speaks first, with its interval and guessing beside it."""
        top = self.metrics["headline"]
        value, low, high, guessing = (score(top["name"], top[key]) for key in ("value", "low", "high", "baseline"))
        label = f"{top['label'][:1].upper()}{top['label'][1:]}"
        return f"{label} {value} (95 % interval {low} to {high}), guessing {guessing}"

    @property
    def verdicts(self) -> list[str]:
        """The sentences of the judgement, each with a capital and a full stop."""
        last = (self.metrics.get("last_run") or {}).get("verdict")
        said = [self.metrics["verdict"], self.metrics.get("gap"), last]
        return [f"{text[:1].upper()}{text[1:]}." for text in said if text]

    @property
    def answers(self) -> str:
        """What the model says of a row, in a sentence."""
        target, classes = f"“{cut(self.metadata['target_column'])}”", self.metadata.get("classes")
        if not classes:
            return f"Predicts the number {target} of a row."
        if len(classes) == 2:
            either = " or ".join(f"“{cut(name)}”" for name in classes)
            return f"Tells whether {target} of a row is {either}, with a probability for each."
        return f"Tells which of {len(classes):,} classes {target} of a row is, with a probability for each."

    def data(self) -> list[tuple[str, str]]:
        """Return what was learnt from."""
        meta, rows = self.metadata, self.metrics["rows"]
        shared, groups = self.metrics.get("rows_shared"), self.metrics.get("groups")
        told = [
            ("Target", cut(meta["target_column"])),
            ("Task", str(meta["task"])),
            (
                "Classes",
                ", ".join(cut(name)[:60] for name in meta["classes"][:20])
                + (" …" if len(meta["classes"]) > 20 else ""),
            )
            if meta.get("classes")
            else None,
            ("Columns learnt from", f"{len(meta['feature_columns']):,}"),
            ("Rows learnt from", f"{rows['train']:,}"),
            ("Rows held out", f"{rows['test']:,}, {cut(split_words(meta))}"),
            ("Groups", f"{groups['train']:,} learnt from, {groups['test']:,} held out") if groups else None,
            ("Rows without a target, left out", f"{rows['dropped']:,}") if rows["dropped"] else None,
            ("Held-out rows equal to one learnt from", "not counted" if shared is None else f"{shared:,}"),
            ("File", f"{meta['dataset_name']}" if meta.get("dataset_name") else None),
            ("SHA-256 of the file", str(meta["dataset_sha256"])),
        ]
        return [(label, text) for label, text in filter(None, told) if text is not None]

    def made(self) -> list[tuple[str, str]]:
        """Return how, where and when it was made."""
        meta = self.metadata
        machine, times = meta.get("machine") or {}, meta.get("times") or {}
        told = [
            ("Job", str(meta.get("job_id") or "")),
            ("Model", f"{self.kind}{', chosen by Lastcall' if meta.get('model_asked') == 'auto' else ''}"),
            ("Seed", str(meta["seed"])),
            ("Started", str(times.get("started_at") or "")),
            ("Took", _took(times.get("seconds"))),
            ("Machine", machine_words(machine)),
            ("Price", price_words(machine)),
            ("Versions", ", ".join(f"{name} {version}" for name, version in meta["versions"].items())),
            ("Code", f"SHA-256 {meta['code_sha256'][:16]}…" if meta.get("code_sha256") else ""),
        ]
        return [(label, text) for label, text in told if text]

    def parameters(self) -> list[tuple[str, str]]:
        """Return the model's settings."""
        family = FAMILIES.get(str(self.metadata["model_type"]))
        unset = {one.name: one.null for one in family.parameters} if family else {}
        return [
            (str(key), str(unset.get(key) or "none") if value is None else str(value))
            for key, value in self.metadata["hyperparameters"].items()
        ]

    def scores(self) -> Grid:
        """Return every metric beside that of guessing."""
        ours, theirs = self.metrics["held_out"], self.metrics["baseline"]
        rows = [(LABELS.get(key, key), score(key, value), score(key, theirs.get(key))) for key, value in ours.items()]
        return Grid(
            ("Metric", "This model", "Guessing"), [(f"{label[:1].upper()}{label[1:]}", *rest) for label, *rest in rows]
        )

    def thresholds(self) -> Grid | None:
        """Return what both thresholds reach."""
        found = self.metrics.get("threshold")
        if not found:
            return None
        pairs = [("0.5, as predictions use it", found["default"]), ("best F1", found["best_f1"])]
        rows = [
            (name, f"{one['threshold']:.4g}", *(score(key, one[key]) for key in ("precision", "recall", "f1")))
            for name, one in pairs
            if one
        ]
        return Grid(("Threshold", "From", "Precision", "Recall", "F1"), rows)

    def threshold_note(self) -> str:
        """Return how the second threshold was chosen."""
        found = self.metrics["threshold"]
        if not found["best_f1"]:
            return "No other threshold was looked for: one of the classes has too few rows."
        return (
            f"The second threshold was chosen on {found['chosen_on']:,} training rows in {found['folds']} folds, not "
            "on the held-out rows it is judged on here."
        )

    def classes(self) -> Grid | None:
        """Return the table by class."""
        found: Sequence[Document] = self.metrics.get("per_class") or ()
        if not found:
            return None
        keys = ("precision", "recall", "f1")
        order = sorted(range(len(found)), key=lambda i: -found[i]["support"])[:CLASSES_SHOWN_MAX]
        rows = [
            (
                str(i + 1),
                cut(found[i]["name"]),
                *(score(key, found[i][key]) for key in keys),
                f"{found[i]['support']:,}",
            )
            for i in sorted(order)
        ]
        return Grid((NUMBERED, "Class", "Precision", "Recall", "F1", "Rows"), rows)

    def classes_note(self) -> str:
        """Return which classes the table leaves out."""
        count = len(self.metrics.get("per_class") or ())
        if count <= CLASSES_SHOWN_MAX:
            return ""
        return f"The {CLASSES_SHOWN_MAX} of {count:,} classes with most rows; all of them are in metrics.json."

    def signals(self) -> Grid | None:
        """Return the columns that matter most."""
        found = self.metrics.get("importance")
        if not found or not found["columns"]:
            return None
        label, name = self.metrics["headline"]["label"], found["metric"]
        rows = [
            (str(one["number"]), cut(one["name"]), f"{spread(name, one['mean'], one['sd'])}")
            for one in found["columns"]
        ]
        return Grid((NUMBERED, "Column", f"{label[:1].upper()}{label[1:]} {lost_words(name)}"), rows)

    def columns(self) -> Grid | None:
        """Return the columns a file must have, with what they held."""
        found: Sequence[Document] = self.schema.get("columns") or ()
        if not found:
            return None
        rows = [
            (str(number), cut(one["name"]), str(one["kind"]), values_words(one), f"{one['missing']:,}")
            for number, one in enumerate(found[:COLUMNS_SHOWN_MAX], 1)
        ]
        return Grid((NUMBERED, "Column", "Kind", "Values", "Missing"), rows)

    def columns_note(self) -> str:
        """Return which columns the table leaves out."""
        count = len(self.schema.get("columns") or ())
        if count <= COLUMNS_SHOWN_MAX:
            return ""
        return f"The first {COLUMNS_SHOWN_MAX} of {count:,} columns; all of them are in schema.json."

    def licences(self) -> str:
        """Return the licences of the libraries the model needs."""
        needed = [name for name in self.metadata["versions"] if name in LICENCES]
        return ", ".join(f"{name} {LICENCES[name]}" for name in needed)

    def signals_note(self) -> str:
        """Return how importance was measured."""
        found = self.metrics["importance"]
        tried = (
            f" Of {found['of']:,} columns the {found['tried']:,} were tried that go most with the model's answers."
            if found["tried"] < found["of"]
            else ""
        )
        return (
            f"The mean over {found['repeats']} shuffles of the column among {found['rows']:,} held-out rows, with "
            f"its standard deviation.{tried}"
        )

    def candidates(self) -> Grid | None:
        """Return what ``auto`` chose among."""
        found = self.metrics.get("auto")
        if not found:
            return None
        name = self.metrics["headline"]["name"]
        rows = [
            (
                title_of(str(one["name"])),
                cut(f"left out: {one['skipped']}") if one["skipped"] else spread(name, one["mean"], one["sd"]),
                f"{one['seconds']:,.1f}",
            )
            for one in found["candidates"]
        ]
        label = str(found["label"])
        return Grid(("Kind of model", f"{label[:1].upper()}{label[1:]}", "Seconds"), rows)

    def candidates_note(self) -> str:
        """Return how they were compared, and why the winner won."""
        found = self.metrics["auto"]
        why = str(found["why"])
        of = f" (drawn from {found['rows_of']:,})" if found["rows"] < found["rows_of"] else ""
        return (
            f"{why[:1].upper()}{why[1:]}. Mean and standard deviation over the same {found['folds']} folds of "
            f"{found['rows']:,} training rows{of}; the held-out rows were not looked at. The search had "
            f"{found['budget_s']:,.0f} s."
        )

    def warnings(self) -> list[str]:
        """Return what a person should know of the data and the fit."""
        return [cut(text) for text in self.metrics["warnings"]]


def _took(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds:,.0f} s" if seconds else "under 1 s"  # known to the second
