"""The preparing step: which Python, which libraries, and an environment that many pods may want at once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from containers.job import prepare
from containers.job.prepare import Fault, Line, Python, applies, read_requirements
from tests.tidy.sources import ROOT

FACTS = {
    "python_full_version": "3.11.9", "python_version": "3.11", "sys_platform": "linux", "os_name": "posix",
    "platform_machine": "x86_64", "platform_system": "Linux", "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
}  # fmt: skip


def python(version: tuple[int, ...] = (3, 11, 9), path: str = sys.executable, **versions: str) -> Python:
    facts = {"version": list(version), "versions": versions, "marker": FACTS, "base": path, "libc": ["glibc", "2.36"]}
    return Python(path, version, facts)


# ------------------------------------------------------------------------------------------- requirements


def test_the_locked_file_is_read_whole() -> None:
    lines = read_requirements((ROOT / "requirements" / "job.txt").read_text())
    names = {line.name for line in lines}
    assert {"numpy", "pandas", "scikit-learn", "skops", "threadpoolctl"} <= names
    fitting = [line.name for line in lines if applies(line.marker, FACTS)]
    assert len(fitting) == len(set(fitting)) == len(names - {"tzdata"})


@pytest.mark.parametrize("text", ["numpy>=2\n", "-e .\n", "--index-url http://127.0.0.1\n", "numpy\n"])
def test_what_is_no_exact_version_is_refused(text: str) -> None:
    with pytest.raises(Fault, match="no exact version"):
        read_requirements(text)


@pytest.mark.parametrize(
    ("marker", "truth"),
    [
        ("", True),
        ("python_full_version < '3.12'", True),
        ("python_full_version >= '3.12'", False),
        ("python_version == '3.11'", True),
        ("python_version != '3.11'", False),
        ("python_full_version > '3.9'", True),
        ("python_full_version <= '3.9'", False),
        ("sys_platform == 'emscripten' or sys_platform == 'win32'", False),
        ("sys_platform == 'linux' and platform_machine == 'x86_64'", True),
        ("(sys_platform == 'linux' or os_name == 'nt') and python_version < '3.10'", False),
        ("'64' in platform_machine", True),
        ("'arm' not in platform_machine", True),
    ],
)
def test_markers_mean_what_they_say(marker: str, truth: bool) -> None:
    assert applies(marker, FACTS) is truth


@pytest.mark.parametrize("marker", ["extra == 'x'", "sys_platform", "1 < 2 < 3", "open('x')", "sys_platform =="])
def test_a_marker_that_cannot_be_read_is_refused(marker: str) -> None:
    with pytest.raises(Fault, match="marker"):
        applies(marker, FACTS)


# ------------------------------------------------------------------------------------------- the Python


def use(monkeypatch: pytest.MonkeyPatch, *found: Python) -> None:
    monkeypatch.setattr(prepare, "interpreters", lambda _: iter(found))


def test_the_wrappers_own_python_describes_itself() -> None:
    first = next(prepare.interpreters(["pytest", "nosuchthing"]))
    assert first.version == tuple(sys.version_info[:3])
    assert set(first.facts["versions"]) == {"pytest"}
    assert applies("python_version >= '3.11'", first.facts["marker"])


def test_a_python_that_does_not_answer_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("python3", "#!/bin/sh\nexit 1\n"), ("python", "#!/bin/sh\necho '{}'\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [found.path for found in prepare.interpreters([])] == [sys.executable]


def test_a_python_that_has_everything_is_chosen_before_others(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [Line("tinylib", "1.0", ""), Line("elsewhere", "1.0", "sys_platform == 'win32'")]
    old, bare, full = python((3, 9, 1), tinylib="1.0"), python(), python((3, 12, 0), tinylib="1.0")
    use(monkeypatch, old, bare, full)
    assert prepare.choose(lines, ()) == (full, True)
    use(monkeypatch, old, bare, python(tinylib="1.1"))
    assert prepare.choose(lines, ()) == (bare, False)
    use(monkeypatch, bare, full)
    assert prepare.choose(lines, ("nosuchthing",)) == (bare, False)


def test_no_python_that_is_new_enough_is_told_with_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, python((3, 9, 18), "/usr/bin/python3"))
    with pytest.raises(Fault, match=r"3\.11 or newer; this machine has 3\.9\.18 \(/usr/bin/python3\)") as fault:
        prepare.choose([], ())
    assert fault.value.code == "E-NOPYTHON"
    use(monkeypatch)
    with pytest.raises(Fault, match="has none"):
        prepare.choose([], ())


def test_a_program_that_cannot_be_started_cannot_import() -> None:
    assert prepare.can_import("/no/such/python", ("os",)) is not None


# ------------------------------------------------------------------------------------------- environments


@pytest.fixture
def requirements(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.txt"
    path.write_text("tinylib==1.0\n")
    return path


def build_of(*done: Any) -> Any:
    """Stands for venv and pip."""

    def build(draft: Path, *_: Any) -> None:
        (draft / "bin").mkdir(parents=True)
        (draft / "bin" / "python").symlink_to(sys.executable)
        for act in done:
            act(draft)

    return build


def test_an_environment_is_made_once(tmp_path: Path, requirements: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Path] = []
    monkeypatch.setattr(prepare, "build", build_of(built.append))
    folder = tmp_path / "environments"
    first = prepare.make(folder, python(), requirements, ())
    assert prepare.make(folder, python(), requirements, ()) == first
    assert len(built) == 1
    assert list(folder.iterdir()) == [first]


def test_other_requirements_or_another_python_make_another_environment(tmp_path: Path) -> None:
    first = prepare.key_of(python(), b"a")
    facts = python().facts
    others = [
        prepare.key_of(python(), b"b"),
        prepare.key_of(python(path="/usr/bin/python3.12"), b"a"),
        prepare.key_of(python()._replace(facts={**facts, "libc": ["glibc", "2.39"]}), b"a"),
        prepare.key_of(python()._replace(facts={**facts, "marker": {**FACTS, "platform_machine": "aarch64"}}), b"a"),
    ]
    assert len({first, *others}) == 5
    assert prepare.key_of(python(), b"a") == first


def test_of_two_pods_the_first_to_finish_gives_the_environment(
    tmp_path: Path, requirements: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "environments"

    def meanwhile(draft: Path) -> None:
        (draft / "mine").touch()
        if not list(folder.glob("*")) or len(list(folder.glob(".making-*"))) == 1:
            prepare.make(folder, python(), requirements, ())

    monkeypatch.setattr(prepare, "build", build_of(meanwhile))
    made = prepare.make(folder, python(), requirements, ())
    assert prepare.mark_of(made)
    assert [path.name for path in folder.iterdir()] == [made.name]


def test_an_environment_that_is_not_whole_is_never_used(
    tmp_path: Path, requirements: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "environments"
    target = folder / prepare.key_of(python(), requirements.read_bytes())
    (target / "bin").mkdir(parents=True)
    (target / "bin" / "python").touch()
    monkeypatch.setattr(prepare, "build", build_of())
    assert prepare.make(folder, python(), requirements, ()) == target
    assert (target / prepare.DONE).is_file()
    assert [path.name for path in folder.iterdir()] == [target.name]


def test_an_environment_that_was_published_between_look_and_rename_is_put_back_and_used(
    tmp_path: Path, requirements: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pod may be importing from it already."""
    folder = tmp_path / "environments"
    target = folder / prepare.key_of(python(), requirements.read_bytes())
    (target / "bin").mkdir(parents=True)
    look = prepare.mark_of
    looks: list[Path] = []

    def others(place: Path) -> str | None:
        looks.append(place)
        found = look(place)
        if place == target and len(looks) == 2:
            shutil.rmtree(target)
            target.mkdir()
            (target / "theirs").touch()
            (target / prepare.DONE).write_text("theirs")
        return found

    monkeypatch.setattr(prepare, "mark_of", others)
    monkeypatch.setattr(prepare, "build", build_of())
    assert prepare.make(folder, python(), requirements, ()) == target
    assert (target / "theirs").exists()
    assert [path.name for path in folder.iterdir()] == [target.name]


def test_an_environment_that_is_there_and_does_not_work_is_made_anew(
    tmp_path: Path, requirements: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault 41: half of it may be deleted. Whoever runs with it still goes on: it stays aside for a day."""
    folder = tmp_path / "environments"
    monkeypatch.setattr(prepare, "build", build_of())
    target = prepare.make(folder, python(), requirements, ("json",))
    (target / "bin" / "python").unlink()
    old = prepare.mark_of(target)
    os.utime(target, (1_000_000, 1_000_000))
    assert prepare.make(folder, python(), requirements, ("json",)) == target
    assert (target / "bin" / "python").exists()
    assert prepare.mark_of(target) != old
    (aside,) = (path for path in folder.iterdir() if path != target)
    prepare.sweep(folder)
    assert prepare.mark_of(aside) == old
    os.utime(aside, (1_000_000, 1_000_000))
    prepare.sweep(folder)
    assert list(folder.iterdir()) == [target]


@pytest.fixture
def imported(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """Each time that everything was imported; it goes well."""
    found: list[Sequence[str]] = []
    monkeypatch.setattr(prepare, "can_import", lambda _, imports: found.append(imports))
    return found


def test_a_whole_environment_is_not_imported_from_before_the_work_does(
    tmp_path: Path, requirements: Path, monkeypatch: pytest.MonkeyPatch, imported: list[Sequence[str]]
) -> None:
    monkeypatch.setattr(prepare, "build", build_of(lambda draft: (draft / "part.py").touch()))
    target = prepare.make(tmp_path / "environments", python(), requirements, ("json",))
    (target / "__pycache__").mkdir()
    (target / "__pycache__" / "part.pyc").touch()
    prepare.make(tmp_path / "environments", python(), requirements, ("json",))
    assert imported == []
    (target / "part.py").unlink()
    prepare.make(tmp_path / "environments", python(), requirements, ("json",))
    assert imported == [("json",)], "a part of it is missing"


def test_an_environment_that_a_training_could_not_import_from_is_tried_whole(
    tmp_path: Path, requirements: Path, monkeypatch: pytest.MonkeyPatch, imported: list[Sequence[str]]
) -> None:
    monkeypatch.setattr(prepare, "build", build_of())
    target = prepare.make(tmp_path / "environments", python(), requirements, ("json",))
    (target / prepare.SUSPECT).touch()
    for _ in range(2):
        prepare.make(tmp_path / "environments", python(), requirements, ("json",))
        assert imported == [("json",)], "once is enough where it goes well"
    monkeypatch.setattr(prepare, "can_import", lambda *_: "ImportError: no such thing")
    (target / prepare.SUSPECT).touch()
    prepare.make(tmp_path / "environments", python(), requirements, ("json",))
    assert not (target / prepare.SUSPECT).exists(), "it was made anew"


def test_a_library_that_the_machines_system_does_not_carry_shows_without_importing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "booster" / "lib").mkdir(parents=True)
    (tmp_path / "booster" / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert prepare.can_load(sys.executable, ("json", "booster")) is None
    (tmp_path / "booster" / "lib" / "lib_booster.so").write_bytes(b"")
    assert "lib_booster.so: file too short" in str(prepare.can_load(sys.executable, ("json", "booster")))
    assert "No module named 'none.io'" in str(prepare.can_load(sys.executable, ("none.io",)))


def test_of_two_pods_that_find_it_damaged_both_use_what_the_first_made(
    tmp_path: Path, requirements: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "environments"
    monkeypatch.setattr(prepare, "build", build_of())
    target = prepare.make(folder, python(), requirements, ("json",))
    (target / "bin" / "python").unlink()
    marks: list[str | None] = []

    def meanwhile(draft: Path) -> None:
        if not marks:
            marks.append("")
            prepare.make(folder, python(), requirements, ("json",))
            marks.append(prepare.mark_of(target))

    monkeypatch.setattr(prepare, "build", build_of(meanwhile))
    prepare.make(folder, python(), requirements, ("json",))
    assert prepare.mark_of(target) == marks[1]


def test_a_failed_building_leaves_nothing(tmp_path: Path, requirements: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Path) -> None:
        raise Fault("E-PREPARE", "no index")

    monkeypatch.setattr(prepare, "build", build_of(fail))
    with pytest.raises(Fault, match="no index"):
        prepare.make(tmp_path / "environments", python(), requirements, ())
    assert list((tmp_path / "environments").iterdir()) == []


def test_a_name_that_cannot_be_taken_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        prepare.publish(tmp_path / "missing", tmp_path / "target")


def test_what_a_dead_builder_left_is_removed_after_a_day(tmp_path: Path) -> None:
    fresh, stale, ours = (tmp_path / name for name in (".making-a-1", ".making-b-2", "whole"))
    for path in (fresh, stale, ours):
        path.mkdir()
    for path in (stale, ours):
        os.utime(path, (1_000_000, 1_000_000))
    prepare.sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".making-a-1", "whole"]


def test_every_package_is_checked_by_its_hash_and_nothing_is_built(
    tmp_path: Path, requirements: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[Sequence[str]] = []

    def run(command: Sequence[str]) -> None:
        commands.append(command)
        if "venv" in command:
            (tmp_path / "draft" / "lib" / "python3.11" / "site-packages").mkdir(parents=True)

    monkeypatch.setattr(prepare, "run", run)
    monkeypatch.setattr(prepare, "can_import", lambda *_: "ImportError: no such thing")
    with pytest.raises(Fault, match="cannot be imported: ImportError: no such thing"):
        prepare.build(tmp_path / "draft", python(), requirements, ("sklearn",))
    assert {"--require-hashes", "--only-binary", ":all:", "--no-deps", "--no-compile"} <= set(commands[1])


LACKS = "OSError: libgomp.so.1: cannot open shared object file: No such file or directory"


@pytest.fixture
def slim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without OpenMP: what is built there has an interpreter that tells where it looks for libraries."""

    def run(command: Sequence[str]) -> None:
        if "venv" not in command:
            return
        draft = Path(command[-1])
        (draft / "lib" / "python3.11" / "site-packages" / "scikit_learn.libs").mkdir(parents=True)
        (draft / "bin").mkdir()
        (draft / "bin" / "python3").write_text('#!/bin/sh\necho "$LD_LIBRARY_PATH" "$@"\n')
        (draft / "bin" / "python3").chmod(0o755)
        (draft / "bin" / "python").symlink_to("python3")

    def can_import(path: str, _: Sequence[str]) -> str | None:
        told = subprocess.run([path, "x"], capture_output=True, text=True, check=True).stdout.split()
        places = [Path(place) for place in told[0].split(":")] if len(told) == 2 else []
        return None if any((place / prepare.OPENMP).exists() for place in places) else LACKS

    monkeypatch.setattr(prepare, "run", run)
    monkeypatch.setattr(prepare, "can_import", can_import)
    return tmp_path / "draft"


def test_a_machine_without_openmp_is_lent_the_copy_that_scikit_learn_brings(
    slim: Path, tmp_path: Path, requirements: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = prepare.run

    def with_copy(command: Sequence[str]) -> None:
        ran(command)
        for folder in slim.glob("lib/python*/site-packages/scikit_learn.libs"):
            (folder / "libgomp-e985bcbb.so.1.0.0").write_bytes(b"omp")

    monkeypatch.setattr(prepare, "run", with_copy)
    monkeypatch.setenv("LD_LIBRARY_PATH", "/usr/local/nvidia/lib")
    prepare.build(slim, python(), requirements, ("sklearn", "lightgbm"))
    assert "scikit-learn's copy of it is used" in capsys.readouterr().out
    slim.rename(tmp_path / "published")  # it works wherever it is moved, and called by any path
    (tmp_path / "env").symlink_to("published")
    told = subprocess.run(["env/bin/python", "-m", "a b"], cwd=tmp_path, capture_output=True, text=True, check=True)
    place, words = told.stdout.split(" ", 1)
    assert words == "-m a b\n"
    assert place.split(":")[1] == "/usr/local/nvidia/lib"
    assert (Path(place.split(":")[0]) / "libgomp.so.1").read_bytes() == b"omp"


def test_where_openmp_cannot_be_lent_what_is_missing_and_what_to_do_are_said(slim: Path, requirements: Path) -> None:
    with pytest.raises(Fault, match=r"lacks libgomp\.so\.1, which lightgbm needs: choose an image with .* libgomp1"):
        prepare.build(slim, python(), requirements, ("sklearn", "lightgbm"))


def test_the_installers_last_words_are_the_reason(capfd: pytest.CaptureFixture[str]) -> None:
    script = "import sys; print('a'); print('ERROR: no such thing', file=sys.stderr); sys.exit(1)"
    with pytest.raises(Fault, match="ERROR: no such thing"):
        prepare.run([sys.executable, "-I", "-S", "-c", script])
    assert "a\n" in capfd.readouterr().out
    assert prepare.tail("\n\n") == "no output"
    assert len(prepare.tail("x" * 9999)) <= 400


# ------------------------------------------------------------------------------------------- the step


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle without libraries, and the scratch directory as the working directory."""
    from containers.bundle import assemble

    folder, scratch = tmp_path / "bundle", tmp_path / "scratch"
    folder.mkdir()
    (scratch / "out").mkdir(parents=True)
    for name, data in assemble(b"").files.items():
        (folder / name).write_bytes(data)
    monkeypatch.chdir(scratch)
    monkeypatch.setattr(prepare, "__file__", str(folder / "prepare.py"))
    return folder


def error() -> dict[str, str]:
    said: dict[str, str] = json.loads(Path("out/error.json").read_text())
    return said


def test_a_complete_image_is_used_as_it_is(bundle: Path, tmp_path: Path) -> None:
    assert prepare.main([str(tmp_path / "environments"), "json"]) == 0
    ran = subprocess.run(["./env/bin/python", "-c", "print(6 * 7)"], capture_output=True, text=True, check=True)
    assert ran.stdout == "42\n"
    assert not (tmp_path / "environments").exists()


def test_an_environment_is_linked_into_the_working_directory(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, python(), python((3, 9, 0)))
    monkeypatch.setattr(prepare, "has_all", lambda *_: False)
    monkeypatch.setattr(prepare, "build", build_of())
    assert prepare.main([str(tmp_path / "environments")]) == 0
    assert Path("env").readlink().parent == tmp_path / "environments"
    assert (bundle / prepare.USED).exists(), "another daemon on the volume must see that the bundle is in use"
    assert Path("env/bin/python").exists()


def test_known_errors_are_told_as_the_work_tells_its_own(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch)
    assert prepare.main([str(tmp_path)]) == 3
    assert error()["code"] == "E-NOPYTHON"
    (bundle / "requirements.txt").write_text("more")
    assert prepare.main([str(tmp_path)]) == 3
    assert (error()["code"], "requirements.txt" in error()["detail"]) == ("E-PREPARE", True)
    (bundle / "manifest.json").unlink()
    assert prepare.main([str(tmp_path)]) == 3
    assert "FileNotFoundError" in error()["detail"]
    assert capsys.readouterr().err.count("E-") == 3
