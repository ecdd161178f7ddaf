"""The audit hook of a sandbox: refuses by name what the process may not do, and remembers that it was tried.

Python tells such a hook of what it is about to do (``sys.addaudithook``, PEP 578; the events are listed in Python's
library reference), and cannot be told to forget it again. Where the kernel puts up walls of its own this one is the
last of them; elsewhere it is what there is.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from containers.importing.names import words

TRIED_MAX: Final = 20
"""Events that are remembered."""
_BEGINNINGS: Final = (
    "socket.",
    "subprocess.",
    "shutil.",
    "tempfile.",
    "urllib.",
    "ftplib.",
    "http.",
    "smtplib.",
    "poplib.",
    "imaplib.",
    "telnetlib.",
    "nntplib.",
    "sqlite3.",
    "pty.",
    "mmap.",
    "winreg.",
    "webbrowser.",
    "fcntl.",
    "resource.",
    "syslog.",
    "ensurepip.",
    "pathlib.",
)
_OS_CALLS: Final = words(
    "system exec fork forkpty posix_spawn spawn startfile kill killpg remove rename rmdir mkdir link symlink truncate "
    "chmod chflags chown utime putenv unsetenv chdir fchdir setxattr removexattr lockf unshare setns memfd_create "
    "pidfd_open"
)
_EXACT: Final = {f"os.{call}" for call in _OS_CALLS} | words(
    "ctypes.dlopen ctypes.call_function signal.pthread_kill sys.settrace sys.setprofile "
    "sys.addaudithook code.__new__ function.__new__"
)
_LIBRARIES: Final = words(
    "catboost containers joblib lightgbm numpy pandas scipy skops sklearn threadpoolctl xgboost dateutil narwhals pytz "
    "six packaging pyarrow messages tzdata prettytable"
)
_NEVER: Final = words(
    "subprocess socket ssl ctypes multiprocessing http urllib ftplib smtplib telnetlib socketserver asyncio webbrowser "
    "pty code codeop runpy pdb sqlite3 xmlrpc venv ensurepip pip"
)
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Hook:
    """Judges every event of this process from ``put_up`` on."""

    def __init__(self, readable: Sequence[Path]) -> None:
        """``readable`` are the folders and files that may be opened for reading."""
        self.tried: list[str] = []
        self._roots = tuple({str(path) for path in readable} | {str(path.resolve()) for path in readable})

    def put_up(self) -> None:
        """Begin, for good."""
        sys.addaudithook(self._judge)

    def _judge(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "import" and _is_unknown(str(arguments[0])):
            raise ModuleNotFoundError(f"the sandbox has no {arguments[0]}")  # libraries try what they can do without
        if self._forbids(event, arguments):
            if len(self.tried) < TRIED_MAX:
                self.tried.append(event if event != "import" else f"import {arguments[0]}"[:60])
            raise PermissionError(f"the sandbox forbids {event}")

    def _forbids(self, event: str, arguments: tuple[Any, ...]) -> bool:
        if event == "open":
            return not self._may_open(*arguments)
        if event == "import":
            return str(arguments[0]).split(".")[0] in _NEVER
        if event in ("os.listdir", "os.scandir"):
            return not self._is_readable(arguments[0])
        return event in _EXACT or event.startswith(_BEGINNINGS)

    def _may_open(self, path: Any, mode: Any, flags: Any) -> bool:
        if isinstance(path, int):
            return True  # it is open already
        writes = (isinstance(flags, int) and flags & _WRITING) or (isinstance(mode, str) and set(mode) & set("wax+"))
        return not writes and self._is_readable(path)

    def _is_readable(self, path: Any) -> bool:
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        text = os.path.normpath(os.fsdecode(path))
        return any(text == root or text.startswith(root + os.sep) for root in self._roots)


def _is_unknown(module: str) -> bool:
    root = module.split(".")[0]
    known = root in sys.stdlib_module_names or root in _LIBRARIES
    return not known and not root.startswith("_cython_")
