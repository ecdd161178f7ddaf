"""Where we are: which computer, which boot, which pid namespace, which user. Absence counts only here."""

from __future__ import annotations

import hashlib
import os
import platform
import secrets
from pathlib import Path
from typing import NamedTuple

from providers.interface import Refused

_MACHINE_ID_FILES = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
"""machine-id(5): a stable id of the installation; not meant to be shown raw, so only a hash leaves this module."""


class Identity(NamedTuple):
    """The place a process id is meaningful in."""

    boot_id: str
    """Changes with every start of the kernel: no process survives it."""
    pid_namespace: str
    """Processes of another namespace cannot be seen from here."""
    uid: int
    computer: str
    """Hash of the computer's id."""

    @property
    def fingerprint(self) -> str:
        """The account: this computer and this user."""
        return f"local:{self.computer}:{self.uid}"


def refuse_other_platforms(system: str = "", proc: Path = Path("/proc")) -> None:
    """Raise Refused (E-PLATFORM) where machines could not be watched: no Linux, no /proc, no pidfd."""
    system = system or platform.system()
    if system != "Linux":
        raise Refused(f"E-PLATFORM: local machines need Linux, this is {system}; choose another provider")
    if not (proc / "self" / "stat").exists():
        raise Refused(f"E-PLATFORM: local machines need a process table, {proc} shows none; mount it")
    if not hasattr(os, "pidfd_open"):
        raise Refused("E-PLATFORM: local machines need pidfd (Linux 5.3); choose another provider")


def read_identity(root: Path, proc: Path = Path("/proc"), id_files: tuple[Path, ...] = _MACHINE_ID_FILES) -> Identity:
    """Read who and where we are; ``root`` keeps an id of its own where the computer has none."""
    return Identity(
        boot_id=(proc / "sys/kernel/random/boot_id").read_text("ascii").strip(),
        pid_namespace=str((proc / "self/ns/pid").readlink()),
        uid=os.getuid(),
        computer=hashlib.sha256(f"lastcall:{_computer_id(root, id_files)}".encode()).hexdigest()[:16],
    )


def _computer_id(root: Path, id_files: tuple[Path, ...]) -> str:
    for path in id_files:
        try:
            found = path.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if found:
            return found
    own = root / "computer-id"
    try:
        return own.read_text("ascii").strip()
    except FileNotFoundError:
        made = secrets.token_hex(16)
        own.write_text(made + "\n", "ascii")
        return made
