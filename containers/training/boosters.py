"""Boosted trees of libraries that only some jobs need: XGBoost, LightGBM, CatBoost.

XGBoost computes on a graphics card where there is one that its build knows; the others on processors (``cards``).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from containers.training import cards
from containers.training.checkpoints import LOSS, Keeper
from containers.training.libraries import need
from containers.training.tensors import packed

NATIVE_FILES = {"catboost": "model.cbm", "lightgbm": "model.txt", "torch": "model.safetensors", "xgboost": "model.ubj"}
"""Library → the file of its own kind that lies beside the model: readable by the library in any language.

It starts from prepared columns (numbers as they are, categories as ordinals), not from the table."""


LOOKED_AT = 500
"""Rows on which XGBoost and LightGBM tell their loss after each round; on all it would cost half the fit again."""
SNAPSHOT_INTERVAL_S = 10
"""How often CatBoost writes its snapshot; no fit that is shorter has one."""


def booster(name: str, classify: bool, given: dict[str, Any], seed: int) -> Any:
    """Return an unfitted estimator of one of the libraries. Raises E-LIBRARY."""
    library = need(name)
    if name == "xgboost":
        kind = library.XGBClassifier if classify else library.XGBRegressor
        return kind(**given, tree_method="hist", n_jobs=1, random_state=seed, verbosity=0)
    if name == "lightgbm":
        given["max_depth"] = given["max_depth"] or -1
        kind = library.LGBMClassifier if classify else library.LGBMRegressor
        sure = {"deterministic": True, "force_row_wise": True, "verbosity": -1}
        return kind(**given, **sure, subsample_freq=1, n_jobs=1, random_state=seed)
    kind = library.CatBoostClassifier if classify else library.CatBoostRegressor
    quiet = {"allow_writing_files": False, "logging_level": "Silent"}
    if given["learning_rate"] is None:
        del given["learning_rate"]
    return kind(**given, **quiet, thread_count=1, random_seed=seed)


def set_threads(name: str, model: Any, threads: int) -> None:
    """Set how many threads a fit uses; −1 means all."""
    model.set_params(**{"thread_count" if name == "catboost" else "n_jobs": threads})


def save_native(name: str, model: Any, folder: Path) -> Path:
    """Write the library's own file of a fitted estimator and return its path."""
    path = folder / NATIVE_FILES[name]
    if name == "torch":
        path.write_bytes(packed(model.weights_))
        return path
    target = model.booster_ if name == "lightgbm" else model
    target.save_model(str(path))
    return path


def fit_booster(name: str, model: Any, prepared: Any, target: Any, keeper: Keeper) -> None:
    """Fit a booster, going on from the keeper's checkpoint. Raises ``Interrupted`` when the keeper is told to stop."""
    fit = {"xgboost": _fit_xgboost, "lightgbm": _fit_lightgbm, "catboost": _fit_catboost}[name]
    place = cards.place(name, need(name))
    keeper.computes(place.name, place.why)
    fit(model, prepared, target, keeper)


def _fit_xgboost(model: Any, prepared: Any, target: Any, keeper: Keeper) -> None:
    """Fit on the card where there is one; where it fails there, anew on the processor. It answers on the processor."""
    library = need("xgboost")
    if keeper.computed_on == cards.CARD:
        try:
            _grow_xgboost(library, model.set_params(device="cuda"), prepared, target, keeper)
        except library.core.XGBoostError as error:
            lines = str(error).strip().splitlines() or ["something unnamed"]
            keeper.computes(cards.PROCESSOR, f"not on the graphics card, which failed: {lines[-1][:200]}")
        else:
            booster = model.get_booster()
            used = json.loads(booster.save_config())["learner"]["generic_param"]["device"]
            if not used.startswith("cuda"):  # it only warns where it finds no card that it can use
                keeper.computes(cards.PROCESSOR, "xgboost found no graphics card that it can use: on the processor")
            model.set_params(device=None)
            booster.set_param({"device": "cpu"})
            return
    _grow_xgboost(library, model.set_params(device=None), prepared, target, keeper)


def _grow_xgboost(library: Any, model: Any, prepared: Any, target: Any, keeper: Keeper) -> None:
    total, found = int(model.n_estimators), keeper.find()
    begun = library.Booster() if found else None
    if found and begun is not None:
        begun.load_model(bytearray(found.payload))
    done = found.rounds if found else 0

    kind: Any = library.callback.TrainingCallback

    class Told(kind):  # type: ignore[misc]  # the library brings no types
        def after_iteration(self, booster: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002 (its signature)
            done = booster.num_boosted_rounds()
            keeper.round(done, lambda: bytes(booster.save_raw("ubj")), {LOSS: _last(evals_log["validation_0"])})
            return False

    keeper.begin(done, total)
    model.set_params(n_estimators=total - done, callbacks=[Told()])
    try:
        model.fit(prepared, target, xgb_model=begun, eval_set=[_looked_at(prepared, target)], verbose=False)
    finally:
        model.set_params(n_estimators=total, callbacks=None)
        vars(model).pop("evals_result_", None)


def _fit_lightgbm(model: Any, prepared: Any, target: Any, keeper: Keeper) -> None:
    library = need("lightgbm")
    total, found = int(model.n_estimators), keeper.find()
    begun = library.Booster(model_str=found.payload.decode()) if found else None
    done = found.rounds if found else 0

    def told(env: Any) -> None:
        loss = float(env.evaluation_result_list[0].metric_value)
        keeper.round(env.model.current_iteration(), lambda: str(env.model.model_to_string()).encode(), {LOSS: loss})

    keeper.begin(done, total)
    model.set_params(n_estimators=total - done)
    rows, truth = _looked_at(prepared, target)
    model.fit(prepared, target, init_model=begun, callbacks=[told], eval_X=rows, eval_y=truth)
    model.set_params(n_estimators=total)
    for kept in (model._evals_result, model._best_score, model.booster_.best_score):
        kept.clear()


def _looked_at(prepared: Any, target: Any) -> tuple[Any, Any]:
    """Return some of the rows learnt from, evenly apart, on which the loss is told."""
    some = some_rows(len(target))
    return prepared[some], target[some]


def some_rows(rows: int) -> Any:
    """Return the numbers of up to ``LOOKED_AT`` rows of so many, evenly apart."""
    return np.unique(np.linspace(0, rows - 1, LOOKED_AT).astype(np.int64))


def _last(told: Any) -> float:
    """Return the last value of the first measure, by its name in a list for each."""
    return float(next(iter(told.values()))[-1])


class _Snapshots:
    """CatBoost's own checkpoints: a file it writes at an interval, and reads when a fit begins."""

    def __init__(self, path: Path | None, keeper: Keeper) -> None:
        self._path = path
        self._keeper = keeper
        self._seen = self._mark()
        self.rounds = 0
        self.stopped = False

    def after_iteration(self, info: Any) -> bool:
        """Look whether the file is new; return whether to go on."""
        self.rounds = int(info.iteration)
        mark = self._mark()
        if mark != self._seen and self._path is not None:
            self._seen = mark
            self._keeper.save(self.rounds - 1, self._path.read_bytes)
        self._keeper.tell(self.rounds, {LOSS: _last(info.metrics["learn"])})
        self.stopped = self._keeper.stopping
        return not self.stopped

    def _mark(self) -> int:
        return self._path.stat().st_mtime_ns if self._path is not None and self._path.is_file() else 0


def _fit_catboost(model: Any, prepared: Any, target: Any, keeper: Keeper) -> None:
    total, found = int(model.get_params()["iterations"]), keeper.find()
    keeper.begin(found.rounds if found else 0, total)
    if keeper.folder is None:
        model.fit(prepared, target, callbacks=[_Snapshots(None, keeper)])
        return
    folder = keeper.folder / "catboost"
    folder.mkdir(exist_ok=True)
    path = folder / "snapshot"
    path.unlink(missing_ok=True)
    if found:
        path.write_bytes(found.payload)
    snapshots = _Snapshots(path, keeper)
    model.set_params(allow_writing_files=True, train_dir=str(folder))
    model.fit(
        prepared,
        target,
        save_snapshot=True,
        snapshot_file=str(path),
        snapshot_interval=SNAPSHOT_INTERVAL_S,
        callbacks=[snapshots],
    )
    model._init_params.pop("train_dir", None)  # a fitted model takes no parameters, and this one is a place
    if snapshots.stopped:
        keeper.stop(snapshots.rounds, path.read_bytes)
