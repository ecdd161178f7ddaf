"""Fitting, round by round where a model has rounds: told of, kept at an interval, and gone on with.

The rounds do not depend on time: however often a fit was interrupted, kept or told of, trees and weights are those of
an undisturbed one, bit for bit where the library allows it (histogram boosting, forests, networks).
"""

from __future__ import annotations

import io
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import numpy as np
from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from containers.prediction.model import TRUSTED
from containers.training import modelfile
from containers.training.boosters import fit_booster
from containers.training.checkpoints import LOSS, Keeper, Saved
from containers.training.families import Family
from containers.training.frame import Integers
from containers.training.lookout import BoostingLookout, ForestLookout
from containers.training.network_fit import fit_network
from containers.training.onlook import Onlook
from containers.training.preparation import prepare

GRADIENTS = ("gradient", "gradient_hessian")
"""What histogram boosting asks of its loss when a round begins: one of these, once."""
FOREST_CHUNK_S = 2.0
"""Time that the trees of a forest grown between two looks at the clock may take, about."""
FOREST_CHUNK = 10
"""Trees grown before it is known how long one takes."""
CHUNK_GROWTH = 4
OPTIMIZERS = ("sklearn.neural_network._stochastic_optimizers.AdamOptimizer",)
"""What a network's checkpoint holds beside its weights."""


def fit(
    pipeline: Pipeline,
    family: Family,
    features: Any,
    target: Any,
    keeper: Keeper,
    rows: Integers | None = None,
    onlook: Onlook | None = None,
) -> None:
    """Fit the pipeline on these rows of the features (without ``rows``, on all), whose targets ``target`` has.

    Only a network is given an ``onlook``, which asks it for its loss after its epochs.
    Raises ``Interrupted`` when the keeper is told to stop and the family has rounds.
    """
    rounds = ROUNDS.get(family.name)
    prepared = prepare(pipeline.named_steps["prepare"], features, target, rows)
    model = pipeline.named_steps["model"]
    if rounds is None and family.library is None:
        model.fit(prepared, target)
        return
    with keeper.listening():
        if rounds is not None:
            if onlook:
                onlook.prepare(pipeline.named_steps["prepare"])
            pipeline.steps[-1] = ("model", rounds(family.name, model, prepared, target, keeper, onlook))
        elif family.library:
            fit_booster(family.library, model, prepared, target, keeper)


def _boosting(_: str, model: Any, prepared: Any, target: Any, keeper: Keeper, __: object) -> Any:
    """Grow all rounds; after an earlier attempt one that bins the columns, then put its own in and grow the rest."""
    lookout = BoostingLookout(prepared, target)
    total, found = int(model.max_iter), keeper.find()
    earlier = _unpacked(found, keeper) if found else []
    keeper.begin(len(earlier), total)
    if earlier:
        model.set_params(warm_start=True, max_iter=1).fit(prepared, target)
        model._predictors = earlier
        model.set_params(max_iter=total)

    def done(number: int) -> None:
        keeper.round(number, lambda: _packed(model._predictors[:number]), lambda: lookout.so_far(model, number))

    with _each_round(model, done):
        model.fit(prepared, target)
    done(total)
    return model.set_params(warm_start=False)


@contextmanager
def _each_round(model: Any, done: Callable[[int], None]) -> Iterator[None]:
    """Tell of histogram boosting's rounds when the next one begins: when it asks its loss for the gradient.

    What is put in the way goes again, also where a fit is interrupted.
    """
    make, losses = model._get_loss, []

    def begun() -> None:
        if model._predictors:
            done(len(model._predictors))

    def watched(**given: Any) -> Any:
        loss = make(**given)
        for name in GRADIENTS:
            setattr(loss, name, _after(begun, getattr(loss, name)))
        losses.append(loss)
        return loss

    model._get_loss = watched
    try:
        yield
    finally:
        del model._get_loss
        for loss, name in product(losses, GRADIENTS):
            delattr(loss, name)


def _after(first: Callable[[], None], gradient: Callable[..., Any]) -> Callable[..., Any]:
    def told(**given: Any) -> Any:
        first()
        return gradient(**given)

    return told


def _packed(rounds: list[list[Any]]) -> bytes:
    """Return the trees of whole rounds as a file of arrays."""
    trees = [tree for each in rounds for tree in each]
    target = io.BytesIO()
    np.savez(
        target,
        each=np.array(len(rounds[0])),
        sizes=np.array([len(tree.nodes) for tree in trees]),
        nodes=np.concatenate([tree.nodes for tree in trees]),
        splits=np.array([len(tree.binned_left_cat_bitsets) for tree in trees]),
        binned=np.concatenate([tree.binned_left_cat_bitsets for tree in trees]),
        raw=np.concatenate([tree.raw_left_cat_bitsets for tree in trees]),
    )
    return target.getvalue()


def _unpacked(found: Saved, keeper: Keeper) -> list[list[Any]]:
    """Return the rounds in a checkpoint, or none where it does not hold them."""
    try:
        with np.load(io.BytesIO(found.payload), allow_pickle=False) as arrays:
            nodes, each = arrays["nodes"], int(arrays["each"])
            if nodes.dtype != PREDICTOR_RECORD_DTYPE or len(arrays["sizes"]) != found.rounds * each:
                raise ValueError("it holds other trees")
            cuts, splits = np.cumsum(arrays["sizes"])[:-1], np.cumsum(arrays["splits"])[:-1]
            parts = zip(
                np.split(nodes, cuts), np.split(arrays["binned"], splits), np.split(arrays["raw"], splits), strict=True
            )
            trees = [TreePredictor(*(part.copy() for part in tree)) for tree in parts]
    except (ValueError, KeyError, OSError, TypeError, zipfile.BadZipFile) as error:
        keeper.discard(str(error))
        return []
    return [trees[i : i + each] for i in range(0, len(trees), each)]


def _forest(name: str, model: Any, prepared: Any, target: Any, keeper: Keeper, _: object) -> Any:
    lookout = ForestLookout(prepared, target)
    total, threads = int(model.n_estimators), model.n_jobs
    model, done = _resumed(name, model, keeper)
    keeper.begin(done, total)
    model.set_params(warm_start=True, n_jobs=threads)
    chunk = FOREST_CHUNK
    while done < total:
        step = min(chunk, total - done)
        began = time.monotonic()
        model.set_params(n_estimators=done + step)
        model.fit(prepared, target)
        done += step
        fits = FOREST_CHUNK_S * step / max(time.monotonic() - began, 1e-9)
        chunk = max(1, min(int(fits), CHUNK_GROWTH * chunk))
        keeper.round(done, lambda: _dump(model), lambda: lookout.so_far(model, done))  # noqa: B023 (asked at once)
    return model.set_params(warm_start=False)


def _network(name: str, model: Any, prepared: Any, target: Any, keeper: Keeper, onlook: Onlook | None) -> Any:
    regression = hasattr(model, "regressor")
    network = model.regressor if regression else model
    values = target
    if regression:
        model.transformer_ = StandardScaler().fit(target.reshape(-1, 1))
        values = model.transformer_.transform(target.reshape(-1, 1)).ravel()
    total = int(network.max_iter)
    network, done = _resumed(name, network, keeper)
    keeper.begin(done, total)
    classes = {} if regression else {"classes": np.unique(values)}

    def said(rows: Any) -> Any:
        if not regression:
            return network.predict_proba(rows)
        return model.transformer_.inverse_transform(network.predict(rows).reshape(-1, 1)).ravel()

    while done < total and not _settled(network):
        network.partial_fit(prepared, values, **classes)
        done += 1
        if onlook:
            onlook.look(network, done, done == total or _settled(network), said)
        keeper.round(done, lambda: _dump(network), {LOSS: float(network.loss_)})
    if not _settled(network):
        warnings.warn(f"not settled after {done} epochs", ConvergenceWarning, stacklevel=1)
    if not regression:
        return network
    model.regressor_, model._training_dim = network, 1
    return model


def _torch(_: str, model: Any, prepared: Any, target: Any, keeper: Keeper, onlook: Onlook | None) -> Any:
    return fit_network(model, prepared, target, keeper, onlook)


def _settled(network: Any) -> bool:
    """Return whether the loss has not fallen for as many epochs as the network waits."""
    return int(getattr(network, "_no_improvement_count", 0)) > int(network.n_iter_no_change)


ROUNDS: dict[str, Callable[[str, Any, Any, Any, Keeper, Onlook | None], Any]] = {
    "hist_gradient_boosting": _boosting,
    "random_forest": _forest,
    "mlp_regression": _network,
    "mlp_classification": _network,
    "neural_network": _torch,
}
"""Families that are fitted in rounds, beside the boosters of other libraries."""


def _dump(model: Any) -> bytes:
    data: bytes = modelfile.dumps(model)
    return data


def _resumed(name: str, model: Any, keeper: Keeper) -> tuple[Any, int]:
    """Return the model of the last attempt's checkpoint and its rounds, or this one and none."""
    found: Saved | None = keeper.find()
    if found is None:
        return model, 0
    try:
        kept = modelfile.loads(found.payload, trusted=[*TRUSTED[name], *OPTIMIZERS, "numpy.dtype"])
    except Exception as error:  # whatever a crafted file makes the reader raise, it is not used
        keeper.discard(f"it cannot be read ({type(error).__name__})")
        return model, 0
    if type(kept) is not type(model):
        keeper.discard("it holds another model")
        return model, 0
    return kept, found.rounds
