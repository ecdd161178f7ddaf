"""What is committed can be cloned anywhere: no addresses of registries, no paths of one computer, locked and hashed."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from containers import bundle
from tests.tidy.sources import ROOMS, ROOT, text_files
from tools.environment import PROFILES

REQUIREMENTS = ROOT / "requirements"
JOBS = ["job", *(f"job-{library}" for library in bundle.LIBRARIES)]
IMAGES = ["job-torch", "job-xgboost-gpu"]
"""What only the GPU image has."""
REGISTRIES = ["py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "deb" + "ian.org/debian", "proxy.go" + "lang"]
HERE_ONLY = ["/wo" + "rk/main", "/wo" + "rk/shared", "/wo" + "rk/.lib", "/ro" + "ot/.py"]


def names(profile: str) -> set[str]:
    return set(re.findall(r"(?m)^([a-z0-9][\w.-]*==[^\s;]+)", (REQUIREMENTS / f"{profile}.txt").read_text()))


@pytest.mark.parametrize("words", [REGISTRIES, HERE_ONLY], ids=["registries", "paths"])
def test_no_file_names_what_is_only_here(words: list[str]) -> None:
    found = []
    for path in text_files():
        text = path.read_text(errors="replace")
        found += [f"{path.relative_to(ROOT)}: {word}" for word in words if word in text]
    assert found == []


@pytest.mark.parametrize("profile", [*PROFILES, "boosters", *JOBS, *IMAGES, "aws", "uv"])
def test_every_requirement_is_pinned_and_hashed_and_no_index_is_named(profile: str) -> None:
    text = (REQUIREMENTS / f"{profile}.txt").read_text()
    assert not re.search(r"(?m)^\s*-", text.replace("    --hash=", "")), "only hashes are options"
    assert "://" not in text
    for block in re.split(r"(?m)^(?=[a-z0-9])", text)[1:]:
        assert re.match(r"[a-z0-9][\w.-]*==\S+( ; .+?)? \\\n    --hash=sha256:[0-9a-f]{64}", block), block[:80]


def test_profiles_contain_each_other_in_the_same_versions() -> None:
    for smaller, larger in itertools.pairwise(PROFILES):
        assert names(smaller) < names(larger)


def test_a_rented_machine_installs_the_training_libraries_and_nothing_of_the_application() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    ours = {line.split(">=")[0] for line in project["dependencies"]}
    job = names("job")
    assert job < names("train")
    for library in bundle.LIBRARIES:
        one = names(f"job-{library}")
        assert job < one < names("boosters")
        assert not ours & {name.split("==")[0] for name in one}
        assert len({name.split("==")[0] for name in one} & {"catboost", "lightgbm", "xgboost-cpu"}) == 1
    assert not ours & {name.split("==")[0] for name in job}
    assert {line.split(">=")[0] for line in project["optional-dependencies"]["train"]} <= {
        name.split("==")[0] for name in job
    }


def test_a_model_of_the_gpu_image_is_of_the_version_that_answers_elsewhere_and_its_wheels_agree() -> None:
    text = {name: (REQUIREMENTS / f"{name}.txt").read_text() for name in ("job-xgboost", *IMAGES)}

    def pins(name: str, package: str) -> list[str]:
        return re.findall(rf"(?m)^{package}==(\S+(?: ; python_\S+ \S+ \S+)?)", text[name])

    assert pins("job-xgboost-gpu", "xgboost") == pins("job-xgboost", "xgboost-cpu") != []
    both = [dict(line.split("==") for line in names(name)) for name in IMAGES]
    differ = {n for n in both[0].keys() & both[1].keys() if both[0][n] != both[1][n]}
    assert not differ, "pip installs one after the other into one place"


def test_the_locked_files_hold_every_dependency_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {"core": project["dependencies"], **project["optional-dependencies"]}
    for profile, lines in wanted.items():
        locked = {name.split("==")[0] for name in names(profile)}
        for line in lines:
            name = re.match(r"[\w-]+", line)
            assert name
            assert name[0] == "lastcall" or name[0].lower() in locked, line


def test_the_entry_is_posix_shell() -> None:
    for shell in ("sh", "dash"):
        for script in ("dev", ".ci/run"):
            assert subprocess.run([shell, "-n", ROOT / script], check=False).returncode == 0
    assert (ROOT / "dev").read_text().startswith("#!/bin/sh\n")
    assert os.access(ROOT / "dev", os.X_OK)
    assert os.access(ROOT / ".ci/run", os.X_OK)


def test_ci_runs_lint_and_tests_and_nothing_else() -> None:
    lines = (ROOT / ".ci/run").read_text().splitlines()
    commands = [line for line in lines if line and not line.startswith(("#", "set ", "cd "))]
    assert commands == ["./dev lint", "./dev test"]


def test_the_wheel_holds_the_five_packages_and_the_command(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        content = archive.namelist()
        archive.extractall(tmp_path / "installed")
    tops = {name.split("/")[0] for name in content if ".dist-info/" not in name}
    assert tops == set(ROOMS)
    assert not [name for name in content if name.endswith((".pyc", ".sqlite"))]
    assert "lastcall/docs/errors/E-OOM.md" in content
    with zipfile.ZipFile(wheel) as archive:
        for job in (*JOBS, *IMAGES):
            assert archive.read(f"containers/requirements/{job}.txt") == (REQUIREMENTS / f"{job}.txt").read_bytes()
    (entry,) = (tmp_path / "installed").glob("*.dist-info/entry_points.txt")
    assert "lastcall = lastcall.cli.main:main" in entry.read_text()
    code = "import sys; sys.argv = ['lastcall', 'version']; from lastcall.cli.main import main; sys.exit(main())"
    elsewhere = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(tmp_path / "installed")}
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=elsewhere, capture_output=True, text=True, check=False
    )
    assert ran.stdout.strip(), ran.stderr
