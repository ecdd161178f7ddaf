"""What report and model card say, as plain text: the same words from the same documents, each page in its own dress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from containers.training.scoring import LABELS

Document = Mapping[str, Any]


class Grid(NamedTuple):
    """A table in words."""

    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


class Story(NamedTuple):
    """A training, told."""

    metadata: Document
    metrics: Document

    @property
    def name(self) -> str:
        """What the model is called."""
        return str(self.metadata.get("name") or self.metadata.get("job_id") or "model")

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
        return str(self.metadata["model_type"]).replace("_", " ")

    @property
    def headline(self) -> str:
        """The metric that speaks first, with its interval and guessing beside it."""
        top = self.metrics["headline"]
        interval = f"[{figure(top['low'])} to {figure(top['high'])}]"
        return f"{top['label']} {figure(top['value'])} {interval}, guessing {figure(top['baseline'])}"

    @property
    def verdicts(self) -> list[str]:
        """The sentences of the judgement, each with a capital and a full stop."""
        last = (self.metrics.get("last_run") or {}).get("verdict")
        said = [self.metrics["verdict"], self.metrics.get("gap"), last]
        return [f"{text[:1].upper()}{text[1:]}." for text in said if text]

    def data(self) -> list[tuple[str, str]]:
        """Return what was learnt from."""
        meta, rows = self.metadata, self.metrics["rows"]
        shared = self.metrics.get("rows_shared")
        told = [
            ("Target", str(meta["target_column"])),
            ("Task", str(meta["task"])),
            ("Classes", ", ".join(map(str, meta["classes"][:20])) + (" …" if len(meta["classes"]) > 20 else ""))
            if meta.get("classes")
            else None,
            ("Columns learnt from", f"{len(meta['feature_columns']):,}"),
            ("Rows learnt from", f"{rows['train']:,}"),
            ("Rows held out", f"{rows['test']:,}, {split_words(meta)}"),
            ("Rows without a target, left out", f"{rows['dropped']:,}") if rows["dropped"] else None,
            ("Held-out rows equal to one learnt from", "not counted" if shared is None else f"{shared:,}"),
            ("File", f"SHA-256 {meta['dataset_sha256']}"),
        ]
        return [pair for pair in told if pair is not None]

    def made(self) -> list[tuple[str, str]]:
        """Return how, where and when it was made."""
        meta = self.metadata
        machine, times = meta.get("machine") or {}, meta.get("times") or {}
        told = [
            ("Job", str(meta.get("job_id") or "")),
            ("Model", self.kind),
            ("Seed", str(meta["seed"])),
            ("Started", str(times.get("started_at") or "")),
            ("Took", f"{times['seconds']:,.0f} s" if times.get("seconds") is not None else ""),
            ("Machine", machine_words(machine)),
            ("Versions", ", ".join(f"{name} {version}" for name, version in meta["versions"].items())),
            ("Code", f"SHA-256 {meta['code_sha256'][:16]}…" if meta.get("code_sha256") else ""),
        ]
        return [(label, text) for label, text in told if text]

    def parameters(self) -> list[tuple[str, str]]:
        """Return the model's settings."""
        return [
            (str(key), "none" if value is None else str(value))
            for key, value in self.metadata["hyperparameters"].items()
        ]

    def scores(self) -> Grid:
        """Return every metric beside that of guessing."""
        ours, theirs = self.metrics["held_out"], self.metrics["baseline"]
        rows = [(LABELS.get(key, key), figure(value), figure(theirs.get(key))) for key, value in ours.items()]
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
            (name, *(figure(one[key]) for key in ("threshold", "precision", "recall", "f1")))
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
        rows = [
            (str(number), str(one["name"]), *(figure(one[key]) for key in keys), f"{one['support']:,}")
            for number, one in enumerate(found, 1)
        ]
        return Grid(("No.", "Class", "Precision", "Recall", "F1", "Rows"), rows)

    def signals(self) -> Grid | None:
        """Return the columns that matter most."""
        found = self.metrics.get("importance")
        if not found or not found["columns"]:
            return None
        label = self.metrics["headline"]["label"]
        rows = [
            (str(one["number"]), str(one["name"]), f"{figure(one['mean'])} ± {figure(one['sd'])}")
            for one in found["columns"]
        ]
        return Grid(("No.", "Column", f"{label} lost"), rows)

    def signals_note(self) -> str:
        """Return how importance was measured."""
        found = self.metrics["importance"]
        tried = (
            f" Of {found['of']:,} columns the {found['tried']:,} were tried that go most with the model's answers."
            if found["tried"] < found["of"]
            else ""
        )
        return (
            f"The mean loss over {found['repeats']} shuffles of the column among {found['rows']:,} held-out rows, with "
            f"its standard deviation.{tried}"
        )

    def candidates(self) -> Grid | None:
        """Return what ``auto`` chose among."""
        found = self.metrics.get("auto")
        if not found:
            return None
        rows = [
            (
                str(one["name"]).replace("_", " "),
                f"left out: {one['skipped']}" if one["skipped"] else f"{figure(one['mean'])} ± {figure(one['sd'])}",
                f"{one['seconds']:,.1f}",
            )
            for one in found["candidates"]
        ]
        return Grid(("Kind of model", str(found["label"]), "Seconds"), rows)

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
        return [str(text) for text in self.metrics["warnings"]]


def figure(value: float | None) -> str:
    """Return a number with four significant digits; a dash where there is none."""
    if value is None:
        return "–"
    text = f"{value:,.4g}"
    return f"{value:,.0f}" if "e+" in text and abs(value) < 1e9 else text


def split_words(metadata: Document) -> str:
    """Return how the held-out rows were chosen."""
    split = metadata["split"]
    share = f"{split['share']:.0%}"
    if split["method"] == "group":
        return f"{share} in whole groups of “{split['column']}”"
    if split["method"] == "time":
        return f"the last {share} by “{split['column']}”"
    return f"{share} at random{', classes by their shares' if metadata.get('classes') else ''}"


def machine_words(machine: Document) -> str:
    """Return what is known of the machine."""
    memory = machine.get("memory_bytes")
    parts = [
        machine.get("machine_type"),
        machine.get("place"),
        machine.get("provider"),
        "spot" if machine.get("spot") else None,
        f"{machine['cores']} cores" if machine.get("cores") else None,
        f"{memory / 1e9:.0f} GB memory" if memory else None,
        machine.get("processor"),
        machine.get("system"),
    ]
    return ", ".join(str(part) for part in parts if part)
