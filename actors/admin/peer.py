"""Who is at the other end of a connection, as the kernel says it."""

from __future__ import annotations

import socket
import struct
from typing import Any, Protocol

from messages.errors import Refusal
from messages.ids import UserId
from messages.jobs import Requester

_UCRED = struct.Struct("iII")
"""``struct ucred``: pid, uid, gid (unix(7))."""


class HasOptions(Protocol):
    """A socket, as far as it is asked for its peer."""

    def getsockopt(self, *args: Any) -> Any:
        """Read one socket option."""
        ...


def peer_uid(connection: HasOptions | None) -> int | None:
    """Return the uid of the process that connected, or ``None`` where the kernel does not say.

    The kernel notes it when ``connect`` is called, so a uid that is reused later does not inherit a connection.
    """
    option = getattr(socket, "SO_PEERCRED", None)
    if connection is None or option is None:
        return None
    try:
        raw = connection.getsockopt(socket.SOL_SOCKET, option, _UCRED.size)
    except OSError:
        return None
    _, uid, _ = _UCRED.unpack(raw)
    return int(uid)


def user_of(uid: int) -> UserId:
    """Return the user id that belongs to a uid of this computer, the same for ever."""
    return UserId.derived("uid", str(uid))


def requester_of(uid: int | None, allowed: frozenset[int]) -> Requester:
    """Return who asks. Raises ``E-FORBIDDEN`` for a uid that is not allowed, or not known."""
    if uid is None:
        raise Refusal("E-FORBIDDEN", "the system does not say which user is connected")
    if uid not in allowed:
        raise Refusal("E-FORBIDDEN", f"uid {uid} may not use this Lastcall")
    return Requester(user_id=user_of(uid), via=f"uid:{uid}")
