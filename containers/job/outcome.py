"""The truth table: how the attempt ended, from what was seen. Pure; the first rule that fits decides."""

from __future__ import annotations

import enum
import re
from typing import NamedTuple

from containers.job.policy import Reason

DETAIL_CHARS_MAX = 500
SIGKILL = 9
SHELL_SIGNAL_BASE = 128
"""A shell reports a child killed by signal n as exit status 128 + n."""

_CODE = re.compile(r"E-[A-Z][A-Z0-9-]{0,40}")


class Memory(enum.Enum):
    """Evidence that memory ran out."""

    NONE = "none"
    PRESSURE = "pressure"
    """The peak came close to the limit: tells who sent a SIGKILL that was not ours."""
    PROVEN = "proven"
    """The kernel's own counter rose, or the work said so as it failed."""


class Artifacts(enum.Enum):
    """What became of the files the work must leave."""

    COMPLETE = "complete"
    MISSING = "missing"
    NO_SPACE = "no_space"
    """They could not be stored: the disk is full."""
    NOT_STORED = "not_stored"
    """They could not be stored: storage did not take them."""


class Ended(NamedTuple):
    """What is known once nothing of the work runs any more."""

    exit_code: int | None = None
    signal: int | None = None
    memory: Memory = Memory.NONE
    disk_full: bool = False
    marker_exists: bool = False
    artifacts: Artifacts = Artifacts.COMPLETE
    reason: Reason | None = None
    error_code: str | None = None
    """From the work's own ``error.json``."""
    error_detail: str = ""
    preparing: bool = False
    """It was the preparing step that ended."""
    note: str = ""
    """What the wrapper can add: the last error line, the missing file."""
    held_elsewhere: bool = False
    """Another machine has the attempt's work: it writes the marker."""


class Verdict(NamedTuple):
    """Outcome, code and one sentence for the result marker."""

    outcome: str
    code: str | None
    detail: str


def judge(ended: Ended) -> Verdict | None:
    """Return the verdict, or ``None`` where it is not ours: the first marker stands, the work's holder writes one."""
    if ended.marker_exists or ended.held_elsewhere:
        return None
    found = _by_reason(ended) or _by_resources(ended) or _by_exit(ended) or _by_artifacts(ended)
    outcome, code, detail = found
    return Verdict(outcome, code, detail[:DETAIL_CHARS_MAX])


def is_error_code(code: object) -> bool:
    """Whether a code the work reported has the form of one of ours."""
    return isinstance(code, str) and _CODE.fullmatch(code) is not None


def _by_reason(ended: Ended) -> Verdict | None:
    reason = ended.reason
    if reason is Reason.RESTARTED and ended.memory is not Memory.NONE:
        return Verdict("failed", "E-OOM", "the machine was restarted with its memory all but used up")
    if reason in (Reason.RESTARTED, Reason.FENCED):
        return Verdict("interrupted", "E-RESTARTED", ended.note or "this attempt had been started before")
    if reason is Reason.FOLDER:
        return Verdict("interrupted", "E-FOLDER", ended.note)
    if reason is Reason.WRAPPER:
        return Verdict("interrupted", "E-INTERRUPTED", ended.note or "the wrapper failed")
    if reason is Reason.CANCELLED:
        return Verdict("cancelled", "E-CANCELLED", "stopped on request")
    if reason is Reason.INTERRUPTED:
        return Verdict("interrupted", "E-INTERRUPTED", "the platform took the machine")
    if reason is Reason.MEMORY:
        return Verdict("failed", "E-OOM", "stopped before the machine's memory was used up")
    if reason is Reason.DEADLINE:
        return Verdict("timed_out", "E-TIMEOUT", "the time limit was reached")
    if reason is Reason.STEP_LIMIT:
        return Verdict("failed", "E-PREPARE", "preparing took longer than its limit")
    return None


def _by_resources(ended: Ended) -> Verdict | None:
    if not _failed(ended):
        return None
    shot = SIGKILL in (ended.signal, (ended.exit_code or 0) - SHELL_SIGNAL_BASE)
    if ended.memory is Memory.PROVEN or (ended.memory is Memory.PRESSURE and shot):
        return Verdict("failed", "E-OOM", ended.note or "the kernel ended it for lack of memory")
    if ended.disk_full:
        return Verdict("failed", "E-DISK", ended.note or "the machine's disk is full")
    return None


def _by_exit(ended: Ended) -> Verdict | None:
    if not _failed(ended):
        return None
    if ended.error_code is not None and ended.signal is None:
        return Verdict("failed", ended.error_code, ended.error_detail or _how(ended))
    if ended.preparing:
        return Verdict("failed", "E-PREPARE", _how(ended))
    return Verdict("failed", "E-WORK", _how(ended))


def _by_artifacts(ended: Ended) -> Verdict:
    if ended.artifacts is Artifacts.MISSING:
        return Verdict("failed", "E-NORESULT", ended.note or "a result file is missing")
    if ended.artifacts is Artifacts.NO_SPACE:
        return Verdict("failed", "E-DISK", ended.note or "the result could not be stored: the disk is full")
    if ended.artifacts is Artifacts.NOT_STORED:
        return Verdict("interrupted", "E-FOLDER", ended.note or "the result could not be stored")
    return Verdict("succeeded", None, "")


def _failed(ended: Ended) -> bool:
    return ended.signal is not None or ended.exit_code != 0


def _how(ended: Ended) -> str:
    if ended.signal is not None:
        how = f"killed by signal {ended.signal}"
    elif ended.exit_code is None:
        how = "could not be started"
    else:
        how = f"exit status {ended.exit_code}"
    return f"{how}: {ended.note}" if ended.note else how
