"""How people name things: full id, unique prefix of an id, name, ``@last``. Pure.

What belongs to somebody else never gets this far: candidates are always the requester's own.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

from messages.errors import Refusal
from messages.ids import BASE32, ID_CHARS, Id

LAST: Final = "@last"
"""The newest one."""
REF_CHARS_MAX: Final = 200


class Named(Protocol):
    """Something with an id and a label."""

    @property
    def id(self) -> Id:
        """Generated id."""
        ...

    @property
    def name(self) -> str:
        """Label."""
        ...


T = TypeVar("T", bound=Named)


def choose(ref: str, candidates: Sequence[T], what: str) -> T:
    """Return what ``ref`` means among the requester's own ``candidates`` (newest first).

    A full id wins over a name, a name over a prefix. Raises Refusal ``E-NOTFOUND`` or ``E-AMBIGUOUS``.
    """
    found = [c for c in candidates if c.id == ref]
    if not found and ref == LAST:
        found = list(candidates[:1])
    found = found or [c for c in candidates if c.name == ref]
    found = found or [c for c in candidates if id_begins(ref, c.id)]
    if not found:
        raise not_found(what)
    if len(found) > 1:
        raise Refusal("E-AMBIGUOUS", f"{', '.join(c.id for c in found[:3])} answer to it")
    return found[0]


def id_begins(ref: str, full: str) -> bool:
    """Say whether ``ref`` is a beginning of the id ``full``, written with its prefix or without."""
    head, _, tail = full.partition("_")
    typed = ref.removeprefix(f"{head}_")
    return bool(typed) and tail.startswith(typed)


def prefix_of_id(ref: str, kind: type[Id]) -> str | None:
    """Return the beginning of an id of ``kind`` that ``ref`` can mean, or ``None`` when it can mean none."""
    typed = ref.removeprefix(f"{kind.prefix}_")
    if not 0 < len(typed) <= ID_CHARS or any(char not in BASE32 for char in typed):
        return None
    return f"{kind.prefix}_{typed}"


def not_found(what: str) -> Refusal:
    """Return the one answer for what does not exist and for what belongs to somebody else."""
    return Refusal("E-NOTFOUND", f"no such {what}")


def checked_label(name: str) -> str:
    """Return a label as it is kept: NFC, without surrounding blanks. Raises Refusal ``E-BADREQUEST``.

    Labels never enter keys; what could fool a terminal or a reader (control, direction, private use) is refused.
    """
    label = unicodedata.normalize("NFC", name).strip()
    if not label or len(label) > REF_CHARS_MAX:
        raise Refusal("E-BADREQUEST", f"a name has 1 to {REF_CHARS_MAX} characters")
    if any(unicodedata.category(char)[0] == "C" for char in label):
        raise Refusal("E-BADREQUEST", "a name has no control characters")
    if label.startswith("@"):
        raise Refusal("E-BADREQUEST", "a name does not begin with @")
    return label
