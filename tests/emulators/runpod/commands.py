"""The command of a container in its three forms: shell-like text, JSON text, arrays (fact sheet 1.1)."""

from __future__ import annotations

import json
import shlex

from tests.emulators.runpod.problems import Problem


def split(args: str) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """Return entry point (``None``: the image's) and command of the raw text form. Raises Problem 400."""
    if args.lstrip().startswith("{"):
        try:
            found = json.loads(args)
        except ValueError:
            found = None
        if isinstance(found, dict) and set(found) <= {"entrypoint", "cmd"}:
            entry = found.get("entrypoint")
            return (tuple(map(str, entry)) if entry else None), tuple(map(str, found.get("cmd") or ()))
    try:
        return None, tuple(shlex.split(args))
    except ValueError as error:
        raise Problem(400, "request could not be processed") from error


def agree(args: str | None, cmd: list[str] | None, entrypoint: list[str] | None) -> None:
    """Raise Problem 400 if both forms are there and say different things."""
    if not args or (cmd is None and entrypoint is None):
        return
    if split(args) != (tuple(entrypoint) if entrypoint else None, tuple(cmd or ())):
        raise Problem(400, "args and cmd/entrypoint must agree")


def text(cmd: tuple[str, ...] | None, entrypoint: tuple[str, ...] | None) -> str:
    """Return the raw text form of arrays."""
    if cmd is None and entrypoint is None:
        return ""
    whole = {"entrypoint": list(entrypoint or ()), "cmd": list(cmd or ())}
    return json.dumps({key: value for key, value in whole.items() if value})
