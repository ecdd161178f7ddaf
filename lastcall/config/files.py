"""Which configuration files there are, and how one is read. Standard library only: the command line uses it too."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lastcall.config.problems import ConfigError

CONFIG_BYTES_MAX = 1 << 20
"""A larger file is not a configuration."""

CONFIG_VARIABLE = "LASTCALL_CONFIG"


def user_folder(environ: Mapping[str, str], variable: str, default: str) -> Path:
    """Return a base directory of the XDG specification; a relative value is to be ignored, says the specification."""
    value = environ.get(variable, "")
    if value.startswith("/"):
        return Path(value)
    home = environ.get("HOME", "")
    return Path(home if home.startswith("/") else Path.home()) / default


def absolute(text: str, base: Path, environ: Mapping[str, str]) -> Path:
    """Return a path as somebody wrote it, absolute: ``~`` is the home directory, the rest is seen from ``base``."""
    if text == "~" or text.startswith("~/"):
        return user_folder(environ, "HOME", "") / text[2:]
    return base / text


def config_files(environ: Mapping[str, str], working_directory: Path, chosen: str | None = None) -> list[Path]:
    """Return the files to read, the one that wins first.

    ``chosen`` (a flag) or ``LASTCALL_CONFIG`` names a file that must exist; ``./config.toml`` and the user's file are
    read where they are. Raises ConfigError.
    """
    files = []
    named = chosen or environ.get(CONFIG_VARIABLE, "")
    if named:
        path = absolute(named, working_directory, environ)
        if not path.exists():
            source = "--config" if chosen else CONFIG_VARIABLE
            raise ConfigError([f"{source}: there is no file {path}"])
        files.append(path)
    files += [working_directory / "config.toml", user_file(environ)]
    return list(dict.fromkeys(path for path in files if path.is_file() or (named and path == files[0])))


def user_file(environ: Mapping[str, str]) -> Path:
    """Return the place of the user's own file."""
    return user_folder(environ, "XDG_CONFIG_HOME", ".config") / "lastcall" / "config.toml"


def read_toml(path: Path) -> dict[str, Any]:
    """Return what a file says. Raises ConfigError with one line when it cannot be read."""
    try:
        if path.stat().st_size > CONFIG_BYTES_MAX:
            raise ConfigError([f"{path}: larger than {CONFIG_BYTES_MAX:,} bytes, so not a configuration"])
        return tomllib.loads(path.read_bytes().decode("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path}: not valid TOML: {error}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: not valid TOML: the file is not UTF-8 text"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror or error}"]) from None
