"""Fitting ``neural_network`` with PyTorch: epoch by epoch, told of, kept and gone on with like rounds.

The order of rows and what is dropped out hang on seed and epoch alone, so that a fit that was interrupted goes on as if
nothing had been. On a graphics card too: the same bits again, also after a checkpoint, but others than a processor's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from containers.training import cards
from containers.training.checkpoints import LOSS, Keeper
from containers.training.libraries import need
from containers.training.network import BLOCK_ROWS, TabularNetwork, dense
from containers.training.progress import Progress
from containers.training.tensors import Weights, packed, unpacked

CUBLAS = ":4096:8"
"""Without it sums of matrices on a card differ from run to run (CUDA, "Results reproducibility")."""
CARD_SHARE = 0.5
"""Part of a card's free memory that the rows may take; more are brought batch by batch, which takes several times as
long."""


def fit_network(model: TabularNetwork, prepared: Any, target: Any, keeper: Keeper | None = None) -> TabularNetwork:
    """Fit, going on from the keeper's checkpoint. Raises ``Interrupted`` when told to stop, ``Refused`` E-LIBRARY."""
    torch = need("torch")
    if keeper is None:
        keeper = Keeper(None, "", Progress(None, silent=True))
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", CUBLAS)
    torch.use_deterministic_algorithms(True, warn_only=True)
    if model.n_jobs > 0:
        torch.set_num_threads(model.n_jobs)
    values = _begin(model, prepared, target)
    on_card = bool(torch.cuda.is_available())
    keeper.computes(
        cards.CARD if on_card else cards.PROCESSOR, "PyTorch computes on the graphics card" if on_card else ""
    )
    fit = _Fit(torch, model, torch.device("cuda" if on_card else "cpu"))
    fit.bring(prepared, values)
    done = fit.resume(keeper)
    keeper.begin(done, model.epochs)
    while done < model.epochs:
        loss = fit.epoch(done, prepared, values)
        done += 1
        keeper.round(done, fit.kept, {LOSS: loss})
    model.loss_curve_ = fit.losses
    model.take(fit.weights())
    return model


def _begin(model: TabularNetwork, prepared: Any, target: Any) -> Any:
    """Note what answers need beside the weights, and return the target as the network learns it."""
    model.columns_ = int(prepared.shape[1])
    if model.classify:
        model.classes_, values = np.unique(target, return_inverse=True)
        return values.astype(np.int64)
    model.mean_ = float(np.mean(target))
    model.scale_ = float(np.std(target)) or 1.0
    return ((target - model.mean_) / model.scale_).astype(np.float32)


class _Fit:
    """A network being fitted."""

    def __init__(self, torch: Any, model: TabularNetwork, device: Any) -> None:
        self._torch = torch
        self._model = model
        self._device = device
        self.losses: list[float] = []
        self._brought: tuple[Any, Any] | None = None
        torch.manual_seed(model.seed)
        widths = model.widths(model.columns_)
        parts: list[Any] = []
        for before, after in pairwise(widths):
            parts += [torch.nn.Linear(before, after), torch.nn.ReLU(), torch.nn.Dropout(model.dropout)]
        self._linear = parts[::3]
        self._net = torch.nn.Sequential(*parts[:-2]).to(device)
        self._loss = torch.nn.CrossEntropyLoss() if model.classify else torch.nn.MSELoss()
        self._optimizer = torch.optim.AdamW(
            self._net.parameters(), lr=model.learning_rate, weight_decay=model.weight_decay
        )

    def bring(self, prepared: Any, values: Any) -> None:
        """Put all rows onto the card, where there is one with room for them."""
        torch, (rows, columns) = self._torch, prepared.shape
        if self._device.type != "cuda" or 4 * rows * columns > CARD_SHARE * torch.cuda.mem_get_info()[0]:
            return
        held = torch.empty((rows, columns), dtype=torch.float32, device=self._device)
        for start in range(0, rows, BLOCK_ROWS):
            block = dense(prepared[start : start + BLOCK_ROWS]).astype(np.float32)
            held[start : start + len(block)] = torch.from_numpy(block).to(self._device)
        self._brought = (held, torch.from_numpy(values).to(self._device))

    def _batches(self, rows: Any, prepared: Any, values: Any) -> Iterator[tuple[Any, Any]]:
        """Yield the rows with their targets, batch by batch, where the computing is."""
        torch, size = self._torch, self._model.batch_size
        if self._brought is not None:
            held, targets = self._brought
            order = torch.from_numpy(rows).to(self._device)
            for start in range(0, len(rows), size):
                chosen = order[start : start + size]
                yield held[chosen], targets[chosen]
            return
        for start in range(0, len(rows), size):
            some = rows[start : start + size]
            x = torch.from_numpy(dense(prepared[some]).astype(np.float32)).to(self._device)
            yield x, torch.from_numpy(values[some]).to(self._device)

    def epoch(self, number: int, prepared: Any, values: Any) -> float:
        """Learn from every row once; return the mean loss."""
        torch, model = self._torch, self._model
        torch.manual_seed(model.seed * 1_000_003 + number)
        rows = np.random.default_rng((model.seed, number)).permutation(len(values))
        self._net.train()
        total = torch.zeros((), dtype=torch.float64, device=self._device)  # asked for once: each answer is waited for
        for x, y in self._batches(rows, prepared, values):
            self._optimizer.zero_grad()
            answer = self._net(x)
            loss = self._loss(answer if model.classify else answer[:, 0], y)
            loss.backward()
            self._optimizer.step()
            total += loss.detach() * len(y)
        self.losses.append(float(total) / len(rows))
        return self.losses[-1]

    def weights(self) -> Weights:
        """Return the weights by layer."""
        found: Weights = {}
        for number, layer in enumerate(self._linear):
            found[f"{number}.weight"] = layer.weight.detach().cpu().numpy().astype(np.float32)
            found[f"{number}.bias"] = layer.bias.detach().cpu().numpy().astype(np.float32)
        return found

    def kept(self) -> bytes:
        """Return weights, the optimizer's means and the losses as a checkpoint holds them."""
        found: dict[str, Any] = dict(self.weights())
        for number, parameter in enumerate(self._net.parameters()):
            state = self._optimizer.state[parameter]
            for key in ("exp_avg", "exp_avg_sq", "step"):
                found[f"optimizer.{number}.{key}"] = state[key].detach().cpu().numpy()
        found["losses"] = np.array(self.losses, dtype=np.float32)
        return packed(found)

    def resume(self, keeper: Keeper) -> int:
        """Take up the last attempt's checkpoint, if there is one; return its epochs."""
        found = keeper.find()
        if found is None:
            return 0
        torch = self._torch
        try:
            kept = unpacked(found.payload)
            with torch.no_grad():
                for number, layer in enumerate(self._linear):
                    for name in ("weight", "bias"):
                        own = getattr(layer, name)
                        own.copy_(torch.from_numpy(_shaped(kept, f"{number}.{name}", own.shape)))
            for number, parameter in enumerate(self._net.parameters()):
                shapes = {"exp_avg": parameter.shape, "exp_avg_sq": parameter.shape, "step": ()}
                self._optimizer.state[parameter] = {
                    key: torch.from_numpy(_shaped(kept, f"optimizer.{number}.{key}", shape)).to(
                        self._device if shape else "cpu"
                    )
                    for key, shape in shapes.items()
                }
            self.losses = [float(loss) for loss in kept["losses"]]
        except (ValueError, KeyError) as error:
            keeper.discard(str(error))
            vars(self).update({**vars(_Fit(torch, self._model, self._device)), "_brought": self._brought})
            return 0
        return found.rounds


def _shaped(kept: Weights, name: str, shape: Any) -> Any:
    if kept[name].shape != tuple(shape):
        raise ValueError(f"{name} has another shape")
    return np.array(kept[name])
