"""A network answers from its file without PyTorch, and a file that is not its own is not believed."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from scipy.sparse import csr_matrix
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from containers.prediction.model import MODEL_FILE, TRUSTED, WEIGHTS_FILE, load, load_pipeline
from containers.training.boosters import save_native
from containers.training.network import TabularNetwork
from containers.training.refusal import Refused
from containers.training.tensors import packed, unpacked


def network(*, classify: bool) -> TabularNetwork:
    """Return a network of two columns and one layer of two units, whose answers can be worked out."""
    made = TabularNetwork(classify=classify, hidden_layer_sizes="2")
    made.columns_ = 2
    made.classes_ = np.array([0, 1])
    made.mean_, made.scale_ = 10.0, 2.0
    last = 2 if classify else 1
    made.take(
        {
            "0.weight": np.array([[1, 0], [0, -1]], dtype=np.float32),
            "0.bias": np.zeros(2, dtype=np.float32),
            "1.weight": np.array([[1, 1], [0, 0]][:last], dtype=np.float32),
            "1.bias": np.full(last, 0.5, dtype=np.float32),
        }
    )
    return made


def saved(folder: Path, *, classify: bool) -> Path:
    pipeline = Pipeline(
        [("prepare", StandardScaler(with_mean=False, with_std=False)), ("model", network(classify=classify))]
    )
    pipeline.named_steps["prepare"].fit(np.zeros((2, 2)))
    save_native("torch", pipeline.named_steps["model"], folder)
    skops.io.dump(pipeline, folder / MODEL_FILE)
    return folder / MODEL_FILE


ROWS = np.array([[1.0, 5.0], [-1.0, -3.0]])


def test_values_and_probabilities_are_those_of_the_layers() -> None:
    assert list(network(classify=False).predict(ROWS)) == [2 * 1.5 + 10, 2 * 3.5 + 10]
    found = network(classify=True)
    chances = found.predict_proba(ROWS)
    assert chances[0, 0] == pytest.approx(1 / (1 + np.exp(-1)))
    assert np.allclose(chances.sum(axis=1), 1)
    assert list(found.predict(ROWS)) == [0, 0]


@pytest.mark.parametrize("classify", [False, True])
def test_a_saved_network_answers_the_same_without_pytorch(tmp_path: Path, classify: bool) -> None:
    found = load_pipeline(saved(tmp_path, classify=classify), "neural_network")
    ask = "predict_proba" if classify else "predict"
    assert np.array_equal(getattr(found, ask)(ROWS), getattr(network(classify=classify), ask)(ROWS))
    used = set(skops.io.get_untrusted_types(file=tmp_path / MODEL_FILE))
    assert used <= {"containers.training.network.TabularNetwork", "numpy.dtype"}
    assert set(TRUSTED["neural_network"]) == {"containers.training.network.TabularNetwork", "numpy.dtype"}
    assert b"weights_" not in (tmp_path / MODEL_FILE).read_bytes(), "weights are in their own file alone"


def test_weights_that_are_missing_damaged_or_of_another_network_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, classify=False)
    weights = tmp_path / WEIGHTS_FILE
    good = weights.read_bytes()
    for bad in (good[:-4], good + b"1234", packed({"0.weight": np.zeros((2, 2))}), b""):
        weights.write_bytes(bad)
        with pytest.raises(Refused, match="E-MODEL-DAMAGED: The model's weights"):
            load_pipeline(path, "neural_network")
    weights.unlink()
    with pytest.raises(Refused, match="E-MODEL-DAMAGED"):
        load_pipeline(path, "neural_network")


def test_weights_that_the_list_of_files_lacks_are_not_read(tmp_path: Path) -> None:
    from containers.prediction.model import NEEDED, digest

    saved(tmp_path, classify=False)
    (tmp_path / "metadata.json").write_text(json.dumps({"model_type": "neural_network"}))
    (tmp_path / "schema.json").write_text("{}")
    listed = {name: digest(tmp_path / name) for name in NEEDED}
    with pytest.raises(Refused, match=r"lacks model\.safetensors"):
        load(tmp_path, listed)
    assert load(tmp_path, {**listed, WEIGHTS_FILE: digest(tmp_path / WEIGHTS_FILE)}).metadata


def test_another_family_may_not_hold_a_network(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="types that no model of ours"):
        load_pipeline(saved(tmp_path, classify=False), "ridge")


def test_tensors_are_read_as_they_were_written() -> None:
    made = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array(3.0, dtype=np.float32)}
    found = unpacked(packed(made))
    assert all(np.array_equal(found[name], made[name]) and found[name].shape == made[name].shape for name in made)


def file(header: Any, body: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


ONE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    "data",
    [
        b"123",
        struct.pack("<Q", 1 << 60) + b"{}",
        file([1]),
        file({"a": 1}),
        file({"a": {**ONE, "dtype": "I64"}}, b"1234"),
        file({"a": {**ONE, "shape": [-1]}}, b"1234"),
        file({"a": {**ONE, "shape": [True]}}, b"1234"),
        file({"a": {**ONE, "data_offsets": [4, 8]}}, b"12345678"),
        file({"a": {**ONE, "shape": [9]}}, b"1234"),
        file({"a": ONE}, b"12"),
        file({"a": ONE}, b"123456"),
    ],
)
def test_a_crafted_file_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpacked(data)


def test_columns_may_come_sparse() -> None:
    sparse = csr_matrix(ROWS)
    assert np.array_equal(network(classify=False).predict(sparse), network(classify=False).predict(ROWS))
