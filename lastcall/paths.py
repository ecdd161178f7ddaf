"""Where the state directory and the daemon's socket are. Standard library only: the command line begins here.

The precedence is that of the whole configuration: flag, environment, ``LASTCALL_CONFIG``, ``./config.toml``, the
user's file, default.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lastcall.config.files import absolute, config_files, read_toml, user_folder
from lastcall.config.problems import ConfigError
from messages.errors import Refusal

SOCKET_PATH_BYTES_MAX = 107
"""``sun_path`` holds 108 bytes with its closing zero (unix(7))."""

UNIX_SCHEME = "unix://"


class Places(NamedTuple):
    """Where things are on this computer."""

    state_dir: Path
    """Everything the daemon keeps: journal, storage, machines, socket."""
    socket: Path
    """The daemon's Unix socket."""
    host: str
    """The socket as ``unix:///path``."""
    host_chosen: bool
    """Whether somebody chose the socket, so that its directory is not the daemon's own."""


def default_state_dir(environ: Mapping[str, str]) -> Path:
    """Return ``~/.local/state/lastcall``, or what the XDG variable makes of it."""
    return user_folder(environ, "XDG_STATE_HOME", ".local/state") / "lastcall"


def default_socket(state_dir: Path) -> Path:
    """Return the socket inside a state directory."""
    return state_dir / "run" / "admin.sock"


def socket_of(host: str, source: str) -> Path:
    """Return the socket that ``unix:///path`` names. Raises ConfigError, or Refusal ``E-SOCKETPATH`` when too long."""
    path = host.removeprefix(UNIX_SCHEME)
    if not host.startswith(UNIX_SCHEME) or not path.startswith("/"):
        raise ConfigError([f"{source}: host must look like unix:///path/to/admin.sock, not {host[:80]!r}"])
    return checked_socket(Path(path))


def checked_socket(path: Path) -> Path:
    """Return ``path``; raises Refusal ``E-SOCKETPATH`` when the system could not bind or reach it."""
    size = len(os.fsencode(path))
    if size > SOCKET_PATH_BYTES_MAX:
        raise Refusal("E-SOCKETPATH", f"{path} has {size} bytes; at most {SOCKET_PATH_BYTES_MAX} are possible")
    return path


def find(
    environ: Mapping[str, str],
    working_directory: Path,
    *,
    state_dir: str | None = None,
    host: str | None = None,
    config: str | None = None,
) -> Places:
    """Return the places for this call; the keyword arguments are flags. Raises ConfigError, Refusal ``E-SOCKETPATH``.

    Files are read only as far as these two settings go, and only while one of them is still open: what else is wrong
    in them is the daemon's to say.
    """
    flags = {"state_dir": state_dir, "host": host, "config": config}
    chosen_state, state_base, state_source = _first("state_dir", flags, environ, working_directory)
    chosen_host, _, host_source = _first("host", flags, environ, working_directory)
    state = default_state_dir(environ)
    if chosen_state is not None:
        state = absolute(_text(chosen_state, "state_dir", state_source), state_base, environ)
    if chosen_host is not None:
        path = socket_of(_text(chosen_host, "host", host_source), host_source)
    else:
        path = checked_socket(default_socket(state))
    return Places(state, path, f"{UNIX_SCHEME}{path}", chosen_host is not None)


def _first(
    key: str, flags: Mapping[str, str | None], environ: Mapping[str, str], working_directory: Path
) -> tuple[Any, Path, str]:
    """Return the value that wins, the directory it is relative to, and where it was found."""
    variable = f"LASTCALL_{key.upper()}"
    if flags[key]:
        return flags[key], working_directory, f"--{key.replace('_', '-')}"
    if environ.get(variable):
        return environ[variable], working_directory, variable
    for path in config_files(environ, working_directory, flags["config"]):
        value = read_toml(path).get(key)
        if value is not None:
            return value, path.parent, str(path)
    return None, working_directory, "default"


def _text(value: Any, key: str, source: str) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ConfigError([f"{source}: {key} must be a text in quotes"])
    return value
