"""The network of ``neural_network``: fitted with PyTorch (``network_fit``), answering without it.

Columns come scaled, categories as one column each (``pipeline``). The weights are no part of ``model.skops``: they lie
beside it as ``model.safetensors`` and are put in again when the model is loaded.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from containers.training.parameters import sizes
from containers.training.tensors import Weights

BLOCK_ROWS = 8192
"""Rows answered at once: what lies between the layers stays small."""


class TabularNetwork(BaseEstimator):  # type: ignore[misc]  # the library brings no types
    """Layers of ReLU units; the last one gives a value, or a number for each class."""

    def __init__(
        self,
        classify: bool = False,
        hidden_layer_sizes: str = "128,64",
        epochs: int = 60,
        batch_size: int = 256,
        learning_rate: float = 1e-3,
        dropout: float = 0.1,
        weight_decay: float = 1e-4,
        seed: int = 42,
        n_jobs: int = 1,
    ) -> None:
        self.classify = classify
        self.hidden_layer_sizes = hidden_layer_sizes
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.seed = seed
        self.n_jobs = n_jobs

    def fit(self, prepared: Any, target: Any) -> TabularNetwork:
        """Fit without checkpoints. Raises ``Refused`` E-LIBRARY where PyTorch is not."""
        from containers.training.network_fit import fit_network

        return fit_network(self, prepared, target)

    def widths(self, columns: int) -> list[int]:
        """Return the number of values before, between and after the layers."""
        return [columns, *sizes(self.hidden_layer_sizes), len(self.classes_) if self.classify else 1]

    def take(self, weights: Weights) -> None:
        """Put in the weights of a fit. Raises ValueError where they are not of this network."""
        expected: dict[str, tuple[int, ...]] = {}
        for layer, (before, after) in enumerate(pairwise(self.widths(self.columns_))):
            expected |= {f"{layer}.weight": (after, before), f"{layer}.bias": (after,)}
        if {name: values.shape for name, values in weights.items()} != expected:
            raise ValueError("the weights are those of another network")
        self.weights_ = weights

    def predict(self, prepared: Any) -> Any:
        """Return values; for classes, the likeliest."""
        if self.classify:
            return self.classes_[np.argmax(self.predict_proba(prepared), axis=1)]
        return self.told(self._forward(prepared))

    def predict_proba(self, prepared: Any) -> Any:
        """Return one probability per class and row."""
        return self.told(self._forward(prepared))

    def told(self, last: Any) -> Any:
        """Return what the last layer's numbers mean: one probability per class and row, or a value per row."""
        if not self.classify:
            return last[:, 0] * self.scale_ + self.mean_
        found = np.exp(last - last.max(axis=1, keepdims=True))
        return found / found.sum(axis=1, keepdims=True)

    def _forward(self, prepared: Any) -> Any:
        layers = len(self.weights_) // 2
        parts = []
        for start in range(0, prepared.shape[0], BLOCK_ROWS):
            values = dense(prepared[start : start + BLOCK_ROWS]).astype(np.float64)
            for layer in range(layers):
                weight, bias = self.weights_[f"{layer}.weight"], self.weights_[f"{layer}.bias"]
                values = values @ weight.T.astype(np.float64) + bias
                if layer < layers - 1:
                    values = np.maximum(values, 0.0)
            parts.append(values)
        return np.concatenate(parts)

    def __getstate__(self) -> dict[str, Any]:
        """Return everything but the weights."""
        return {key: value for key, value in vars(self).items() if key != "weights_"}


def dense(block: Any) -> Any:
    """Return a block of rows as an array."""
    return np.asarray(block.todense() if hasattr(block, "todense") else block)
