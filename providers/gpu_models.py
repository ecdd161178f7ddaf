"""Which kinds of model are worth a GPU: elsewhere it would idle, or bring little for its price (R6.1).

XGBoost computes on one where it is there, in the GPU image; tables of ordinary size take seconds without.
"""

from __future__ import annotations

from typing import Final

GPU_MODELS: Final = frozenset({"neural_network"})
"""As the training's own list of families says it; a test holds the two together, for a provider knows no program."""
