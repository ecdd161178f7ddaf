"""Held-out rows that stand among the training rows as well: whatever knows them by heart is right on them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from containers.training.frame import Frame
from containers.training.splits import Split

CELLS_MAX = 20_000_000
"""Cells compared; larger data is not counted."""


def shared_rows(frame: Frame, split: Split) -> int | None:
    """Return how many held-out rows are equal to a training row, target included; ``None`` where not counted."""
    if frame.features.size > CELLS_MAX:
        return None
    marks = pd.util.hash_pandas_object(frame.features, index=False).to_numpy()
    marks = marks ^ pd.util.hash_array(np.asarray(frame.target))
    return int(np.isin(marks[split.test], marks[split.train]).sum())
