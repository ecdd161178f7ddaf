"""What becomes of each listed machine when somebody orders to reconcile. Pure: listings and jobs come in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from actors.fleet.orphans import Claim, Whose
from actors.journal.interface import Version
from actors.supervisor.state import Job
from messages.errors import Refusal
from messages.jobs import Binding
from messages.machines import Machine, MachineState
from messages.upkeep import MachineFate, ReconcileOrder
from providers.interface import Provider

ANOTHER = "(another user's)"
NAME_PREFIX = "lc1-"

_UNKNOWN = frozenset({Whose.SECOND_WRITER, Whose.OTHER_GENERATION})
_FOREIGN = "It is not this installation's, and is never touched."
_FORGED = "Its name looks like ours and fails its check: cut, or another installation's; it is never touched."
_OTHER = "It was rented under another generation of the journal, which does not know it any more."


class Account(NamedTuple):
    """One provider whose machines are looked after, and what a job taken over there is bound to."""

    provider: Provider
    binding: Binding


class Unknown(NamedTuple):
    """How many machines of this installation the journal does not know."""

    second_writers: int
    """Of its own generation: the reason for safe mode."""
    strangers: int
    """Of other generations."""


@dataclass(slots=True)
class Judged:
    """One listed machine, and what becomes of it."""

    account: Account
    machine: Machine
    verdict: Claim
    job: Job | None
    version: Version
    """Of its job's stream, as it was judged."""
    hidden: bool
    """Another user's: nothing is said of it."""
    does: MachineFate = "nothing"
    done: bool = False
    detail: str = ""

    @property
    def unknown(self) -> bool:
        """It is of this installation, and the journal holds no intent for it."""
        return self.verdict.whose in _UNKNOWN


def check_names(order: ReconcileOrder, judged: Sequence[Judged]) -> None:
    """Refuse an order that names what is not there, not ours, or an open job's, before anything is done."""
    by_name: dict[str, list[Judged]] = {}
    for one in judged:
        if not one.hidden:
            by_name.setdefault(one.machine.name, []).append(one)
    for name in order.names:
        found = by_name.get(name)
        if found is None:
            raise Refusal("E-NOTFOUND", f"No machine is called {name[:60]!r}; nothing was done.")
        if any(one.verdict.whose is Whose.FOREIGN for one in found):
            raise Refusal("E-FORBIDDEN", f"{name[:60]!r} is not this installation's machine; nothing was done.")
        if order.reap and any(one.verdict.whose is Whose.OURS for one in found):
            raise Refusal("E-INUSE", f"An open job owns {name}: lastcall stop JOB ends it; nothing was done.")


def fate(one: Judged, order: ReconcileOrder, *, acts: bool) -> MachineFate:
    """Return what an order does with a machine; in a dry run, what it would do with everything allowed."""
    if one.hidden or one.machine.state is MachineState.GONE:
        return "nothing"
    named = one.machine.name in order.names
    if one.verdict.whose is Whose.ORPHAN:
        return "reap" if order.reap or not acts else "nothing"
    if not one.unknown:
        return "nothing"
    if order.reap and (named or order.all_ours):
        return "reap"
    if not acts:
        return "adopt"
    return "adopt" if order.adopt and (named or order.reap or not order.names) else "nothing"


def choice(one: Judged) -> str:
    """Say what a person may choose, in a dry run."""
    if one.does == "adopt":
        return f"Take it over: --adopt; or end it: --reap {one.machine.name}"
    return "Lastcall ends it by itself; --reap waits for the proof." if one.does == "reap" else ""


def reason(one: Judged) -> str:
    """Say why a machine is judged so."""
    match one.verdict.whose:
        case Whose.FOREIGN:
            return _FORGED if one.machine.name.startswith(NAME_PREFIX) else _FOREIGN
        case Whose.OTHER_GENERATION:
            return _OTHER
        case Whose.OURS:
            return one.verdict.reason or "An open job owns it."
        case _:
            return one.verdict.reason


def count(judged: Sequence[Judged]) -> Unknown:
    """Return how many living machines the journal does not know."""
    alive = [one.verdict.whose for one in judged if one.machine.state is not MachineState.GONE]
    return Unknown(alive.count(Whose.SECOND_WRITER), alive.count(Whose.OTHER_GENERATION))
