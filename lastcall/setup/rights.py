"""What an API key may do, asked without changing anything.

Rights to read are tried by reading. A right to change is tried by a request that cannot be carried out: a body without
its required fields, or the end of a pod that cannot exist. RunPod answers 403 to a key without the right, and 422 or
404 to one that has it (fact sheet 0).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from providers.interface import Refused, Unavailable
from providers.runpod.client import Call, Client, path_of
from providers.runpod.problems import error_of

NO_SUCH_POD: Final = "lastcall-setup-no-such-pod"
"""Longer than any pod's id and with signs that none has (fact sheet 1.1)."""
UNAUTHORISED: Final = 401
FORBIDDEN: Final = 403
MEANT: Final = frozenset({400, 402, 404, 409, 413, 422})
"""The request was looked at and found wrong: the key may do it."""


class Right(NamedTuple):
    """One thing the key must, or should, be able to do."""

    name: str
    call: Call
    changes: bool
    """Whether the call would change something if it could be carried out."""
    needed: bool
    without: str
    """What does not work without it."""


RIGHTS: Final = (
    Right(
        "list pods", Call("GET", "/pods", query={"limit": "1"}), False, True, "no machine can be seen or proven gone"
    ),
    Right("read prices", Call("GET", "/catalog/cpus"), False, True, "no plan can be priced"),
    Right("read volumes", Call("GET", "/network-volumes"), False, True, "the account cannot be told from another one"),
    Right("rent pods", Call("POST", "/pods", body={}), True, True, "no training can be started"),
    Right("end pods", Call("DELETE", path_of("pods", NO_SUCH_POD)), True, True, "no machine can be ended"),
    Right(
        "read the bill",
        Call("GET", "/billing/pods", query={"bucketSize": "day", "lastN": "1"}),
        False,
        False,
        "costs are counted, but not compared with RunPod's bill",
    ),
)


class KeyInvalid(Refused):
    """RunPod does not know the key at all."""


class Finding(NamedTuple):
    """Whether the key has one right."""

    right: Right
    has: bool | None
    """``None``: not tried, because it could change something."""


async def find_rights(client: Client, *, trying_writes: bool) -> list[Finding]:
    """Return every right, asked one by one; those to change something, which changes nothing, when ``trying_writes``.

    Raises KeyInvalid, and Unavailable while nothing can be said.
    """
    asked = [right for right in RIGHTS if trying_writes or not right.changes]
    return [Finding(right, await _has(client, right) if right in asked else None) for right in RIGHTS]


async def _has(client: Client, right: Right) -> bool:
    what = f"whether the key may {right.name}"
    reply = await client.answer(right.call, what)
    if reply.status == UNAUTHORISED:
        raise KeyInvalid("RunPod does not know this API key")
    if reply.status == FORBIDDEN and reply.problem.clean:
        return False
    if 200 <= reply.status < 300 or (reply.problem.clean and reply.status in MEANT):
        return True
    error = error_of(reply.problem, reply.headers, what)
    raise error if isinstance(error, Unavailable) else Unavailable(str(error))
