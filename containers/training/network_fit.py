"""Fitting ``neural_network`` with PyTorch: epoch by epoch, told of, kept and gone on with like rounds.

The order of rows and what is dropped out hang on seed and epoch alone, so that a fit that was interrupted goes on as if
nothing had been. On a graphics card too: the same bits again, also after a checkpoint, but others than a processor's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np

from containers.training import cards
from containers.training.checkpoints import LOSS, Keeper
from containers.training.libraries import need
from containers.training.network import BLOCK_ROWS, TabularNetwork, dense
from containers.training.onlook import Onlook
from containers.training.progress import Progress
from containers.training.recorded import Recorded
from containers.training.rounds import CURVE
from containers.training.tensors import Weights, packed, unpacked

CUBLAS = ":4096:8"
"""Without it sums of matrices on a card differ from run to run (CUDA, "Results reproducibility")."""
CARD_SHARE = 0.5
"""Part of a card's free memory that the rows may take; more are brought batch by batch, which takes several times as
long."""


def fit_network(
    model: TabularNetwork, prepared: Any, target: Any, keeper: Keeper | None = None, onlook: Onlook | None = None
) -> TabularNetwork:
    """Fit, going on from the keeper's checkpoint, asked by ``onlook`` after its epochs.

    Raises ``Interrupted`` when told to stop, ``Refused`` E-LIBRARY.
    """
    torch = need("torch")
    if keeper is None:
        keeper = Keeper(None, "", Progress(None, silent=True))
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", CUBLAS)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # nothing here reads what it did not write
    if model.n_jobs > 0:
        torch.set_num_threads(model.n_jobs)
    values = _begin(model, prepared, target)
    on_card = bool(torch.cuda.is_available())
    keeper.computes(
        cards.CARD if on_card else cards.PROCESSOR, "PyTorch computes on the graphics card" if on_card else ""
    )
    device = torch.device("cuda" if on_card else "cpu")
    fit = _Fit(torch, model, device, _supply(torch, device, prepared, values))
    done = fit.resume(keeper)
    keeper.begin(done, model.epochs)
    while done < model.epochs:
        loss = fit.epoch(done)
        done += 1
        if onlook:
            onlook.look(model, done, done == model.epochs, fit.said)
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


class Supply(NamedTuple):
    """The rows learnt from: arrays here, or tensors on the card."""

    rows: Any
    targets: Any
    on_card: bool = False


def _supply(torch: Any, device: Any, prepared: Any, values: Any) -> Supply:
    """Return the rows, put onto the card where there is one with room for all of them."""
    rows, columns = prepared.shape
    if device.type != "cuda" or 4 * rows * columns > CARD_SHARE * torch.cuda.mem_get_info()[0]:
        return Supply(prepared, values)
    held = torch.empty((rows, columns), dtype=torch.float32, device=device)
    for start in range(0, rows, BLOCK_ROWS):
        block = dense(prepared[start : start + BLOCK_ROWS]).astype(np.float32)
        held[start : start + len(block)] = torch.from_numpy(block).to(device)
    return Supply(held, torch.from_numpy(values).to(device), on_card=True)


class _Fit:
    """A network being fitted."""

    def __init__(self, torch: Any, model: TabularNetwork, device: Any, supply: Supply) -> None:
        self._torch = torch
        self._model = model
        self._device = device
        self._supply = supply
        self.losses: list[float] = []
        self._recorded: Recorded | Literal[False] | None = None
        torch.manual_seed(model.seed)
        widths = model.widths(model.columns_)
        parts: list[Any] = []
        for before, after in pairwise(widths):
            parts += [torch.nn.Linear(before, after), torch.nn.ReLU(), torch.nn.Dropout(model.dropout)]
        self._linear = parts[::3]
        self._net = torch.nn.Sequential(*parts[:-2]).to(device)
        self._loss = torch.nn.CrossEntropyLoss() if model.classify else torch.nn.MSELoss()
        self._optimizer = torch.optim.AdamW(
            self._net.parameters(),
            lr=model.learning_rate,
            weight_decay=model.weight_decay,
            capturable=supply.on_card,  # its counter is on the card then, so that a step can be recorded
        )
        self._total = torch.zeros((), dtype=torch.float64, device=device)
        """Loss of this epoch's rows; asked for once an epoch, as each answer is waited for."""

    def epoch(self, number: int) -> float:
        """Learn from every row once; return the mean loss."""
        torch, size, supply = self._torch, self._model.batch_size, self._supply
        rows = np.random.default_rng((self._model.seed, number)).permutation(len(supply.targets))
        order = torch.from_numpy(rows).to(self._device) if supply.on_card else rows
        self._net.train()
        if supply.on_card and len(rows) >= size and self._recorded is None:
            self._recorded = self._record(size)
        torch.manual_seed(self._model.seed * 1_000_003 + number)
        self._total.zero_()
        for start in range(0, len(rows), size):
            chosen = order[start : start + size]
            step = self._recorded if self._recorded and len(chosen) == size else self._step
            step(chosen)
        self.losses.append(float(self._total) / len(rows))
        return self.losses[-1]

    def _step(self, chosen: Any) -> None:
        torch = self._torch
        x, y = self._supply.rows[chosen], self._supply.targets[chosen]
        if not self._supply.on_card:
            x = torch.from_numpy(dense(x).astype(np.float32)).to(self._device)
            y = torch.from_numpy(y).to(self._device)
        self._optimizer.zero_grad()
        answer = self._net(x)
        loss = self._loss(answer if self._model.classify else answer[:, 0], y)
        loss.backward()
        self._optimizer.step()
        self._total += loss.detach() * len(y)

    def _record(self, size: int) -> Recorded | Literal[False]:
        """Record the step of a whole batch; ``False`` where the card cannot: each is launched as it comes then."""

        def changed() -> Iterator[Any]:
            yield self._total
            for parameter in self._net.parameters():
                yield parameter
                yield from self._optimizer.state[parameter].values()

        try:
            return Recorded(self._torch, self._step, size, changed)
        except RuntimeError:
            return False

    def said(self, rows: Any) -> Any:
        """Return the answers to prepared rows so far."""
        torch = self._torch
        self._net.eval()
        with torch.no_grad():
            x = torch.from_numpy(dense(rows).astype(np.float32)).to(self._device)
            return self._model.told(self._net(x).cpu().numpy().astype(np.float64))

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
        found["curve"] = getattr(self._model, CURVE, np.empty((0, 3)))
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
                        self._device if shape or self._supply.on_card else "cpu"
                    )
                    for key, shape in shapes.items()
                }
            self.losses = [float(loss) for loss in kept["losses"]]
            setattr(self._model, CURVE, kept["curve"])
        except (ValueError, KeyError) as error:
            keeper.discard(str(error))
            vars(self).update(vars(_Fit(torch, self._model, self._device, self._supply)))
            return 0
        return found.rounds


def _shaped(kept: Weights, name: str, shape: Any) -> Any:
    if kept[name].shape != tuple(shape):
        raise ValueError(f"{name} has another shape")
    return np.array(kept[name])
