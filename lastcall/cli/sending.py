"""Files the command line sends: looked at before anybody is asked and before anything leaves."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import click

from lastcall.cli.failures import Failure
from lastcall.cli.text import quoted

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)


def is_file(text: str) -> bool:
    """Tell whether ``text`` names a file that can be sent; one that may not be read is refused (E-FILE)."""
    found = _status(text)
    if found is None or not stat.S_ISREG(found.st_mode):
        return False
    try:
        with Path(text).open("rb"):
            return True
    except OSError as error:
        raise _unreadable(text, error) from None


def check_file(text: str) -> Path:
    """Return the path of a file that can be sent; raises Failure E-NOTFOUND or E-FILE, which say why it cannot."""
    if is_file(text):
        return Path(text)
    refuse_other(text)
    raise Failure("E-NOTFOUND", f"There is no file {quoted(text)} here", todo="Check the path")


def refuse_other(text: str) -> None:
    """Refuse what is there under this name and is no file (E-FILE); a pipe would be waited for without end."""
    found = _status(text)
    if found is None:
        if _is_link(text):
            raise Failure(
                "E-FILE", f"{quoted(text)} is a link to a file that is not there", todo="Name the file itself"
            )
    elif stat.S_ISDIR(found.st_mode):
        raise Failure("E-FILE", f"{quoted(text)} is a folder", todo="Name the file in it that you mean")
    elif not stat.S_ISREG(found.st_mode):
        raise Failure("E-FILE", f"{quoted(text)} is a pipe or a device", todo="Save what comes from it as a file first")


def _status(text: str) -> os.stat_result | None:
    """Return what is under this name, links followed; ``None`` where nothing is. Raises E-FILE where that is hidden."""
    try:
        return os.stat(text)  # noqa: PTH116  # an empty text names nothing, of which Path makes the folder it is in
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise _unreadable(text, error) from None


def _is_link(text: str) -> bool:
    try:
        return Path(text).is_symlink()
    except OSError:
        return False


class SentFile(click.ParamType[Path]):
    """An argument that names a file to be sent."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:  # noqa: ARG002
        """Return its path."""
        return value if isinstance(value, Path) else check_file(str(value))


def changed(file: Path) -> Failure:
    """Return what is said of a file that was written to while it was sent: what arrived is no state it ever had."""
    return Failure(
        "E-FILE",
        f"{quoted(file.name)} changed while it was sent, and nothing of it was kept",
        todo="Send it again once nobody writes to it, or send a copy",
    )


def cut(file: Path, error: OSError) -> Failure:
    """Return what is said of a file that could not be read to its end."""
    return Failure("E-FILE", f"{quoted(file.name)} could not be read to its end ({error.strerror})", todo="Send a copy")


def _unreadable(text: str, error: OSError) -> Failure:
    if isinstance(error, PermissionError):
        todo = f"Get the right to read it (ls -l {quoted(text)}), or send a copy that is yours"
        return Failure("E-FILE", f"You have no right to read {quoted(text)}", todo=todo)
    return Failure("E-FILE", f"{quoted(text)} cannot be read ({error.strerror})", todo="Check the disk, or send a copy")
