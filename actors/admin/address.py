"""The socket file: bound only under the state lock, private, and removed only while it is still ours (fault 73)."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from actors.admin.limits import SOCKET_PATH_BYTES_MAX
from messages.errors import Refusal

_SOCKET_MASK = 0o177
"""umask under which the file is made: 0600."""
_DIRECTORY_MODE = 0o700
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
_PROBE_S = 0.5


class Bound(NamedTuple):
    """A listening socket and the file it is known by."""

    listener: socket.socket
    path: Path
    identity: tuple[int, int]
    """Device and inode of the file as it was made."""


def bind(path: Path, *, lock_held: bool, backlog: int, private_directory: bool = True) -> Bound:
    """Return a listening socket at ``path``, mode 0600.

    ``private_directory`` makes the directory 0700; without it an existing directory is left as it is, and refused
    when others could write in it. Raises Refusal: ``E-LOCKED`` without the state lock or when somebody answers at
    ``path``, ``E-SOCKETPATH`` for a path that is too long, ``E-CONFIG`` for what is not safe to use.
    """
    if not lock_held:
        raise Refusal("E-LOCKED", "the state directory is not locked by this process")
    size = len(os.fsencode(path))
    if size > SOCKET_PATH_BYTES_MAX:
        raise Refusal("E-SOCKETPATH", f"{path} has {size} bytes; at most {SOCKET_PATH_BYTES_MAX} are possible")
    _prepare_directory(path.parent, private=private_directory)
    _clear(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        before = os.umask(_SOCKET_MASK)
        try:
            listener.bind(os.fspath(path))
        finally:
            os.umask(before)
        listener.listen(backlog)
        listener.setblocking(False)
        made = path.lstat()
    except BaseException:
        listener.close()
        raise
    return Bound(listener, path, (made.st_dev, made.st_ino))


def unbind(bound: Bound) -> bool:
    """Stop listening and remove the file, if it is still the one that was made. Returns whether it was."""
    bound.listener.close()
    try:
        now = bound.path.lstat()
    except OSError:
        return False
    if not stat.S_ISSOCK(now.st_mode) or (now.st_dev, now.st_ino) != bound.identity:
        return False
    with suppress(FileNotFoundError):
        bound.path.unlink()
    return True


def still_ours(bound: Bound) -> bool:
    """Return whether the path still leads to the socket that was made here."""
    try:
        now = bound.path.lstat()
    except OSError:
        return False
    return (now.st_dev, now.st_ino) == bound.identity


def _prepare_directory(directory: Path, *, private: bool) -> None:
    try:
        directory.mkdir(mode=_DIRECTORY_MODE, parents=True)
    except FileExistsError:
        pass
    except OSError as error:
        raise Refusal("E-CONFIG", f"{directory} cannot be made: {error.strerror}") from error
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise Refusal("E-CONFIG", f"{directory} is not a directory, so the socket is not put there")
    if found.st_uid not in (os.geteuid(), 0):
        raise Refusal("E-CONFIG", f"{directory} belongs to uid {found.st_uid}, so the socket is not put there")
    if private and found.st_uid == os.geteuid():
        directory.chmod(_DIRECTORY_MODE)
    elif found.st_mode & _OTHERS_MAY_WRITE:
        raise Refusal("E-CONFIG", f"others can write in {directory}, so the socket is not put there")


def _clear(path: Path) -> None:
    """Remove a socket that a dead process of ours left; refuse anything else that is in the way."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISLNK(found.st_mode):
        raise Refusal("E-CONFIG", f"{path} is a symbolic link; remove it")
    if not stat.S_ISSOCK(found.st_mode):
        raise Refusal("E-CONFIG", f"{path} is not a socket; remove it")
    if _somebody_answers(path):
        raise Refusal("E-LOCKED", f"another program answers at {path}")
    if found.st_uid != os.geteuid():
        raise Refusal("E-CONFIG", f"{path} is a socket of uid {found.st_uid}; remove it")
    path.unlink(missing_ok=True)


def _somebody_answers(path: Path) -> bool:
    """Only a refused connection proves a socket stale; a full queue or any other answer means somebody is there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_S)
        try:
            probe.connect(os.fspath(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
    return True
