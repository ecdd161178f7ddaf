"""The sandbox with the scan left out: a dangerous pickle is refused there too, and whatever happens nothing is left."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from sklearn.linear_model import LogisticRegression

from containers.importing.__main__ import answer, main
from containers.importing.making import FILES, Bounds, Looked, run_sandbox
from containers.importing.package import Told, opened
from containers.importing.scan import Found
from containers.prediction.core import answer as predicted
from containers.prediction.model import digest, load
from containers.training.refusal import Refused
from tests.support.old_kinds import of_many
from tests.support.old_models import fitted, nested, package, sha256


def unscanned(path: Path, bounds: Bounds) -> Refused:
    """Hand a package to the sandbox without looking at it; return why it was refused."""
    with opened(path) as members, tempfile.TemporaryFile() as model, tempfile.TemporaryFile() as report:
        looked = Looked(members, Found(), Told())
        with pytest.raises(Refused) as caught:
            run_sandbox(looked, None, model, report, path.parent, bounds)
    return caught.value


def test_a_dangerous_pickle_that_was_not_scanned_is_refused_by_the_sandbox(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    path = package(tmp_path / "p.zip", {"model.pkl": nested("os", "system", f"touch {mark}")})
    refused = unscanned(path, Bounds())
    assert (refused.code, "os.system" in refused.detail) == ("E-IMPORT-UNSAFE", True)
    assert [found.name for found in tmp_path.iterdir()] == ["p.zip"]


@pytest.mark.parametrize(
    ("bounds", "code"),
    [
        (Bounds(cpu_s=1), "E-IMPORT-LIMIT"),
        (Bounds(wall_s=0.2), "E-IMPORT-LIMIT"),
        (Bounds(memory_bytes=64 << 20), "E-IMPORT-"),
    ],
)
def test_a_sandbox_that_takes_too_much_is_ended_and_leaves_nothing(tmp_path: Path, bounds: Bounds, code: str) -> None:
    path = package(tmp_path / "p.zip", {"model.pkl": fitted(LogisticRegression()).files()["model.pkl"]})
    assert unscanned(path, bounds).code.startswith(code)
    assert [found.name for found in tmp_path.iterdir()] == ["p.zip"]


def test_a_model_of_many_kinds_comes_through_every_wall_and_answers_as_it_did(tmp_path: Path) -> None:
    old = fitted(of_many())
    files = old.files()
    path = package(tmp_path / "p.zip", files)
    said = answer({"package": str(path), "out": str(tmp_path / "o."), "sha256": sha256(files["model.pkl"])})
    assert (said["ok"], said["made"]["model_type"]) == (True, "voting"), said
    (tmp_path / "bundle").mkdir()
    for name in FILES:
        (tmp_path / f"o.{name}").rename(tmp_path / "bundle" / name)
    digests = {name: digest(tmp_path / "bundle" / name) for name in FILES}
    model = load(tmp_path / "bundle", digests)
    shares = old.model.predict_proba(old.scaler.transform(old.frame)).tolist()
    assert predicted(model.pipeline, model.metadata, old.frame).tolist() == shares


def test_the_program_answers_in_data_and_makes_nothing_of_what_was_not_confirmed(tmp_path: Path) -> None:
    files = fitted(LogisticRegression()).files()
    path = package(tmp_path / "p.zip", files)
    said = answer({"package": str(path)})
    assert said["ok"]
    assert said["looked"]["files"][0]["sha256"] == sha256(files["model.pkl"])
    other = answer({"package": str(path), "out": str(tmp_path / "o."), "sha256": "0" * 64})
    assert (other["ok"], other["code"]) == (False, "E-IMPORT-CONFIRM")
    assert answer({"package": str(tmp_path / "none")})["code"] == "E-IMPORT-LOAD"
    assert [found.name for found in tmp_path.iterdir()] == ["p.zip"]
    assert main([]) == 2
