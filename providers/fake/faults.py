"""One-shot faults: the next call of a kind fails before its effect, or after it: it happened, the answer was lost."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

from providers.interface import Ambiguous, ProviderError, Unavailable

Call = Literal[
    "fingerprint",
    "offers",
    "launch",
    "list_machines",
    "describe",
    "terminate",
    "logs",
    "billed",
    "put",
    "get",
    "stat",
    "list",
    "copy",
    "delete",
    "ensure_endpoint",
    "invoke",
    "submit",
    "status",
    "cancel",
    "scale",
    "delete_endpoint",
]
"""Calls that can fail; ``prove_gone`` never does, it rests on listings."""


class _Fault(NamedTuple):
    error: ProviderError
    after_effect: bool


class Faults:
    """What is to fail, call by call, each once."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[_Fault]] = defaultdict(deque)

    def fail_next(
        self, call: Call, error: ProviderError | None = None, *, after_effect: bool = False, times: int = 1
    ) -> None:
        """Let the next ``times`` calls fail with ``error``; Ambiguous for a launch and Unavailable else by default."""
        default = Ambiguous if call == "launch" else Unavailable
        fault = _Fault(error or default(f"{call}: no answer"), after_effect)
        self._waiting[call].extend([fault] * times)

    @contextmanager
    def around(self, call: Call) -> Iterator[None]:
        """Run one call's effect, with the fault ordered for it, if any."""
        waiting = self._waiting[call]
        fault = waiting.popleft() if waiting else None
        if fault is not None and not fault.after_effect:
            raise fault.error
        yield
        if fault is not None:
            raise fault.error
