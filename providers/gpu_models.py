"""Which kinds of model compute on a GPU: on the machines of all others it would idle and be paid for (R6.1)."""

from __future__ import annotations

from typing import Final

GPU_MODELS: Final = frozenset({"neural_network"})
"""As the training's own list of families says it; a test holds the two together, for a provider knows no program."""
