"""Every kind of model that is brought over answers, bit for bit, as it did."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import skops.io
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import (
    LogisticRegression,
    Ridge,
)
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    TargetEncoder,
)

from containers.importing.converting import Converted, convert, document, new_answers
from containers.importing.names import KINDS
from containers.importing.rows import plain
from containers.importing.scan import scan
from containers.importing.unpickler import OldPickle
from containers.prediction.core import added_names, answer_cells
from containers.prediction.model import OLDER, TRUSTED
from tests.support.old_kinds import EVERYTHING, PREPARATIONS, old
from tests.support.old_models import Old, dumped, frame, labels

FRESH = """
import hashlib, json, sys
from pathlib import Path
from containers.importing.rows import framed
from containers.prediction.core import answer
from containers.prediction.model import load_pipeline
for file in sorted(Path(sys.argv[1]).glob("*.json")):
    asked = json.loads(file.read_text())
    pipeline = load_pipeline(file.with_suffix(".skops"), asked["family"])
    found = answer(pipeline, asked["document"], framed(asked["table"]))
    print(file.stem, hashlib.sha256(found.tobytes()).hexdigest())
"""
"""A program that answers with every model in a folder."""


class Brought(NamedTuple):
    """A model before and after."""

    old: Old
    new: Converted
    file: bytes

    @property
    def asked(self) -> dict[str, Any]:
        """What predictions read of its metadata."""
        return document(self.new.classes, self.new.kind, probabilities=self.new.probabilities)


@cache
def brought(number: int) -> Brought:
    """Read a model back as older files are, convert it and write it."""
    made = old(EVERYTHING[number])
    scan(io.BytesIO(dumped(made.model)))
    model, scaler = (OldPickle(io.BytesIO(dumped(one))).load() for one in (made.model, made.scaler))
    new, file = convert(model, scaler, [], plain(made.frame)), io.BytesIO()
    skops.io.dump(new.pipeline, file)
    return Brought(made, new, file.getvalue())


@pytest.mark.parametrize("number", range(len(EVERYTHING)), ids=lambda n: type(EVERYTHING[n]).__name__)
def test_every_kind_answers_as_it_did(number: int) -> None:
    made, new, _ = brought(number)
    found = new_answers(new)
    assert found.tobytes() == new.answers.tobytes()
    scaled = made.scaler.transform(made.frame)
    predicted = made.model.predict(scaled).ravel().tolist()
    if new.classes is None:
        assert found.tolist() == predicted
        return
    asked = brought(number).asked
    cells = answer_cells(asked, found)
    assert [row[0] for row in cells] == [str(value) for value in predicted]
    assert len(cells[0]) == len(added_names(asked, "prediction"))
    if new.probabilities:
        assert found.tolist() == made.model.predict_proba(scaled).tolist()


def answered_afresh(folder: Path, models: Sequence[tuple[Any, dict[str, Any], bytes]]) -> list[str]:
    """Return the digest of what each model answers from its file, in a process that has loaded nothing else."""
    for number, (new, asked, file) in enumerate(models):
        (folder / f"{number:03}.skops").write_bytes(file)
        whole = {"family": new.kind.model_type, "document": asked, "table": new.table}
        (folder / f"{number:03}.json").write_text(json.dumps(whole))
    said = subprocess.run([sys.executable, "-c", FRESH, str(folder)], capture_output=True, text=True, check=True)
    found = dict(line.split() for line in said.stdout.splitlines())
    return [found[f"{number:03}"] for number in range(len(models))]


def digests(models: Sequence[tuple[Any, dict[str, Any], bytes]]) -> list[str]:
    return [hashlib.sha256(new.answers.tobytes()).hexdigest() for new, *_ in models]


def test_every_kind_answers_the_same_from_its_file_in_a_fresh_process(tmp_path: Path) -> None:
    models = [(one.new, one.asked, one.file) for one in map(brought, range(len(EVERYTHING)))]
    both = zip(EVERYTHING, answered_afresh(tmp_path, models), digests(models), strict=True)
    assert [model for model, found, expected in both if found != expected] == []


def test_every_kind_that_is_taken_is_tried_here() -> None:
    assert {type(model).__name__ for model in EVERYTHING} == {name for kinds in KINDS.values() for name in kinds}


def test_every_kind_has_a_list_of_types_for_its_file() -> None:
    assert {kind.model_type for kinds in KINDS.values() for kind in kinds.values()} <= {*TRUSTED, *OLDER}


def test_what_prepared_the_columns_comes_over_with_the_model(tmp_path: Path) -> None:
    rows = frame().abs()
    steps = [(type(step).__name__, clone(step)) for step in PREPARATIONS]
    whole = Pipeline([*steps, ("model", LogisticRegression())]).fit(rows, labels(rows))
    texts = frame().assign(plan=["a", "b", "c"] * 20)[["plan", "spend"]]
    prepare = ColumnTransformer([("mean", TargetEncoder(cv=KFold(2)), ["plan"])], remainder="passthrough")
    means = Pipeline([("prepare", prepare), ("model", Ridge())]).fit(texts, texts["spend"])
    models = []
    for model, table, said in ((whole, rows, whole.predict_proba(rows)), (means, texts, means.predict(texts))):
        scan(io.BytesIO(dumped(model)))
        new, file = convert(OldPickle(io.BytesIO(dumped(model))).load(), None, [], plain(table)), io.BytesIO()
        assert new.answers.tolist() == said.tolist()
        skops.io.dump(new.pipeline, file)
        models.append((new, document(new.classes, new.kind, probabilities=said.ndim == 2), file.getvalue()))
    assert answered_afresh(tmp_path, models) == digests(models)
