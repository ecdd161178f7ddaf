"""One create: the environment a wrapper gets, and starting it through the launcher. Blocking."""

from __future__ import annotations

import errno
import hashlib
import os
import selectors
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from messages.machines import LaunchRequest
from providers.interface import Ambiguous, NoCapacity, Refused
from providers.local.plain import opened
from providers.local.processes import MARKER, ProcessKey
from providers.local.registry import CONSOLE_FILE, Entry
from providers.local.settings import LocalSettings

_LAUNCHER = Path(__file__).with_name("launcher.py")
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

PACE = {
    "LASTCALL_CONTROL_INTERVAL_S": "0.5",
    "LASTCALL_HEARTBEAT_INTERVAL_S": "1",
    "LASTCALL_LOG_FLUSH_S": "0.5",
    "LASTCALL_NONCE_INTERVAL_S": "2",
    "LASTCALL_NONCE_SETTLE_S": "0",
    "LASTCALL_FOLDER_WAIT_S": "120",
    "LASTCALL_STOP_GRACE_S": "3",
    "LASTCALL_MEMORY_LIMIT_BYTES": "0",
}
"""How often a local wrapper looks and tells: files on this disk cost nothing. A request may say otherwise."""


LAUNCHER_PATIENCE_S = 1.0
"""After its answer the launcher has nothing left to do but end."""


class Places(NamedTuple):
    """Directories the wrapper is told."""

    folder: str
    storage: str


class NotStarted(Exception):
    """The launcher says that nothing runs, with the errno it met."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(text)
        self.number = number


def digest(request: LaunchRequest) -> str:
    """Return what tells one create request from another."""
    return hashlib.sha256(request.model_dump_json().encode()).hexdigest()


def environment(request: LaunchRequest, entry: Entry, places: Places, python: str, lock: int) -> dict[str, str]:
    """Return the wrapper's whole environment: nothing of the daemon's own is in it, no key, no variable.

    What says who and where the machine is cannot be overridden by the request.
    """
    return {
        **PACE,
        **request.environment,
        "PATH": f"{Path(python).parent}:{_SYSTEM_PATH}",
        "HOME": str(entry.path),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        MARKER: request.name,
        "LASTCALL_PROVIDER": "local",
        "LASTCALL_JOB_FOLDER": places.folder,
        "LASTCALL_STORAGE_ROOT": places.storage,
        "LASTCALL_MACHINE_DIR": str(entry.path),
        "LASTCALL_ATTEMPT": str(request.attempt),
        "LASTCALL_SOFT_DEADLINE": repr(request.soft_deadline.timestamp()),
        "LASTCALL_HARD_DEADLINE": repr(request.hard_deadline.timestamp()),
        "LASTCALL_MAX_RUNTIME_S": str(request.max_runtime_s),
        "LASTCALL_LOCK_FD": str(lock),
    }


def start(settings: LocalSettings, entry: Entry, variables: dict[str, str], lock: int) -> ProcessKey:
    """Start the wrapper and return its first process.

    Raises NoCapacity or Refused when nothing runs, Ambiguous when the launcher gave no clear answer.
    """
    wrapper = [settings.python, "-I", "-S", str(settings.wrapper)]
    try:
        answer = _run_launcher(settings, entry.path, wrapper, variables, lock)
        return _parse(answer)
    except NotStarted as error:
        kind = NoCapacity if error.number in (errno.EAGAIN, errno.ENOMEM, errno.ENOSPC, errno.EMFILE) else Refused
        raise kind(f"the machine could not be started: {error}") from error


def _run_launcher(
    settings: LocalSettings, folder: Path, wrapper: list[str], variables: dict[str, str], lock: int
) -> bytes:
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        with opened(folder, CONSOLE_FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT) as console:
            launcher = subprocess.Popen(
                [settings.python, "-I", "-S", str(_LAUNCHER), str(writer), str(lock), *wrapper],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                cwd=folder,
                env=variables,
                pass_fds=(writer, lock),
                start_new_session=True,
            )
    except OSError as error:
        os.close(reader)
        raise NotStarted(error.errno or 0, str(error)) from error
    finally:
        os.close(writer)
    try:
        return _read_all(reader, settings.launch_timeout_s)
    finally:
        os.close(reader)
        _reap(launcher)


def _reap(launcher: subprocess.Popen[bytes]) -> None:
    try:
        launcher.wait(LAUNCHER_PATIENCE_S)
    except subprocess.TimeoutExpired:
        launcher.kill()
        launcher.wait()


def _read_all(reader: int, timeout_s: float) -> bytes:
    """Read until the pipe closes, which is when the wrapper runs or is known not to."""
    ends = time.monotonic() + timeout_s
    parts: list[bytes] = []
    with selectors.DefaultSelector() as selector:
        selector.register(reader, selectors.EVENT_READ)
        while True:
            if not selector.select(max(0.0, ends - time.monotonic())):
                raise Ambiguous(f"the launcher did not answer within {timeout_s:g} s")
            part = os.read(reader, 4096)
            if not part:
                return b"".join(parts)
            parts.append(part)


def _parse(answer: bytes) -> ProcessKey:
    started = None
    for line in answer.decode("utf-8", "replace").splitlines():
        words = line.split(maxsplit=2)
        if words[0] == "failed":
            raise NotStarted(int(words[1]), words[2] if len(words) > 2 else "unknown")
        started = ProcessKey(int(words[0]), int(words[1]))
    if started is None:
        raise Ambiguous("the launcher ended without a word")
    return started
