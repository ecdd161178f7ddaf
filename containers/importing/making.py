"""Looking at what arrived, and making a bundle of it: loads nothing itself, and believes nothing that the sandbox says.

Standard library only, but for a sample, which is read like any data file. Three processes take part: this one, the
sandbox that loads the pickle, and a fresh one that loads the converted file (``checking``).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from containers.importing.names import KINDS, Name
from containers.importing.package import METADATA, MODEL, PREPROCESSOR, SAMPLE, Member, Told, nameless, opened, told
from containers.importing.scan import Found, scan
from containers.prediction.model import METADATA_FILE, MODEL_FILE, SCHEMA_FILE
from containers.training.refusal import Refused, one_line, quoted

METRICS_FILE: Final = "metrics.json"
REQUIREMENTS_FILE: Final = "requirements.lock"
FILES: Final = (MODEL_FILE, METADATA_FILE, SCHEMA_FILE, METRICS_FILE, REQUIREMENTS_FILE)
"""What a bundle made of an older model holds."""
MEMORY_BYTES: Final = 4 << 30
CPU_S: Final = 120
WALL_S: Final = 300.0
"""Time the sandbox may take by the clock, seconds; the same again for the process that checks."""
MODEL_BYTES_MAX: Final = 2 << 30
REPORT_BYTES_MAX: Final = 64 << 20
_ENVIRONMENT: Final = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/nonexistent",
    "LANG": "C.UTF-8",
    **{f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")},
    "OMP_THREAD_LIMIT": "1",
    "JOBLIB_MULTIPROCESSING": "0",
    "PYTHONHASHSEED": "0",
}
"""All that the sandbox sees of an environment."""
_STARVED: Final = (signal.SIGKILL, signal.SIGXCPU, signal.SIGXFSZ)


class Bounds(NamedTuple):
    """Limits of a sandbox."""

    memory_bytes: int = MEMORY_BYTES
    cpu_s: int = CPU_S
    wall_s: float = WALL_S


class Looked(NamedTuple):
    """What can be said of a package without loading anything."""

    members: Mapping[str, Member]
    found: Found
    told: Told

    def json(self) -> dict[str, Any]:
        """Return it as documents show it."""
        return {
            "files": [member.json() for member in self.members.values()],
            "target": self.told.target,
            "estimators": [n.name for n in self.found.names if n.name in KINDS.get(n.today.module, {})],
            **self.found.json(),
        }


@contextmanager
def look(package: Path) -> Iterator[Looked]:
    """Take the package apart and scan its pickles. Raises ``Refused`` as ``opened`` and ``scan`` do."""
    with opened(package) as members:
        everything = Found()
        for name in (MODEL, PREPROCESSOR):
            if name in members:
                with members[name].mapped() as data:
                    found = _scanned(data, name)
                everything.names.update(found.names)
                everything.versions.update(found.versions)
                everything.operations += found.operations
        yield Looked(members, everything, told(members.get(METADATA)))


def _scanned(data: Any, name: str) -> Found:
    """Scan one pickle; of two, a refusal says which."""
    try:
        return scan(data)
    except Refused as refused:
        raise Refused(refused.code, f"{refused.detail} ({name})") from None


def make(looked: Looked, out: str, sha256: str, bounds: Bounds) -> dict[str, Any]:
    """Write the bundle of what was looked at, each file as ``out`` and its name; return what it is.

    ``sha256`` is that of the model file that was looked at and confirmed. Raises ``Refused`` with an E-IMPORT-… code,
    or one of the sample's.
    """
    folder = Path(out).parent
    if looked.members[MODEL].sha256 != sha256:
        raise Refused("E-IMPORT-CONFIRM", "The model file is not the one that was confirmed")
    table = None
    if SAMPLE in looked.members:
        from containers.importing.rows import sample

        table = sample(looked.members[SAMPLE].file, looked.told.features, looked.told.target)
    with nameless(folder) as model, nameless(folder) as report:
        said = run_sandbox(looked, table, model, report, folder, bounds)
        _copy(model, Path(f"{out}{MODEL_FILE}"))
    return _checked(looked, said, out, bounds)


def run_sandbox(
    looked: Looked, table: Any, model: IO[bytes], report: IO[bytes], folder: Path, bounds: Bounds
) -> dict[str, Any]:
    """Have the sandbox write the converted model and its report; return the report.

    Raises ``Refused`` with what the sandbox says, or what its end says.
    """
    with nameless(folder) as rows, _nowhere(folder) as empty:
        rows.write(json.dumps(table).encode())
        rows.seek(0)
        files = {"table": rows if table is not None else None, "out": model, "report": report}
        members = {"model": looked.members[MODEL], "preprocessor": looked.members.get(PREPROCESSOR)}
        held = {**files, **{name: member.file if member else None for name, member in members.items()}}
        descriptors = {name: file.fileno() if file else None for name, file in held.items()}
        request = {
            **descriptors,
            "folder": empty,
            "parent": os.getpid(),
            "features": list(looked.told.features),
            "modules": modules_of(looked.found),
            "memory_bytes": bounds.memory_bytes,
            "cpu_s": bounds.cpu_s,
            "file_bytes": MODEL_BYTES_MAX,
        }
        kept = tuple(number for number in (*descriptors.values(), empty) if number is not None)
        code = _end_of("containers.importing.sandbox", request, kept, bounds.wall_s, isolated=True)
    return _report(code, report)


def modules_of(found: Found) -> list[str]:
    """Return the modules of the libraries that a pickle's names are in, by their names now."""
    return sorted({name.today.module for name in found.names if _is_library(name)})


def _is_library(name: Name) -> bool:
    return name.today.module.split(".")[0] in ("sklearn", "scipy", "numpy", "xgboost", "lightgbm", "catboost")


@contextmanager
def _nowhere(folder: Path) -> Iterator[int]:
    """Give a descriptor of an empty folder that has no name any more: nothing can be made in it."""
    path = tempfile.mkdtemp(dir=folder)
    empty = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    Path(path).rmdir()
    try:
        yield empty
    finally:
        os.close(empty)


def _end_of(module: str, request: dict[str, Any], kept: tuple[int, ...], wall_s: float, *, isolated: bool) -> int:
    """Run a module of this program to its end; return its exit code. Raises ``Refused`` E-IMPORT-LIMIT."""
    flags = ["-I", "-B"] if isolated else ["-B"]
    with subprocess.Popen(
        [sys.executable, *flags, "-m", module, json.dumps(request)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if isolated else None,
        env=_ENVIRONMENT,
        pass_fds=kept,
    ) as process:
        try:
            return process.wait(wall_s)
        except subprocess.TimeoutExpired:
            raise Refused("E-IMPORT-LIMIT", f"It took more than {wall_s:g} s") from None
        finally:
            process.kill()


def _report(code: int, report: IO[bytes]) -> dict[str, Any]:
    if code < 0:
        if -code in _STARVED:
            raise Refused("E-IMPORT-LIMIT", "Loading took more time, memory or disk than it may")
        raise Refused("E-IMPORT-LOAD", f"Loading ended by signal {-code}")
    report.seek(0)
    data = report.read(REPORT_BYTES_MAX + 1)
    try:
        said = json.loads(data) if code == 0 and len(data) <= REPORT_BYTES_MAX else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or not isinstance(said.get("ok"), bool):
        raise Refused("E-IMPORT-LOAD", f"Loading ended with {code} and no readable report")
    if not said["ok"]:
        raise Refused(*_why(said))
    return said


def _why(said: dict[str, Any]) -> tuple[str, str]:
    code, detail = str(said.get("code")), one_line(str(said.get("detail")))
    known = ("E-IMPORT-", "E-CSV-SCHEMA", "E-LIBRARY")
    return (code if code.startswith(known) else "E-IMPORT-LOAD"), detail


def _copy(source: IO[bytes], target: Path) -> None:
    source.seek(0)
    with target.open("wb") as file:
        while block := source.read(1 << 20):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())


def _checked(looked: Looked, said: dict[str, Any], out: str, bounds: Bounds) -> dict[str, Any]:
    """Have a fresh process load the file as predictions do, compare, and write the rest of the bundle."""
    with nameless(Path(out).parent) as asked, nameless(Path(out).parent) as answered:
        asked.write(json.dumps({"looked": looked.json(), "told": looked.told.json(), "said": said}).encode())
        asked.seek(0)
        limits = [bounds.memory_bytes, bounds.cpu_s, MODEL_BYTES_MAX]
        request = {"out": out, "asked": asked.fileno(), "answered": answered.fileno(), "limits": limits}
        code = _end_of(
            "containers.importing.checking", request, (asked.fileno(), answered.fileno()), bounds.wall_s, isolated=False
        )
        return {**_report(code, answered), "walls": _names(said.get("walls"))}


def _names(value: Any) -> list[str]:
    return [str(name)[:20] for name in value][:10] if isinstance(value, list) else []


def versions_differ(refused: Refused, versions: Mapping[str, None]) -> Refused:
    """Return the refusal in other words where another scikit-learn wrote the pickle than is here."""
    import importlib.metadata

    here = importlib.metadata.version("scikit-learn")
    others = [version for version in versions if version != here]
    if refused.code != "E-IMPORT-LOAD" or not others:
        return refused
    return Refused(
        "E-IMPORT-VERSION",
        f"The pickle was written by scikit-learn {quoted(others[0])[1:-1]}, and {here} is here, which cannot load it: "
        f"{refused.detail}",
    )
