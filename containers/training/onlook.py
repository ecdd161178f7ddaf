"""Rows that look on while a network learns: some it learns from, some held out, asked for the loss after its epochs.

Nothing is chosen by it, and the fit is not touched: weights are the same bits with and without.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from containers.training.frame import Frame, Integers
from containers.training.rounds import CURVE, ROWS_MAX, full, loss, loss_name, picked_rows
from containers.training.scoring import Truth

EACH_EPOCH_TO = 20
"""Epochs that are each looked at; later ones where they are a tenth further than the last."""
STEP = 1.1


class Onlook:
    """Two sides that are asked: rows learnt from, and held-out rows."""

    def __init__(self, frame: Frame, learnt: Integers, held_out: Integers) -> None:
        """``learnt`` and ``held_out`` are rows of the frame; at most ``ROWS_MAX`` of each are asked."""
        parts = [picked_rows(side, ROWS_MAX) for side in (learnt, held_out)]
        self._features = [frame.features.iloc[part] for part in parts]
        self._truths = [Truth(frame.target[part], len(frame.classes)) for part in parts]
        self._name, self._classes = loss_name(frame), len(frame.classes)
        self.rows: list[Any] = []

    def prepare(self, step: Any) -> None:
        """Bring the rows into the form in which the network is asked, once ``step`` is fitted."""
        self.rows = [step.transform(features) for features in self._features]

    def look(self, network: Any, epoch: int, last: bool, said: Callable[[Any], Any]) -> None:
        """Add the epoch with both losses to the network's ``CURVE``, where it is one to be looked at.

        ``said`` gives the answers to prepared rows: values, or probabilities of the network's classes.
        """
        curve = vars(network).get(CURVE, np.empty((0, 3)))
        before = curve[-1, 0] if len(curve) else 0
        if epoch == before or not (last or epoch <= EACH_EPOCH_TO or epoch >= STEP * before):
            return
        labels = network.classes_ if self._classes else ()
        losses = [
            loss(self._name, truth, full(said(rows), labels, truth))
            for truth, rows in zip(self._truths, self.rows, strict=True)
        ]
        vars(network)[CURVE] = np.vstack([curve, [epoch, *losses]]).astype(np.float32)  # as a checkpoint has them
