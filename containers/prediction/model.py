"""Loading a model that may have been tampered with: digests first, then a fixed list of types per family.

The list is written down here and never taken from the file: asking the file which types it would like to be
trusted with is asking the attacker. A bare pickle is never loaded. (faults.md 85)
"""

from __future__ import annotations

import hashlib
import hmac
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from containers.training.families import library_to_predict
from containers.training.libraries import need
from containers.training.refusal import Refused, quoted
from containers.training.tensors import unpacked

MODEL_FILE = "model.skops"
METADATA_FILE = "metadata.json"
SCHEMA_FILE = "schema.json"
NETWORK = "neural_network"
WEIGHTS_FILE = "model.safetensors"
"""What a network has beside its model file."""
NEEDED = (MODEL_FILE, METADATA_FILE, SCHEMA_FILE)
UNPACKED_BYTES_MAX = 8 * 1024**3
"""Largest model, unpacked."""
RATIO_MAX = 1000
"""Largest ratio of unpacked to packed size; deflate reaches it only on what is empty."""
RATIO_FREE_BYTES = 16 * 1024**2
"""Unpacked size up to which the ratio does not matter."""
MEMBERS_MAX = 500_000
JSON_BYTES_MAX = 64 * 1024**2
BLOCK_BYTES = 1024 * 1024

_PLAIN = ("numpy.dtype",)
OURS = ("containers.training.date_parts.DateParts",)
"""What prepares columns in a model of any family, and is ours."""
_TREES = (*_PLAIN, "sklearn.tree._tree.Tree")
_CALIBRATION = ("sklearn.calibration._CalibratedClassifier", "sklearn.calibration._SigmoidCalibration")
_NEIGHBOURS = ("containers.prediction.neighbours.NearClassifier", "containers.prediction.neighbours.NearRegressor")
_HISTOGRAMS = (
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    # its own preparation of categories is a function with arguments bound; any other function stays refused
    "functools.partial",
    "sklearn.utils.validation.check_array",
)
TRUSTED: dict[str, tuple[str, ...]] = {
    "linear": _PLAIN,
    "ridge": _PLAIN,
    "lasso": _PLAIN,
    "elasticnet": _PLAIN,
    "polynomial": _PLAIN,
    "logistic": _PLAIN,
    "naive_bayes": _PLAIN,
    "knn": _PLAIN,
    "svm": (*_PLAIN, *_CALIBRATION),
    "decision_tree": _TREES,
    "random_forest": _TREES,
    "xgboost": ("xgboost.core.Booster", "xgboost.sklearn.XGBClassifier", "xgboost.sklearn.XGBRegressor"),
    "lightgbm": (
        "collections.OrderedDict",
        "lightgbm.basic.Booster",
        "lightgbm.sklearn.LGBMClassifier",
        "lightgbm.sklearn.LGBMRegressor",
    ),
    "catboost": ("catboost.core.CatBoostClassifier", "catboost.core.CatBoostRegressor"),
    "neural_network": (*_PLAIN, "containers.training.network.TabularNetwork"),
    "mlp_regression": _PLAIN,
    "mlp_classification": _PLAIN,
    "hist_gradient_boosting": _HISTOGRAMS,
}
"""Per family: the types a model file may hold beside those skops itself holds for harmless."""
_OF_OTHERS = (*_TREES, *_CALIBRATION, *_NEIGHBOURS, *_HISTOGRAMS)
OLDER: dict[str, tuple[str, ...]] = {
    "gradient_boosting": _TREES,
    "extra_trees": _TREES,
    "nearest_neighbours": (*_PLAIN, *_NEIGHBOURS),
    "sgd": _PLAIN,
    "lars": _PLAIN,
    "bayesian_ridge": _PLAIN,
    "huber": _PLAIN,
    "quantile": _PLAIN,
    "discriminant": _PLAIN,
    "generalized_linear": (*_PLAIN, "sklearn._loss.loss.HalfTweedieLoss", "sklearn._loss.loss.HalfTweedieLossIdentity"),
    "adaboost": _OF_OTHERS,
    "bagging": _OF_OTHERS,
    "voting": _OF_OTHERS,
    "stacking": _OF_OTHERS,
    "calibrated": _OF_OTHERS,
    "one_vs_rest": _OF_OTHERS,
    "transformed_target": _OF_OTHERS,
}
"""The same of families that are imported and never trained here."""


class Model(NamedTuple):
    """A loaded bundle."""

    pipeline: Any
    metadata: dict[str, Any]
    schema: dict[str, Any]

    @property
    def date_ways(self) -> dict[str, str]:
        """How each column of dates was written where the model learnt, for files that do not tell."""
        found = self.metadata.get("date_ways")
        return found if isinstance(found, dict) else {}


def damaged(why: str) -> Refused:
    """Return the refusal of a model whose files cannot be believed."""
    return Refused("E-MODEL-DAMAGED", f"{why}: train the model again")


def check_digests(folder: Path, digests: Mapping[str, str]) -> None:
    """Refuse the bundle unless every file listed is there with its SHA-256, and all needed files are listed."""
    for name in NEEDED:
        if name not in digests:
            raise damaged(f"The model's list of files lacks {name}")
    for name, expected in digests.items():
        path = folder / name
        if Path(name).is_absolute() or ".." in Path(name).parts or path.is_symlink() or not path.is_file():
            raise damaged(f"The model's file {quoted(name)} is missing")
        if not hmac.compare_digest(digest(path), expected.lower()):
            raise damaged(f"The model's file {quoted(name)} is not the one that was stored")


def digest(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            found.update(block)
    return found.hexdigest()


def load(folder: Path, digests: Mapping[str, str]) -> Model:
    """Return the bundle in ``folder``; raises E-MODEL-DAMAGED where anything about it is not as it was stored."""
    check_digests(folder, digests)
    metadata, schema = _document(folder / METADATA_FILE), _document(folder / SCHEMA_FILE)
    family = str(metadata.get("model_type"))
    if family == NETWORK and WEIGHTS_FILE not in digests:
        raise damaged(f"The model's list of files lacks {WEIGHTS_FILE}")
    return Model(load_pipeline(folder / MODEL_FILE, family), metadata, schema)


def _document(path: Path) -> dict[str, Any]:
    if path.stat().st_size > JSON_BYTES_MAX:
        raise damaged(f"{path.name} is too large")
    try:
        found = json.loads(path.read_bytes())
    except ValueError:
        raise damaged(f"{path.name} is no JSON") from None
    if not isinstance(found, dict):
        raise damaged(f"{path.name} is no JSON object")
    return found


def load_pipeline(path: Path, family: str) -> Any:
    """Return the pipeline in a model file of this family, if it holds none but the family's types."""
    trusted = TRUSTED.get(family) or OLDER.get(family)
    if trusted is None:
        raise damaged(f"There is no model type {quoted(family)}")
    _check_size(path)
    library = library_to_predict(family)
    if library:
        need(library)
    import skops.io
    from sklearn.pipeline import Pipeline
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        pipeline = skops.io.load(path, trusted=[*trusted, *OURS])
    except UntrustedTypesFoundException:
        raise damaged("The model file holds types that no model of ours has") from None
    except MemoryError:  # of this machine there is too little, and the file may be whole
        raise
    except Exception as error:  # whatever a crafted file makes the reader raise, the file is at fault
        raise damaged(f"The model file cannot be read ({type(error).__name__})") from error
    if not isinstance(pipeline, Pipeline):
        raise damaged("The model file holds no pipeline")
    if family == NETWORK:
        _take_weights(pipeline, path.with_name(WEIGHTS_FILE))
    return pipeline


def _take_weights(pipeline: Any, path: Path) -> None:
    """Put a network's weights, which lie beside the model, into it."""
    try:
        if path.stat().st_size > UNPACKED_BYTES_MAX:
            raise damaged(f"{path.name} is too large")
        pipeline.steps[-1][1].take(unpacked(path.read_bytes()))
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise damaged(f"The model's weights cannot be read ({type(error).__name__})") from error


def _check_size(path: Path) -> None:
    """Refuse an archive that would unpack to more than it may (size bomb)."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (OSError, zipfile.BadZipFile):
        raise damaged("The model file is no skops file") from None
    unpacked = sum(m.file_size for m in members)
    packed = max(1, path.stat().st_size)
    bomb = unpacked > RATIO_FREE_BYTES and unpacked > RATIO_MAX * packed
    if len(members) > MEMBERS_MAX or unpacked > UNPACKED_BYTES_MAX or bomb:
        raise damaged("The model file unpacks to more than a model may hold")
