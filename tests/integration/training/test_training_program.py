"""The training program seen from outside: exit codes, error file, progress, signals."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from containers.job import prepare
from containers.training.__main__ import ENVIRONMENT_MARK, EXIT_KNOWN, SUSPECT, main, run
from containers.training.memory import BASE_BYTES, CELL_BYTES, LIMIT_VARIABLE, USABLE_SHARE
from containers.training.progress import Progress
from messages.errors import ERRORS
from messages.folder import Progress as ProgressFile
from tests.integration.training.bundles import FILES, document
from tests.support.patience import PATIENCE_S
from tests.unit.training.files import people, table, write


def work(folder: Path, text: str | bytes, **more: Any) -> Path:
    write(folder, text)
    asked = {"input": str(folder / "data.csv"), "target": "bought", "parameters": {}, "plots": False, **more}
    return write(folder, json.dumps(asked), "work.json")


def _words(path: Path) -> list[str]:
    return path.read_text().split()


def failed(folder: Path, work_file: Path) -> str:
    assert run(work_file, folder / "out") == EXIT_KNOWN
    assert [p.name for p in (folder / "out").iterdir()] == ["error.json"]
    error = document(folder / "out" / "error.json")
    assert error["code"] in ERRORS
    assert error["detail"].isprintable()
    return str(error["code"])


def test_the_program_reports_progress_and_leaves_exactly_the_bundle(tmp_path: Path) -> None:
    file = work(tmp_path, people(), job_id="job_abc", name="bought-abc", plots=True)
    environment = {**os.environ, "LASTCALL_PROGRESS_FILE": str(tmp_path / "progress.json")}
    command = [sys.executable, "-W", "error", "-m", "containers.training", str(file), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert {p.name for p in (tmp_path / "out").iterdir()} == FILES
    progress = ProgressFile.model_validate(document(tmp_path / "progress.json"))
    assert (progress.stage, progress.percent) == ("done", 100)
    stages = [line.split("]")[0][1:] for line in done.stdout.splitlines()]
    assert list(dict.fromkeys(stages)) == ["load", "prepare", "choose", "fit", "evaluate", "save", "done"]
    assert done.stderr == ""
    assert document(tmp_path / "out" / "metadata.json")["job_id"] == "job_abc"


def test_the_program_leaves_with_its_status_and_its_last_words() -> None:
    code = "from containers.training.__main__ import leave; print('last words'); leave(3)"
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=False, env=kept)
    assert (done.returncode, done.stdout) == (3, "last words\n")


def test_sigterm_ends_the_program_at_once_even_where_it_was_ignored(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "data.csv")  # nothing is ever written to it
    file = write(tmp_path, json.dumps({"input": str(tmp_path / "data.csv"), "target": "y"}), "work.json")
    command = [sys.executable, "-m", "containers.training", str(file), str(tmp_path / "out")]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN) and None,
    )
    with process:
        assert process.stdout
        assert process.stdout.readline().startswith(b"[load]")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=PATIENCE_S) == -signal.SIGTERM


@pytest.mark.parametrize(
    ("text", "more", "code"),
    [
        ("", {}, "E-CSV-EMPTY"),
        (people(), {"target": "nothing"}, "E-CSV-TARGET"),
        (people(), {"model": "oracle"}, "E-MODEL-UNKNOWN"),
        (people(), {"model": "ridge"}, "E-TASK"),
        (people(), {"model": "logistic", "parameters": {"alpha": 1}}, "E-PARAMETER"),
        (people(), {"dataset_sha256": "0" * 64}, "E-ARTIFACT"),
        (people().replace(",no,", ",yes,"), {}, "E-CSV-ONECLASS"),
        (table("a,bought", [f"{i},{i}e305" for i in range(40)]), {"model": "linear"}, "E-TASK"),
    ],
)
def test_a_known_error_is_told_by_code_and_exit_3(tmp_path: Path, text: str, more: dict[str, Any], code: str) -> None:
    assert failed(tmp_path, work(tmp_path, text, **more)) == code


def test_features_empty_in_all_training_rows_are_refused(tmp_path: Path) -> None:
    assert run(work(tmp_path, table("a,bought", [f"{i},{i * 2}" for i in range(40)])), tmp_path / "first") == 0
    tested = int((tmp_path / "first" / "predictions_holdout.csv").read_text().splitlines()[1].split(",")[0])
    rows = [f"{'7' if i + 1 == tested else ''},{i * 2}" for i in range(40)]
    assert failed(tmp_path, work(tmp_path, table("a,bought", rows))) == "E-CSV-ALLMISSING"


@pytest.mark.parametrize(
    ("error", "code"), [(MemoryError(), "E-OOM"), (OSError(errno.ENOSPC, "No space left on device"), "E-DISK")]
)
def test_a_full_memory_or_disk_is_told_by_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Progress, "stage", fail)
    assert failed(tmp_path, work(tmp_path, people())) == code


def test_libraries_that_cannot_be_imported_are_told_and_the_environment_is_tried_by_the_next_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "containers.training.training", None)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert failed(tmp_path, work(tmp_path, people())) == "E-PREPARE"
    assert "cannot be imported: " in document(tmp_path / "out" / "error.json")["detail"]
    assert not (tmp_path / SUSPECT).exists(), "nobody prepared it"
    (tmp_path / ENVIRONMENT_MARK).touch()
    assert failed(tmp_path, work(tmp_path, people())) == "E-PREPARE"
    assert (tmp_path / SUSPECT).exists()
    assert (ENVIRONMENT_MARK, SUSPECT) == (prepare.DONE, prepare.SUSPECT)


def test_of_a_table_larger_than_memory_a_part_is_learnt_from_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = table("n,bought", [f"{i},{i}.5" for i in range(3000)])
    monkeypatch.setenv(LIMIT_VARIABLE, str(BASE_BYTES))
    assert failed(tmp_path, work(tmp_path, text, model="linear")) == "E-MEMORY"
    monkeypatch.setenv(LIMIT_VARIABLE, str(int((BASE_BYTES + 1500 * 2 * CELL_BYTES) / USABLE_SHARE) + 1))
    assert run(tmp_path / "work.json", tmp_path / "part") == 0
    metrics = document(tmp_path / "part" / "metrics.json")
    assert "about 1,500 of 3,000 rows are used" in metrics["warnings"][0]
    assert 1300 < metrics["rows"]["train"] + metrics["rows"]["test"] < 1700


def test_a_model_that_does_not_read_back_the_same_is_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from containers.training import bundle

    monkeypatch.setattr(bundle, "answer", lambda *_: "something else")
    assert run(work(tmp_path, people()), tmp_path / "out") == EXIT_KNOWN
    assert document(tmp_path / "out" / "error.json")["code"] == "E-ARTIFACT"
    assert not (tmp_path / "out" / "model.skops").exists()


def test_any_other_fault_is_a_crash_with_its_trace(tmp_path: Path) -> None:
    file = write(tmp_path, json.dumps({"input": str(tmp_path / "missing.csv"), "target": "y"}), "work.json")
    with pytest.raises(FileNotFoundError):
        run(file, tmp_path / "out")
    assert main([]) == 2


def test_the_dialect_of_the_profile_is_used(tmp_path: Path) -> None:
    file = work(tmp_path, people(40, ";").replace("Faro", "Évora").encode("cp1252"), delimiter=";", encoding="cp1252")
    assert main([str(file), str(tmp_path / "out")]) == 0
    assert "Évora" in (tmp_path / "out" / "schema.json").read_text()


ITERATIVE = ("logistic", "hist_gradient_boosting")
FITS = [*((model, n) for model in ITERATIVE for n in (1, 50)), *((m, 1) for m in ("random_forest", "ridge", "linear"))]
ONE_AFTER_ANOTHER = """
import os, sys
from pathlib import Path
from containers.training.__main__ import main
for folder in map(Path, sys.argv[1:]):
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(folder / name, os.O_CREAT | os.O_WRONLY), descriptor)
    if main([str(folder / "work.json"), str(folder / "out")]) != 0:
        sys.exit(folder.name)
Path(sys.argv[1], "loaded").write_text(" ".join(sys.modules))
"""
"""What loading costs is paid once for all of them."""


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], Path]:
    """The program's run for each of ``FITS``; every warning is raised each time."""
    folders = {}
    for model, iterations in FITS:
        folder = folders[model, iterations] = tmp_path_factory.mktemp(f"{model}{iterations}")
        rows = [f"{i % 17},town {i % 50},same,{'yes' if i % 3 else 'no'},{i % 17}.5" for i in range(60)]
        target = "spent" if model in ("ridge", "linear") else "bought"
        parameters = {"max_iter": iterations} if model in ITERATIVE else {}
        text = table("a,town,c,bought,spent", rows)
        work(folder, text, model=model, target=target, parameters=parameters, task="auto")
    subprocess.run([sys.executable, "-W", "always", "-c", ONE_AFTER_ANOTHER, *map(str, folders.values())], check=True)
    return folders


@pytest.mark.parametrize(("model", "iterations"), FITS)
def test_no_warning_of_a_library_reaches_users_by_its_class_name(
    fits: dict[tuple[str, int], Path], model: str, iterations: int
) -> None:
    folder = fits[model, iterations]
    printed, complained = (folder / "stdout").read_text(), (folder / "stderr").read_text()
    warned = document(folder / "out" / "metrics.json")["warnings"]
    said = [*printed.splitlines(), *complained.splitlines(), *warned]
    assert printed
    assert not [line for line in said if re.search(r"\w+Warning", line)]
    assert not complained
    if model == "logistic":
        assert any("higher max_iter" in line for line in said) == (iterations == 1)


def test_a_training_loads_of_scikit_learn_what_its_models_are_made_of(fits: dict[tuple[str, int], Path]) -> None:
    loaded = {name for folder in fits.values() if (folder / "loaded").exists() for name in _words(folder / "loaded")}
    assert "sklearn.linear_model" in loaded
    assert not {"sklearn.gaussian_process", "sklearn.mixture", "pytest"} & loaded
    assert not {name for name in loaded if name.startswith("matplotlib")}, "no plot was asked for"
