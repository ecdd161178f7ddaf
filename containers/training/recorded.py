"""A step of a fit on a graphics card, recorded once and played back for every batch of the same size.

Small steps are some fifty calls of a few microseconds' computing each; to launch them one by one from Python takes ten
times as long as they compute (CUDA graphs, "Accelerating PyTorch with CUDA Graphs").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

WARM_STEPS = 3
"""Steps made before one is recorded, as libraries set themselves up in the first (PyTorch, "CUDA semantics")."""


class Recorded:
    """A recorded step; called with the places of its rows, it plays it back."""

    def __init__(self, torch: Any, step: Callable[[Any], None], rows: int, kept: Callable[[], Iterable[Any]]) -> None:
        """Record ``step``, which is given the places of ``rows`` rows. Raises RuntimeError where the card cannot.

        ``kept`` gives what a step changes, on the card. It is as before afterwards; what only the first steps made is
        zero. It must be seeded anew then, if the step draws.
        """
        self._rows = torch.zeros(rows, dtype=torch.int64, device="cuda")
        self._graph = torch.cuda.CUDAGraph()
        before = [(one, one.detach().clone()) for one in kept()]
        try:
            beside = torch.cuda.Stream()
            beside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(beside):
                for _ in range(WARM_STEPS):
                    step(self._rows)
            torch.cuda.current_stream().wait_stream(beside)
            with torch.cuda.graph(self._graph):
                step(self._rows)
        finally:
            known = {id(one) for one, _ in before}
            with torch.no_grad():
                for one in kept():
                    if id(one) not in known:
                        one.zero_()
                for one, value in before:
                    one.copy_(value)

    def __call__(self, rows: Any) -> None:
        """Make the step with the rows at these places."""
        self._rows.copy_(rows)
        self._graph.replay()
