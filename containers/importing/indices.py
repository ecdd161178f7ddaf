"""Numbers by which compiled code reaches into a model's arrays without looking: looked at before.

scikit-learn and SciPy take them for what their own fit left: a class too many in boosting's stages is written beside
the answers, a support vector too many is read beside the others. Here they must fit the arrays that they point into.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble._gb import BaseGradientBoosting
from sklearn.ensemble._hist_gradient_boosting.gradient_boosting import BaseHistGradientBoosting
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder
from sklearn.svm._base import BaseLibSVM

from containers.training.refusal import Refused

PROBED_ROWS = 2
"""Rows that boosting is asked about, to see of what shape its answers are."""
BEGINNINGS = (DummyClassifier, DummyRegressor)
"""What boosting asks first where nothing was named: as harmless as to be asked before the rest is looked at."""
BITSET_WORDS = 8
"""Words of 32 bits in which a node says which of 256 categories go left."""


def check_indices(part: Any) -> None:
    """Refuse a part of a model whose numbers point beside its arrays (E-IMPORT-UNSAFE)."""
    own = vars(part)
    if sparse.issparse(part):
        fits = _whole(part)
    elif isinstance(part, BaseGradientBoosting) and "estimators_" in own:
        fits = _stages_fit(part)
    elif isinstance(part, BaseHistGradientBoosting) and "_predictors" in own:
        fits = _categories_fit(part) and _prepared_fit(part)
    elif isinstance(part, BaseLibSVM) and "support_vectors_" in own:
        fits = _support_fits(part)
    elif isinstance(part, OneHotEncoder) and "categories_" in own:
        fits = _codes_fit(part)
    else:
        return
    if not fits:
        raise Refused("E-IMPORT-UNSAFE", f"A {type(part).__name__} in the model points beside what it holds")


def _within(numbers: Any, count: int) -> bool:
    found = np.asarray(numbers)
    return found.dtype.kind in "iu" and bool(((found >= 0) & (found < count)).all())


def _whole(matrix: Any) -> bool:
    try:
        matrix.check_format(full_check=True)
    except ValueError:
        return False
    return True


def _stages_fit(part: Any) -> bool:
    """Each tree adds one number to its own column of the answers."""
    stages = part.estimators_
    if not (isinstance(part.init_, str) or type(part.init_) in BEGINNINGS):
        raise Refused(
            "E-IMPORT-KIND", f"Boosting that begins with a {type(part.init_).__name__} cannot be brought over"
        )
    if stages.ndim != 2 or any(member.tree_.value.shape[1:] != (1, 1) for member in stages.ravel()):
        return False
    answers = part._raw_predict_init(np.zeros((PROBED_ROWS, part.n_features_in_)))
    return bool(answers.shape == (PROBED_ROWS, stages.shape[1]))


def _categories_fit(part: Any) -> bool:
    """A node that asks for categories asks a column that has some, by a row of its own bits."""
    by_category = np.asarray(part._bin_mapper.is_categorical_) != 0
    if by_category.shape != (part.n_features_in_,):
        return False
    for predictor in (one for stage in part._predictors for one in stage):
        nodes, bits = predictor.nodes, predictor.raw_left_cat_bitsets
        asking = nodes[(nodes["is_leaf"] == 0) & (nodes["is_categorical"] != 0)]
        if len(asking) and (bits.ndim != 2 or bits.shape[1] != BITSET_WORDS):
            return False
        if not _within(asking["bitset_idx"], len(bits)) or not by_category[asking["feature_idx"]].all():
            return False
    return True


def _prepared_fit(part: Any) -> bool:
    """What prepares categories gives as many columns as it takes; nobody counts them after it."""
    preparation = vars(part).get("_preprocessor")
    if preparation is None:
        return True
    if type(preparation) is not ColumnTransformer:
        return False
    counts = []
    for name, step, columns in preparation.transformers_:
        if isinstance(step, str) and step == "drop":
            continue
        mask = np.asarray(columns)
        known = type(step) is OrdinalEncoder or (type(step) is FunctionTransformer and isinstance(step.func, partial))
        if not known or mask.dtype != bool or mask.shape != (part.n_features_in_,):
            return False
        if len(preparation._transformer_to_input_indices[name]) != mask.sum():
            return False
        counts.append(int(mask.sum()))
    return bool(sum(counts) == part.n_features_in_)


def _support_fits(part: Any) -> bool:
    """Each support vector has its class, its place and its share in every pair of classes."""
    counts, rows = np.asarray(part._n_support), part.support_vectors_.shape[0]
    regression = "classes_" not in vars(part)
    classes = 2 if regression else len(part.classes_)
    pairs = classes * (classes - 1) // 2
    count = len(part.support_)
    return bool(
        (rows == count or (part.kernel == "precomputed" and rows == 0))
        and _within(part.support_, part.shape_fit_[0])
        and _within(counts, count + 1)
        and len(counts) == classes
        and int(counts[0] if regression else counts.sum()) == count
        and part._dual_coef_.shape == (classes - 1, count)
        and np.shape(part._intercept_) == (pairs,)
        and {len(part._probA), len(part._probB)} <= {0, pairs}
    )


def _codes_fit(part: Any) -> bool:
    """Each category has a column of its own, or that of the rare ones, among those that are made."""
    made = vars(part).get("_n_features_outs")
    if made is None or list(made) != list(part._compute_n_features_outs()):
        return False
    dropped = part._drop_idx_after_grouping
    for place, values in enumerate(part.categories_):
        left_out = None if dropped is None else dropped[place]
        count = made[place] + (left_out is not None)
        codes = part._default_to_infrequent_mappings[place] if part._infrequent_enabled else None
        if not _within(np.arange(len(values)) if codes is None else codes, count):
            return False
        if left_out is not None and not 0 <= left_out < count:
            return False
    return True
