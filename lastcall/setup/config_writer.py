"""Changes single settings in a configuration file; every other line and all comments stay as they are.

The text is edited line by line, and the result is read back: where it does not say exactly what was meant (a file
written in a way this does not know), nothing is changed.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lastcall.config.problems import ConfigError

MODE = 0o600
"""The file may hold keys."""
_HEADER = re.compile(r"\s*\[\s*(?P<name>[A-Za-z0-9_.\-]+)\s*\]\s*(#.*)?$")
_VALUE = re.compile(r"""(?P<value>"(?:[^"\\]|\\.)*"|'[^']*'|[^#\s][^#]*?)(?P<rest>\s*(?:#.*)?)$""")

Changes = Mapping[str, str | None]
"""Dotted key → text, or ``None`` to take it out."""


def apply_to(path: Path, changes: Changes) -> bool:
    """Write ``changes`` into the file and return whether anything changed; the file is replaced whole, mode 0600.

    Raises ConfigError when the file cannot be understood or written.
    """
    target = path.resolve()
    try:
        text = target.read_bytes().decode() if target.exists() else ""
        edited = changed(text, changes)
        if edited == text and (not text or not target.stat().st_mode & 0o077):
            return False
        _replace(target, edited)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: not valid TOML: {error}"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be written: {error.strerror or error}"]) from None
    except ValueError:
        said = ", ".join(sorted(changes))
        raise ConfigError([f"{path}: is written in a way that cannot be edited here; set {said} by hand"]) from None
    return True


def changed(text: str, changes: Changes) -> str:
    """Return ``text`` with the changes in it. Raises TOMLDecodeError, ValueError where it cannot be done by lines."""
    before = tomllib.loads(text)
    lines = text.splitlines(keepends=True)
    wanted = _plain(before)
    for key, value in changes.items():
        section, _, name = key.rpartition(".")
        if _lookup(before, section, name) == value:
            continue
        lines = _without(lines, section, name) if value is None else _with(lines, section, name, value)
        table = wanted.setdefault(section, {}) if section else wanted
        table.pop(name, None)
        if value is not None:
            table[name] = value
    edited = "".join(lines)
    try:
        says = _plain(tomllib.loads(edited))
    except tomllib.TOMLDecodeError:
        says = None
    if says != wanted:
        raise ValueError("the edited text does not say what was meant")
    return edited


def _plain(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy that can be compared, dates as texts."""
    copy: dict[str, Any] = json.loads(json.dumps(document, default=str))
    return copy


def _lookup(document: Mapping[str, Any], section: str, name: str) -> Any:
    table = document.get(section, {}) if section else document
    return table.get(name) if isinstance(table, dict) else None


def _span(lines: list[str], section: str) -> tuple[int, int] | None:
    """Return where a section's lines begin and end; the lines above all sections are section ``""``."""
    heads = [(n, found["name"]) for n, line in enumerate(lines) if (found := _HEADER.match(line.rstrip("\r\n")))]
    bounds = [(-1, ""), *heads]
    for place, (number, name) in enumerate(bounds):
        if name == section:
            end = bounds[place + 1][0] if place + 1 < len(bounds) else len(lines)
            return number + 1, end
    return None


def _find(lines: list[str], section: str, name: str, *, sample: bool = False) -> int | None:
    span = _span(lines, section)
    if span is None:
        return None
    pattern = re.compile(rf"\s*{'#' if sample else ''}\s*{re.escape(name)}\s*=")
    return next((n for n in range(*span) if pattern.match(lines[n])), None)


def _without(lines: list[str], section: str, name: str) -> list[str]:
    place = _find(lines, section, name)
    return lines if place is None else [*lines[:place], *lines[place + 1 :]]


def _with(lines: list[str], section: str, name: str, value: str) -> list[str]:
    written = f"{name} = {json.dumps(value, ensure_ascii=False)}"
    place = _find(lines, section, name)
    if place is not None:
        left, _, right = lines[place].rstrip("\r\n").partition("=")
        found = _VALUE.match(right.strip())
        rest = found["rest"] if found else ""
        indent = left[: len(left) - len(left.lstrip())]
        return [*lines[:place], f"{indent}{written}{rest}\n", *lines[place + 1 :]]
    lines = [*lines[:-1], lines[-1] if lines[-1].endswith("\n") else lines[-1] + "\n"] if lines else []
    span = _span(lines, section)
    if span is None:
        return [*lines, *(["\n"] if lines else []), f"[{section}]\n", f"{written}\n"]
    sample = _find(lines, section, name, sample=True)
    place = sample + 1 if sample is not None else _end_of(lines, *span) if section else 0
    return [*lines[:place], f"{written}\n", *lines[place:]]


def _end_of(lines: list[str], first: int, end: int) -> int:
    """Return the place behind the last setting of a section: what follows may be about the next section."""
    last = first
    for number in range(first, end):
        if lines[number].strip() and not lines[number].lstrip().startswith("#"):
            last = number + 1
    return last


def _replace(target: Path, text: str) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
