"""Make the checkout's private environment hold one profile of requirements, exactly as locked.

Called by ``./dev`` when its quick check says that something is missing; standard library only, any Python ≥ 3.11.

    python tools/environment.py PROFILE

One process works at a time (a kernel lock, so a killed one leaves nothing stale). The stamp is taken away before the
first change and written after the last, and an environment whose making was cut short is made anew: its files may be
half written. Every failure is one line on stderr; what pip said stands in ``.dev/install.log``.
"""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NoReturn

PROFILES = ("core", "train", "demo", "dev")
"""From small to large; each contains those before it."""

IMPORTS = {
    "core": ("aiohttp", "apsw", "click", "prometheus_client", "pydantic", "rich", "structlog"),
    "train": ("matplotlib", "numpy", "pandas", "pyarrow", "sklearn", "skops.io"),
    "demo": ("palmerpenguins",),
    "dev": ("coverage", "hypothesis", "mypy", "pytest"),
}
"""Imported once after an install: a missing system library shows here, not in the middle of a job."""

SYSTEM_PACKAGES = {
    "libgomp.so.1": "libgomp1",
    "libstdc++.so.6": "libstdc++6",
    "libffi.so.8": "libffi8",
    "libssl.so.3": "libssl3",
}
"""Debian's package for each library that a wheel may want from the system."""

PIP_TO_UV = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_CERT": "SSL_CERT_FILE",
}
"""A mirror that was set for pip holds for uv too."""

UV_TIMEOUT_S = 900
PIP_TIMEOUT_S = 3600

LAUNCHER = """#!/bin/sh
'''exec' {python} "$0" "$@"
' '''
import sys

from lastcall.cli.main import main

sys.exit(main())
"""
"""The ``lastcall`` script: a shell line that Python reads as a string, since a "#!" line cannot hold a long path."""


class Environment:
    """The checkout's ``.venv`` and what is known about it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / ".venv"
        self.python = self.home / "bin" / "python"
        self.stamp = self.home / "lastcall-stamp"
        self.copy = self.home / "lastcall-requirements.txt"
        self.unfinished = root / ".dev" / "install.unfinished"
        self.log = root / ".dev" / "install.log"

    def requirements(self, profile: str) -> Path:
        """Return the locked file of a profile."""
        return self.root / "requirements" / f"{profile}.txt"

    def holds(self, profile: str) -> bool:
        """Say whether the stamp names at least ``profile``, unchanged since. The same check as ``./dev`` makes."""
        try:
            has, home = self.stamp.read_text().splitlines()[:2]
            same = self.copy.read_bytes() == self.requirements(has).read_bytes()
        except (OSError, ValueError):
            return False
        return (
            same
            and home == str(self.root)
            and has in PROFILES
            and PROFILES.index(has) >= PROFILES.index(profile)
            and self.python.exists()
        )

    def works(self) -> bool:
        """Say whether the environment's Python runs, has pip, and no earlier making was cut short."""
        if self.unfinished.exists() or not self.python.exists():
            return False
        return subprocess.run([self.python, "-c", "import pip"], capture_output=True, check=False).returncode == 0

    def write_stamp(self, profile: str) -> None:
        """Write the stamp, last of all and whole."""
        self.copy.write_bytes(self.requirements(profile).read_bytes())
        draft = self.stamp.with_suffix(".new")
        draft.write_text(f"{profile}\n{self.root}\n")
        draft.replace(self.stamp)


def fail(line: str) -> NoReturn:
    """End with one line."""
    sys.stderr.write(f"dev: {line}\n")
    raise SystemExit(1)


def say(line: str) -> None:
    """Tell what takes time."""
    sys.stderr.write(f"dev: {line}\n")
    sys.stderr.flush()


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the installation lock; wait for who has it."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another ./dev that is installing")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def check_interpreter() -> None:
    """Refuse a Python that cannot make an environment, naming the package that is missing."""
    for module, package in (
        ("ensurepip", "python3-venv"),
        ("venv", "python3-venv"),
        ("ssl", "libssl-dev (then build this Python again)"),
        ("ctypes", "libffi-dev (then build this Python again)"),
        ("sqlite3", "libsqlite3-dev (then build this Python again)"),
    ):
        try:
            __import__(module)
        except ImportError:
            fail(f"{sys.executable} has no module {module}: install the package {package} and call again")


def run(command: Sequence[str | Path], log: IO[bytes], timeout_s: float, **variables: str) -> bool:
    """Run a step with its output in the log; say whether it went well."""
    log.write(f"$ {shlex.join(map(str, command))}\n".encode())
    log.flush()
    environment = {**os.environ, **variables}
    try:
        done = subprocess.run(command, stdout=log, stderr=log, env=environment, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        log.write(b"took too long\n")
        return False
    return done.returncode == 0


def last_words(log: Path) -> str:
    """Return the log's last line that looks like a reason."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    reasons = [line for line in lines if re.match(r"(?i)error|.*(error|failed|not found|no matching)", line)]
    return (reasons or lines or ["no output"])[-1][:300]


def install(environment: Environment, profile: str, log: IO[bytes]) -> None:
    """Install the locked requirements with uv, which takes seconds, or with pip where uv cannot be had."""
    target = environment.requirements(profile)
    quiet = ("--quiet", "--disable-pip-version-check", "--no-input", "--require-hashes", "--only-binary", ":all:")
    pip = (environment.python, "-m", "pip", "install", *quiet)
    uv = environment.home / "bin" / "uv"
    variables = {ours: os.environ[theirs] for theirs, ours in PIP_TO_UV.items() if theirs in os.environ}
    variables = {name: value for name, value in variables.items() if name not in os.environ}
    variables["VIRTUAL_ENV"] = str(environment.home)
    if run((*pip, "-r", environment.requirements("uv")), log, UV_TIMEOUT_S) and run(
        (uv, "pip", "install", "--require-hashes", "--only-binary", ":all:", "--compile-bytecode", "-r", target),
        log,
        UV_TIMEOUT_S,
        **variables,
    ):
        return
    say("uv does not work here; pip takes a little longer")
    if not run((*pip, "-r", target), log, PIP_TIMEOUT_S):
        log.flush()
        fail(f"the installation failed: {last_words(environment.log)} (all of it: {environment.log})")


def make_importable(environment: Environment) -> None:
    """Let the environment's Python find the checkout, and put the ``lastcall`` command beside it."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    found = subprocess.run(
        [environment.python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=False,
    )
    site = Path(found.stdout.strip() or environment.home / "lib" / version / "site-packages")
    (site / "lastcall-checkout.pth").write_text(f"{environment.root}\n")
    script = environment.home / "bin" / "lastcall"
    draft = script.with_suffix(".new")
    draft.write_text(LAUNCHER.format(python=shlex.quote(str(environment.python))))
    draft.chmod(0o755)
    draft.replace(script)


def verify(environment: Environment, profile: str) -> None:
    """Import what was installed; a system library that is missing is one line with its package."""
    names = [name for each in PROFILES[: PROFILES.index(profile) + 1] for name in IMPORTS[each]]
    done = subprocess.run(
        [environment.python, "-c", f"import {', '.join(names)}"], capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return
    lines = done.stderr.strip().splitlines() or ["no output"]
    library = re.search(r"(lib[\w+.-]+\.so[.\d]*)", lines[-1])
    if library:
        package = SYSTEM_PACKAGES.get(library[1], f"that holds {library[1]}")
        fail(f"the system library {library[1]} is missing: install the package {package} and call again")
    fail(f"what was installed does not work: {lines[-1][:300]}")


def fetch_wheels(environment: Environment) -> None:
    """Fetch what tests of a rented machine install; without it they say so, and everything else works."""
    done = subprocess.run([environment.python, "-m", "tools.wheels"], cwd=environment.root, check=False)
    if done.returncode:
        say("tests that prepare a rented machine will fail until `python -m tools.wheels` went well")


def ensure(root: Path, profile: str) -> None:
    """Make ``root/.venv`` hold ``profile``."""
    environment = Environment(root)
    with alone(root / ".dev" / "install.lock"):
        if environment.holds(profile):
            return
        check_interpreter()
        say(f"installing what this needs into .venv (profile {profile}); this happens once")
        whole = environment.works()
        environment.stamp.unlink(missing_ok=True)
        environment.unfinished.touch()
        with environment.log.open("wb") as log:
            if not whole and not run((sys.executable, "-m", "venv", "--clear", environment.home), log, UV_TIMEOUT_S):
                log.flush()
                fail(f"no environment could be made: {last_words(environment.log)}")
            install(environment, profile, log)
        make_importable(environment)
        verify(environment, profile)
        environment.write_stamp(profile)
        environment.unfinished.unlink()
        if profile == "dev":
            fetch_wheels(environment)


def main(arguments: Sequence[str]) -> int:
    """Make sure of one profile."""
    if len(arguments) != 1 or arguments[0] not in PROFILES:
        fail(f"usage: environment.py {'|'.join(PROFILES)}")
    if sysconfig.get_platform().startswith("win"):
        fail("Lastcall runs on Linux; on Windows use it inside WSL")
    try:
        ensure(Path(__file__).resolve().parent.parent, arguments[0])
    except KeyboardInterrupt:
        fail("interrupted; the next call repairs the environment")
    except OSError as error:
        fail(f"the environment could not be made: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
