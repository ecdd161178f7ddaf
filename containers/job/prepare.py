"""The preparing step: a Python for the work, with exactly the libraries that were locked.

    python -I prepare.py [--requirements NAME] ENVIRONMENTS IMPORT …

Run by the wrapper in the scratch directory, from the job bundle's folder. Leaves ``env/bin/python`` in the scratch
directory: the image's own Python where that has everything already, else an environment below ``ENVIRONMENTS`` on the
volume, made once for each requirements file and kind of machine. One that is there was made whole: it is built under
another name and published by one rename, which only the first of several pods wins; the others use the winner's.
What was just installed is imported once. What is there is only looked at (are all its files there, does this machine
have the system's libraries), unless a training said that it could not import from it. What does not work is replaced.

A known error is told in ``out/error.json``, as the work tells its own. Python 3.9, standard library only.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

EXIT_KNOWN = 3
REQUIREMENTS = "requirements.txt"
NEEDED = (3, 11)
NAMES = ("python3", "python3.11", "python3.12", "python3.13", "python3.14", "python")
PROBE_LIMIT_S = 60.0
IMPORT_LIMIT_S = 300.0
STALE_S = 86_400.0
"""An unfinished environment this old has no builder any more."""
TAIL_LINES = 3
USED = "used"
"""Touched at every use, so that a daemon, also another one on the volume, can tell what is in use from what is not."""
DONE = "environment.json"
"""Last file of an environment, written before the rename: one that was taken apart again is not used."""
SUSPECT = "suspect"
"""Left in an environment by a training that could not import from it."""
PUBLISH_ROUNDS = 3
OPENMP = "libgomp.so.1"
"""The one library that LightGBM's wheel takes from the system; slim images lack it."""
_LENDING = """#!/bin/sh
here=$(cd "${0%/*}" && pwd -P)
LD_LIBRARY_PATH="$here/../lib/lent${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" exec "$here/interpreter" "$@"
"""
"""The environment's Python where it must find a library that is lent to it; it names no place of its own."""

_PROBE = """
import importlib.metadata as m, json, os, platform, sys
names, versions = json.loads(sys.argv[1]), {}
for name in names:
    try:
        versions[name] = m.version(name)
    except m.PackageNotFoundError:
        pass
print(json.dumps({
    "version": list(sys.version_info[:3]), "versions": versions,
    "base": getattr(sys, "_base_executable", sys.executable), "libc": platform.libc_ver(), "marker": {
        "python_full_version": platform.python_version(), "python_version": "%d.%d" % sys.version_info[:2],
        "implementation_name": sys.implementation.name, "os_name": os.name, "sys_platform": sys.platform,
        "platform_machine": platform.machine(), "platform_system": platform.system(),
        "platform_python_implementation": platform.python_implementation()}}))
"""
_LOAD = """
import ctypes, importlib.util, pathlib, sys
for name in sys.argv[1:]:
    spec = importlib.util.find_spec(name.partition(".")[0])
    if spec is None:
        sys.exit("No module named %r" % name)
    for place in spec.submodule_search_locations or ():
        for library in pathlib.Path(place).glob("lib/*.so"):
            ctypes.CDLL(str(library))
"""
"""Look whether modules are there, and load the libraries that need the system's. Far quicker than importing."""
_PIP = (
    "import glob, os, runpy, sys\n"
    "try:\n"
    "    import pip\n"
    "except ImportError:\n"
    "    import ensurepip\n"
    "    places = [os.path.join(os.path.dirname(ensurepip.__file__), '_bundled'), '/usr/share/python-wheels']\n"
    "    wheels = sorted(w for place in places for w in glob.glob(os.path.join(place, 'pip-*.whl')))\n"
    "    if not wheels:\n"
    "        sys.exit('ERROR: this Python has neither pip nor its wheel')\n"
    "    sys.path.insert(0, wheels[-1])\n"
    "runpy.run_module('pip', run_name='__main__', alter_sys=True)\n"
)
"""Run pip without installing it: as it is there, or out of the wheel that every Python brings."""


class Fault(Exception):
    """A known error: a code and one line."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class Line(NamedTuple):
    """One locked requirement."""

    name: str
    version: str
    marker: str


class Python(NamedTuple):
    """An interpreter that was found, as it describes itself."""

    path: str
    version: tuple[int, ...]
    facts: dict[str, Any]


def say(text: str) -> None:
    """Write one line to the job's log."""
    sys.stdout.write(f"prepare: {text}\n")
    sys.stdout.flush()


# ------------------------------------------------------------------------------------------- requirements


def read_requirements(text: str) -> list[Line]:
    """Return the locked requirements of a hashed file. Raises Fault on anything that is no exact version."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        line = line.split(" --hash=")[0].strip()
        if not line or line.startswith("#"):
            continue
        match = re.fullmatch(r"([A-Za-z0-9][\w.-]*)==([^\s;]+)(?:\s*;\s*(.+))?", line)
        if match is None:
            raise Fault("E-PREPARE", f"the requirements hold {line[:80]!r}, which is no exact version")
        found.append(Line(match[1], match[2], match[3] or ""))
    return found


def applies(marker: str, facts: Mapping[str, str]) -> bool:
    """Whether a requirement's marker (PEP 508) is true of an interpreter. Raises Fault where it cannot be read."""
    if not marker:
        return True
    try:
        return _truth(ast.parse(marker, mode="eval").body, facts)
    except (SyntaxError, KeyError, ValueError) as error:
        raise Fault("E-PREPARE", f"the requirements hold a marker that cannot be read: {marker[:80]}") from error


def _truth(node: ast.expr, facts: Mapping[str, str]) -> bool:
    if isinstance(node, ast.BoolOp):
        parts = [_truth(value, facts) for value in node.values]
        return all(parts) if isinstance(node.op, ast.And) else any(parts)
    if not isinstance(node, ast.Compare) or len(node.ops) != 1:
        raise ValueError("neither a comparison nor a combination of them")
    sides = (node.left, node.comparators[0])
    words = [facts[side.id] if isinstance(side, ast.Name) else str(ast.literal_eval(side)) for side in sides]
    versions = any(isinstance(side, ast.Name) and "version" in side.id for side in sides)
    left, right = [(_numbers(word), "") if versions else ([], word) for word in words]
    operator = node.ops[0]
    if isinstance(operator, (ast.In, ast.NotIn)):
        return (words[0] in words[1]) is isinstance(operator, ast.In)
    truths: dict[type[ast.cmpop], bool] = {
        ast.Eq: left == right, ast.NotEq: left != right, ast.Lt: left < right,
        ast.LtE: left <= right, ast.Gt: left > right, ast.GtE: left >= right,
    }  # fmt: skip
    return truths[type(operator)]


def _numbers(version: str) -> list[int]:
    numbers = [int(part) for part in re.findall(r"\d+", version)[:3]]
    return numbers + [0] * (3 - len(numbers))


# ------------------------------------------------------------------------------------------- interpreters


def interpreters(names: Sequence[str]) -> Iterator[Python]:
    """Yield every different Python of this machine that starts, the wrapper's own first."""
    seen = set()
    for path in [sys.executable, *(shutil.which(name) for name in NAMES)]:
        if not path or os.path.abspath(path) in seen:  # noqa: PTH100 - links stay: they choose an environment
            continue
        seen.add(os.path.abspath(path))  # noqa: PTH100
        command = [path, "-I", "-c", _PROBE, json.dumps(list(names))]
        try:
            done = subprocess.run(command, capture_output=True, timeout=PROBE_LIMIT_S, check=True, text=True)
            facts = json.loads(done.stdout)
            yield Python(path, tuple(facts["version"]), facts)
        except (OSError, ValueError, KeyError, subprocess.SubprocessError):
            continue


def has_all(python: Python, lines: Sequence[Line], imports: Sequence[str]) -> bool:
    """Whether an interpreter has every requirement in its locked version, and what they need of the system."""
    wanted = [line for line in lines if applies(line.marker, python.facts["marker"])]
    if any(python.facts["versions"].get(line.name) != line.version for line in wanted):
        return False
    return can_load(python.path, imports) is None


def can_load(path: str, imports: Sequence[str]) -> str | None:
    """Look for what the work will import, without importing it; return ``None``, or the last lines of why not."""
    return _trouble([path, "-c", _LOAD, *imports])


def can_import(path: str, imports: Sequence[str]) -> str | None:
    """Import what the work will; return ``None``, or the last lines of why not."""
    return _trouble([path, "-c", f"import {', '.join(imports)}" if imports else ""])


def _trouble(command: Sequence[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, timeout=IMPORT_LIMIT_S, check=False, text=True)
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)[:200]
    return None if done.returncode == 0 else tail(done.stderr)


def choose(lines: Sequence[Line], imports: Sequence[str]) -> tuple[Python, bool]:
    """Return the Python for the work, and whether it has everything already. Raises Fault."""
    found = []
    for python in interpreters([line.name for line in lines]):
        if python.version >= NEEDED and has_all(python, lines, imports):
            return python, True
        found.append(python)
    fitting = [python for python in found if python.version >= NEEDED]
    if fitting:
        return fitting[0], False
    versions = ", ".join(f"{'.'.join(map(str, python.version))} ({python.path})" for python in found)
    needed = ".".join(map(str, NEEDED))
    raise Fault("E-NOPYTHON", f"the work needs Python {needed} or newer; this machine has {versions or 'none'}")


# ------------------------------------------------------------------------------------------- environments


def key_of(python: Python, requirements: bytes) -> str:
    """Return the name of the environment for these requirements on this kind of machine.

    An environment links to its Python by path, so the path is part of it, and so is where that path leads.
    """
    facts, base = python.facts, python.facts["base"]
    parts = [hashlib.sha256(requirements).hexdigest(), base, os.path.realpath(base), facts["marker"], facts["libc"]]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def mark_of(environment: Path) -> str | None:
    """Return the mark of an environment that is there, complete; no two that were made have the same."""
    try:
        return (environment / DONE).read_text("utf-8")
    except (OSError, ValueError):
        return None


def names_in(environment: Path) -> str:
    """Return one digest over the names of an environment's files, but for bytecode, which comes later."""
    found, top = [], str(environment)
    for folder, folders, files in os.walk(top):
        folders[:] = [name for name in folders if name != "__pycache__"]
        found += [f"{folder[len(top) :]}/{name}" for name in files]
    notes = {f"/{name}" for name in (USED, DONE, SUSPECT)}
    return hashlib.sha256("\n".join(sorted(set(found) - notes)).encode("utf-8", "surrogateescape")).hexdigest()


def trouble_of(environment: Path, mark: str, imports: Sequence[str]) -> str | None:
    """Return why an environment that is there does not work, or ``None``."""
    python, suspect = str(environment / "bin" / "python"), environment / SUSPECT
    if f'"files": "{names_in(environment)}"' in mark and not suspect.exists():
        return can_load(python, imports)
    trouble = can_import(python, imports)
    if trouble is None:
        with contextlib.suppress(OSError):
            suspect.unlink()
    return trouble


def touch_used(folder: Path) -> None:
    """Leave the time of this use in a folder that pods share, if that can be."""
    with contextlib.suppress(OSError):
        (folder / USED).touch()


def make(environments: Path, python: Python, requirements: Path, imports: Sequence[str]) -> Path:
    """Return the environment, made if need be. Raises Fault, OSError."""
    key = key_of(python, requirements.read_bytes())
    target = environments / key
    mark = mark_of(target)
    if mark is not None:
        trouble = trouble_of(target, mark, imports)
        if trouble is None:
            say(f"the environment {key} is there")
            touch_used(target)
            return target
        say(f"the environment {key} is there and does not work: {trouble}")
    environments.mkdir(exist_ok=True)
    sweep(environments)
    draft = environments / f".making-{key}-{secrets.token_hex(6)}"
    began = time.monotonic()
    say(f"making the environment {key} with {python.path}")
    try:
        build(draft, python, requirements, imports)
        made = {"python": python.path, "made": secrets.token_hex(8), "files": names_in(draft), **python.facts["marker"]}
        (draft / DONE).write_text(json.dumps(made), "utf-8")
        publish(draft, target, mark)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    say(f"the environment {key} is ready after {time.monotonic() - began:.0f} s")
    return target


def build(draft: Path, python: Python, requirements: Path, imports: Sequence[str]) -> None:
    """Make an environment at ``draft``; nothing in it names its own place, so it can be renamed. Raises Fault."""
    run([python.path, "-I", "-m", "venv", "--without-pip", str(draft)])
    (site,) = draft.glob("lib/python*/site-packages")
    run(
        [
            *(
                python.path,
                "-I",
                "-c",
                _PIP,
                "install",
                "--quiet",
                "--no-input",
                "--no-user",
                "--disable-pip-version-check",
            ),
            *("--no-cache-dir", "--no-warn-script-location", "--no-compile"),
            # Every requirement is in the file with its hash, so there is nothing to work out.
            *("--require-hashes", "--no-deps", "--only-binary", ":all:"),
            *("--target", str(site), "-r", str(requirements)),
        ]
    )
    python_path = str(draft / "bin" / "python")
    trouble = can_import(python_path, imports)
    if trouble is not None and OPENMP in trouble and lend_openmp(draft, site):
        trouble = can_import(python_path, imports)
    if trouble is not None and OPENMP in trouble:
        raise Fault(
            "E-PREPARE",
            f"the machine's image lacks {OPENMP}, which {imports[-1]} needs: choose an image with the system's package "
            "libgomp1, or another model",
        )
    if trouble is not None:
        raise Fault("E-PREPARE", f"what was installed cannot be imported: {trouble}")


def lend_openmp(environment: Path, site: Path) -> bool:
    """Let the environment's Python find scikit-learn's own copy of OpenMP by the name the system's has.

    Its wheel brings one under a name with a digest (auditwheel), and one file is one library to the loader, however
    many names it has. Returns whether there was one. Needs no right to install anything. Raises OSError.
    """
    copies = sorted(site.glob("scikit_learn.libs/libgomp-*.so.1*"))
    if not copies:
        return False
    (environment / "lib" / "lent").mkdir()
    (environment / "lib" / "lent" / OPENMP).symlink_to(Path("..", "..", copies[0].relative_to(environment)))
    script = environment / "bin" / "python"
    script.rename(script.with_name("interpreter"))
    script.write_text(_LENDING, "utf-8")
    script.chmod(0o755)
    say(f"{OPENMP} is not on this machine; scikit-learn's copy of it is used")
    return True


def publish(draft: Path, target: Path, damaged: str | None = None) -> None:
    """Give a finished environment its name, unless another pod was faster: then that one is used. Raises OSError.

    ``damaged`` is the mark of one that was found not to work. What has the name and is no use is taken aside first;
    should it turn out to have been published only now, it is put back.
    """
    for number in range(PUBLISH_ROUNDS):
        with contextlib.suppress(OSError):
            draft.rename(target)
            return
        if mark_of(target) not in (None, damaged):
            return
        aside = draft.with_name(f"{draft.name}-{number}")
        try:
            target.rename(aside)
        except FileNotFoundError:
            continue
        mark = mark_of(aside)
        if mark is None:
            shutil.rmtree(aside, ignore_errors=True)  # somebody removed a part of it
            continue
        os.utime(aside)  # other pods may still run with it: the sweep takes it, a day from now
        if mark != damaged:
            with contextlib.suppress(OSError):
                aside.rename(target)
    if mark_of(target) in (None, damaged):
        draft.rename(target)


def sweep(environments: Path) -> None:
    """Remove unfinished environments that have no builder any more."""
    for path in environments.glob(".making-*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > STALE_S:
                shutil.rmtree(path, ignore_errors=True)


def run(command: Sequence[str]) -> None:
    """Run a step, its words in the log. Raises Fault with the last of them."""
    environment = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    sys.stdout.write(done.stdout)
    if done.returncode:
        raise Fault("E-PREPARE", tail(done.stdout))


def tail(text: str) -> str:
    """Return the last lines that say something, as one."""
    return " / ".join([line.strip() for line in text.splitlines() if line.strip()][-TAIL_LINES:])[:400] or "no output"


# ------------------------------------------------------------------------------------------- the step


def check_bundle(folder: Path) -> None:
    """Compare the bundle's files with its manifest. Raises Fault, OSError, ValueError."""
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    for entry in manifest["files"]:
        if hashlib.sha256((folder / entry["name"]).read_bytes()).hexdigest() != entry["sha256"]:
            raise Fault("E-PREPARE", f"{entry['name']} of the job bundle is damaged")


def prepare(bundle: Path, environments: Path, imports: Sequence[str], name: str = REQUIREMENTS) -> None:
    """Leave ``env/bin/python`` in the working directory, with what the bundle's file ``name`` lists.

    Raises Fault, OSError.
    """
    check_bundle(bundle)
    touch_used(bundle)
    requirements = bundle / name
    python, complete = choose(read_requirements(requirements.read_text("utf-8")), imports)
    env = Path("env")
    if not complete:
        env.symlink_to(make(environments, python, requirements, imports))
        return
    say(f"{python.path} has everything; nothing is installed")
    (env / "bin").mkdir(parents=True)
    script = env / "bin" / "python"
    # Not a link: a Python finds its own libraries by the path it is called with.
    script.write_text(f"#!/bin/sh\nexec '{python.path}' \"$@\"\n", "utf-8")
    script.chmod(0o755)


def main(arguments: Sequence[str]) -> int:
    """Prepare; return the exit status."""
    named = arguments[0] == "--requirements"
    name, words = (arguments[1], arguments[2:]) if named else (REQUIREMENTS, arguments)
    try:
        prepare(Path(__file__).resolve().parent, Path(words[0]), words[1:], name)
    except Fault as fault:
        return _known(fault.code, str(fault))
    except (OSError, ValueError) as error:
        return _known("E-PREPARE", f"{type(error).__name__}: {error}")
    return 0


def _known(code: str, detail: str) -> int:
    sys.stderr.write(f"{code}: {detail}\n")
    Path("out", ".error.json.new").write_text(json.dumps({"code": code, "detail": detail}), "utf-8")
    Path("out", ".error.json.new").replace(Path("out", "error.json"))
    return EXIT_KNOWN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
