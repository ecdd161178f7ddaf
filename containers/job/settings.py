"""What the daemon tells the wrapper: environment variables, read once and checked before anything else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

EXIT_CONFIG = 78
"""Exit status for an environment the wrapper cannot work from (sysexits.h, EX_CONFIG)."""

LOG_BYTES_MAX = 64 << 20
"""Bytes of log files of one attempt, unless ``LASTCALL_LOG_BYTES_MAX`` says otherwise."""

PROVIDERS = ("local", "runpod", "aws")

MACHINE_ID = {"runpod": "RUNPOD_POD_ID", "aws": "LASTCALL_INSTANCE_ID"}
"""Where each platform's machines know their own id from."""

PROGRESS_INTERVAL_S = {"local": 1.0, "runpod": 1.0, "aws": 5.0}
"""How often changed progress is carried, in seconds: S3 takes money for each, and is looked at every 5 s."""

MACHINE_FOLDER = ".lastcall-machine"
"""Below the home of a rented machine: its own disk, where nobody chose another place."""

INSTALLER_NAMES = (
    "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CERT", "PIP_TRUSTED_HOST", "PIP_PROXY",
    "SSL_CERT_FILE", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy",
)  # fmt: skip
"""Where packages come from, as the machine was told: for the preparing step alone."""


class SettingsError(Exception):
    """The environment lacks something or holds nonsense: the wrapper runs nothing."""


@dataclass(frozen=True)
class Settings:
    """The environment contract; times in seconds, deadlines in seconds since 1970."""

    machine: str
    provider: str
    folder: Path
    storage_root: Path
    machine_dir: Path
    attempt: int
    soft_deadline: float
    hard_deadline: float
    max_runtime_s: float
    term_lead_s: float
    kill_lead_s: float
    control_interval_s: float
    heartbeat_interval_s: float
    log_flush_s: float
    nonce_interval_s: float
    nonce_settle_s: float
    checkpoint_interval_s: float
    progress_interval_s: float
    notice_interval_s: float
    folder_wait_s: float
    stop_grace_s: float
    memory_limit_bytes: int
    log_bytes_max: int
    lock_fd: int | None
    path: str
    machine_id: str | None = None
    """The provider's own id of the machine, where the machine is told."""
    bundle: str = ""
    """Storage key of the job bundle's folder, where the machine must fetch it."""
    installer: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables of ``INSTALLER_NAMES``; an address may hold a password."""

    @property
    def scratch(self) -> Path:
        """The machine's own working directory, removed when the machine ends."""
        return self.machine_dir / "scratch"


def read(environ: Mapping[str, str]) -> Settings:
    """Read the settings; raises ``SettingsError`` naming the variable."""
    provider = environ.get("LASTCALL_PROVIDER", "local")
    if provider not in PROVIDERS:
        raise SettingsError(f"LASTCALL_PROVIDER={provider[:40]!r} is not one of {', '.join(PROVIDERS)}")
    folder = _directory(environ, "LASTCALL_JOB_FOLDER")
    soft = _number(environ, "LASTCALL_SOFT_DEADLINE", None)
    hard = _number(environ, "LASTCALL_HARD_DEADLINE", None)
    return Settings(
        machine=_text(environ, "LASTCALL_MACHINE"),
        provider=provider,
        folder=folder,
        storage_root=_directory(environ, "LASTCALL_STORAGE_ROOT", folder),
        machine_dir=_directory(environ, "LASTCALL_MACHINE_DIR", _own_disk(environ) if provider == "runpod" else None),
        attempt=_whole(environ, "LASTCALL_ATTEMPT", 1),
        soft_deadline=min(soft, hard),
        hard_deadline=hard,
        max_runtime_s=_number(environ, "LASTCALL_MAX_RUNTIME_S", 7200.0),
        term_lead_s=_number(environ, "LASTCALL_TERM_LEAD_S", 60.0),
        kill_lead_s=_number(environ, "LASTCALL_KILL_LEAD_S", 15.0),
        control_interval_s=_interval(environ, "LASTCALL_CONTROL_INTERVAL_S", 15.0),
        heartbeat_interval_s=_interval(environ, "LASTCALL_HEARTBEAT_INTERVAL_S", 15.0),
        log_flush_s=_interval(environ, "LASTCALL_LOG_FLUSH_S", 5.0),
        nonce_interval_s=_interval(environ, "LASTCALL_NONCE_INTERVAL_S", 15.0),
        nonce_settle_s=_number(environ, "LASTCALL_NONCE_SETTLE_S", 2.0),
        checkpoint_interval_s=_interval(environ, "LASTCALL_CHECKPOINT_INTERVAL_S", 15.0),
        progress_interval_s=_interval(environ, "LASTCALL_PROGRESS_INTERVAL_S", PROGRESS_INTERVAL_S[provider]),
        notice_interval_s=_interval(environ, "LASTCALL_NOTICE_INTERVAL_S", 5.0),
        folder_wait_s=_number(environ, "LASTCALL_FOLDER_WAIT_S", 120.0),
        stop_grace_s=_number(environ, "LASTCALL_STOP_GRACE_S", 10.0),
        memory_limit_bytes=_whole(environ, "LASTCALL_MEMORY_LIMIT_BYTES", 0),
        log_bytes_max=_whole(environ, "LASTCALL_LOG_BYTES_MAX", LOG_BYTES_MAX),
        lock_fd=_whole(environ, "LASTCALL_LOCK_FD", 0) if environ.get("LASTCALL_LOCK_FD") else None,
        path=environ.get("PATH") or "/usr/local/bin:/usr/bin:/bin",
        machine_id=environ.get(MACHINE_ID.get(provider, "")) or None,
        bundle=environ.get("LASTCALL_BUNDLE", "") if provider == "aws" else "",
        installer={name: environ[name] for name in INSTALLER_NAMES if environ.get(name)},
    )


def _own_disk(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME") or "/tmp") / MACHINE_FOLDER  # noqa: S108 - the container is ours alone


def _text(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "")
    if not value:
        raise SettingsError(f"{name} is missing")
    return value


def _directory(environ: Mapping[str, str], name: str, default: Path | None = None) -> Path:
    if default is not None and not environ.get(name):
        return default
    path = Path(_text(environ, name))
    if not path.is_absolute():
        raise SettingsError(f"{name} is not an absolute path")
    return path


def _number(environ: Mapping[str, str], name: str, default: float | None) -> float:
    text = environ.get(name, "")
    if not text and default is not None:
        return default
    try:
        value = float(text)
    except ValueError:
        raise SettingsError(f"{name} is missing or not a number") from None
    if not math.isfinite(value) or value < 0:
        raise SettingsError(f"{name} is not a number of seconds")
    return value


def _interval(environ: Mapping[str, str], name: str, default: float) -> float:
    return max(_number(environ, name, default), 0.05)


def _whole(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, "")
    if not text:
        return default
    if not text.isdecimal():
        raise SettingsError(f"{name} is not a whole number")
    return int(text)
