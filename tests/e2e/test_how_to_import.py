"""The page on importing an older model is true: every command is run here, on files as the older product made them.

They, a logistic regression and a model of numbers are imported through command line and daemon, and predict as the
originals did.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression

from containers.prediction.output import number_text
from tests.support.how_to import Page, Shell
from tests.support.old_models import Old, fitted, frame, sha256

PAGE = "import-an-older-model.md"
OTHERS = """
for kind in line amount; do
  lastcall models import $kind/model.pkl --preprocessor $kind/preprocessor.pkl --metadata $kind/metadata.json \\
    --name $kind --confirm $(sha256sum $kind/model.pkl | cut -c1-8) --json > $kind.json
  lastcall predict $kind rows.csv -o $kind.csv
done
lastcall models import line/model.pkl --confirm other && exit 1
lastcall events --json > events.ndjson
"""
"""After the page's own commands: without a sample, confirmed by the digest."""


def laid(folder: Path, old: Old) -> Old:
    folder.mkdir()
    for name, data in old.files().items():
        (folder / name).write_bytes(data)
    return old


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def assert_alike(path: Path, old: Old) -> None:
    """The file's predictions are those of the original, to the last written digit."""
    answers, scaled = rows_of(path), old.scaler.transform(old.frame)
    predicted = old.model.predict(scaled).tolist()
    wanted = [value if isinstance(value, str) else number_text(value) for value in predicted]
    assert [row["prediction"] for row in answers] == wanted
    if hasattr(old.model, "predict_proba"):
        shares = old.model.predict_proba(scaled).tolist()
        found = [[row["probability_no"], row["probability_yes"]] for row in answers]
        assert found == [[number_text(share) for share in row] for row in shares]


def test_every_command_of_the_page_works_and_older_models_predict_like_the_originals(tmp_path: Path) -> None:
    forest = laid(tmp_path / "old", fitted(RandomForestClassifier(20, random_state=3), kind="random_forest"))
    line = laid(tmp_path / "line", fitted(LogisticRegression()))
    amount = laid(tmp_path / "amount", fitted(LinearRegression(), frame()["spend"] / 7, kind="linear"))
    pd.DataFrame(forest.frame).to_csv(tmp_path / "rows.csv", index=False)
    expected, unsaid = Page(PAGE).unsaid(Shell(tmp_path, {}), OTHERS)
    assert unsaid == []
    assert expected > 12
    assert_alike(tmp_path / "answers.csv", forest)
    assert_alike(tmp_path / "line.csv", line)
    assert_alike(tmp_path / "amount.csv", amount)

    about = json.loads((tmp_path / "amount.json").read_text())["model"]
    assert (about["job_id"], about["dataset_id"], about["task"], about["target"]) == (None, None, "regression", "churn")
    assert about["metrics"]["reported_accuracy"] == 0.875
    assert about["imported"]["files"][0]["sha256"] == sha256((tmp_path / "amount" / "model.pkl").read_bytes())
    assert about["imported"]["rows"] == 64
    assert {"limits", "seccomp", "hook"} <= set(about["imported"]["walls"])
    events = [json.loads(text) for text in (tmp_path / "events.ndjson").read_text().splitlines()]
    audited = [event["body"] for event in events if event["stream"] == "audit"]
    judged = [(a["what"], a["success"], a["code"]) for a in audited if a["what"].startswith("model.import")]
    assert judged.count(("model.import", True, None)) == 3
    assert ("model.import.look", False, "E-IMPORT-UNSAFE") in judged
    assert judged[-1] == ("model.import", False, "E-IMPORT-CONFIRM")

    left = [path for path in (tmp_path / "s").rglob("*") if "incoming" in path.parts and path.is_file()]
    assert left == []
    assert not (tmp_path / "stolen").exists()
