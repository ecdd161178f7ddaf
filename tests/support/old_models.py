"""What the older product left, made again as it made it: pickles of joblib with metadata; and pickles of no model."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import joblib  # type: ignore[import-untyped]
import numpy as np
import pandas as pd
from sklearn.preprocessing import StandardScaler

FEATURES = ("tenure", "calls", "spend")
ROWS = 60


class Old(NamedTuple):
    """A model of the older product, with what it was fitted on."""

    model: Any
    scaler: Any
    frame: pd.DataFrame
    metadata: dict[str, Any]

    def files(self) -> dict[str, bytes]:
        """Return its three files."""
        return {
            "model.pkl": dumped(self.model),
            "preprocessor.pkl": dumped(self.scaler),
            "metadata.json": json.dumps(self.metadata).encode(),
        }


def frame() -> pd.DataFrame:
    """Return rows of numbers of different size."""
    drawn = np.random.RandomState(7).normal(size=(ROWS, len(FEATURES)))
    return pd.DataFrame(drawn * [10.0, 3.0, 250.0] + [24.0, 5.0, 900.0], columns=list(FEATURES))


def labels(rows: pd.DataFrame) -> Any:
    """Return a target of two texts that the rows nearly decide."""
    return np.where(rows["tenure"] - rows["calls"] * 2 > 14, "no", "yes").astype(object)


def fitted(model: Any, target: Any = None, kind: str = "logistic", scaler: Any = None) -> Old:
    """Fit as the older training script did: a scaler on the frame, the model on the scaled array."""
    rows = frame()
    scaler = StandardScaler() if scaler is None else scaler
    scaled = scaler.fit_transform(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(scaled, labels(rows) if target is None else target)
    metadata = {
        "model_type": kind,
        "target_column": "churn",
        "feature_columns": list(FEATURES),
        "hyperparameters": {"seed": 1},
        "metrics": {"accuracy": 0.875},
        "training_samples": 48,
        "test_samples": 12,
    }
    return Old(model, scaler, rows, metadata)


def dumped(what: Any, compress: int = 0) -> bytes:
    """Return what joblib writes."""
    file = io.BytesIO()
    joblib.dump(what, file, compress=compress)
    return file.getvalue()


def package(path: Path, files: dict[str, bytes]) -> Path:
    """Write the archive that the command line sends."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def sha256(data: bytes) -> str:
    """Return a digest in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


# ------------------------------------------------------------------------------------------ no models


def reduced(module: str, name: str, *arguments: Any) -> bytes:
    """Return a pickle that calls something by its name, written by hand: nothing here is imported."""
    body = b"".join(pickle.dumps(argument, 2)[2:-1] for argument in arguments)
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + b"(" + body + b"tR."


def nested(module: str, name: str, argument: str) -> bytes:
    """Return a call hidden in the state of an object that ``copyreg._reconstructor`` makes."""
    inner = reduced(module, name, argument)[2:-1]
    start = b"\x80\x02ccopyreg\n_reconstructor\n(csklearn.preprocessing._data\nStandardScaler\ncbuiltins\nobject\nNtR"
    return start + b"}X\x05\x00\x00\x00mean_" + inner + b"sb."


def chained(text: str) -> bytes:
    """Return a call of what a call of ``getattr`` returned."""
    import_os = b"cbuiltins\n__import__\n(X\x02\x00\x00\x00ostR"
    named = b"cbuiltins\ngetattr\n(" + import_os + b"X\x06\x00\x00\x00systemtR"
    return b"\x80\x02" + named + b"(" + pickle.dumps(text, 2)[2:-1] + b"tR."


def dotted(text: str) -> bytes:
    """Return a call of a name with a dot: a module reached through another one."""
    where, what = b"sklearn.tree._tree", b"Tree.__init__.__globals__"
    named = b"\x8c" + bytes([len(where)]) + where + b"\x8c" + bytes([len(what)]) + what + b"\x93"
    return b"\x80\x04" + named + pickle.dumps((text,), 4)[2 + 9 : -1] + b"R."


def deep(depth: int = 200_000) -> bytes:
    """Return a tuple in a tuple in a tuple."""
    return b"\x80\x02)" + b"\x85" * depth + b"."


def dangerous(home: Path, port: int) -> dict[str, bytes]:
    """Return pickles that would do something if they were loaded, by what they would do."""
    mark = home / "mark"
    touch = f"touch {mark}"
    return {
        "runs a command": reduced("os", "system", touch),
        "runs a command by its other name": reduced("posix", "system", touch),
        "evaluates a text": reduced("builtins", "eval", f"open({str(mark)!r}, 'w')"),
        "hides a call in a state": nested("os", "system", touch),
        "calls what a call returned": chained(touch),
        "reaches through a name": dotted(touch),
        "starts a program": reduced("subprocess", "getoutput", touch),
        "opens a socket": reduced("socket", "create_connection", ("127.0.0.1", port)),
        "reads a key": reduced("builtins", "open", str(home / ".aws" / "credentials")),
        "writes a file": reduced("builtins", "open", str(mark), "w"),
        "makes a folder": reduced("os", "mkdir", str(mark)),
        "forks": reduced("os", "fork"),
        "ends its parent": reduced("os", "kill", 1, 0),
        "limits its parent": reduced("resource", "prlimit", os.getpid(), 4, (0, 0)),
        "has its parent signalled": reduced("fcntl", "fcntl", 0, 8, os.getpid()),
        "loads a library": reduced("ctypes", "CDLL", "libc.so.6"),
    }


Check = Callable[[], bool]
