"""What a pickle of a model may name, written down here and never taken from the file. Standard library only.

A pickle is a program: what it names it can call. Everything that no model of the kinds below needs is refused, by the
scan before anything is loaded and by the unpickler once more. Names are exact: none has a dot in it, so nothing can be
reached *through* a module or class. (faults.md 85)
"""

from __future__ import annotations

from typing import Final, NamedTuple


def words(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


CLASSIFICATION: Final = "classification"
REGRESSION: Final = "regression"


class Kind(NamedTuple):
    """What one class of estimator is here."""

    model_type: str
    """The family whose types its file may hold (``containers.prediction.model.TRUSTED``)."""
    task: str


def _pair(family: str, one: str, other: str, kinds: str = "cr") -> dict[str, Kind]:
    tasks = {"c": CLASSIFICATION, "r": REGRESSION}
    return {name: Kind(family, tasks[kind]) for name, kind in zip((one, other), kinds, strict=True)}


KINDS: Final[dict[str, dict[str, Kind]]] = {
    "sklearn.linear_model._base": {"LinearRegression": Kind("linear", REGRESSION)},
    "sklearn.linear_model._ridge": {"Ridge": Kind("ridge", REGRESSION)},
    "sklearn.linear_model._coordinate_descent": {
        "Lasso": Kind("lasso", REGRESSION),
        "ElasticNet": Kind("elasticnet", REGRESSION),
    },
    "sklearn.linear_model._logistic": {"LogisticRegression": Kind("logistic", CLASSIFICATION)},
    "sklearn.tree._classes": _pair("decision_tree", "DecisionTreeClassifier", "DecisionTreeRegressor"),
    "sklearn.ensemble._forest": _pair("random_forest", "RandomForestClassifier", "RandomForestRegressor"),
    "sklearn.ensemble._gb": _pair("gradient_boosting", "GradientBoostingClassifier", "GradientBoostingRegressor"),
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting": _pair(
        "hist_gradient_boosting", "HistGradientBoostingClassifier", "HistGradientBoostingRegressor"
    ),
    "sklearn.svm._classes": _pair("svm", "SVC", "SVR"),
    "sklearn.naive_bayes": {"GaussianNB": Kind("naive_bayes", CLASSIFICATION)},
    "sklearn.neural_network._multilayer_perceptron": {
        "MLPClassifier": Kind("mlp_classification", CLASSIFICATION),
        "MLPRegressor": Kind("mlp_regression", REGRESSION),
    },
    "xgboost.sklearn": _pair("xgboost", "XGBClassifier", "XGBRegressor"),
    "lightgbm.sklearn": _pair("lightgbm", "LGBMClassifier", "LGBMRegressor"),
    "catboost.core": _pair("catboost", "CatBoostClassifier", "CatBoostRegressor"),
}
"""Module → class → what it is: the estimators an older model may be."""

_NUMBERS = (
    "bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 str_ bytes_ object_ intp longlong"
)
_ARRAYS = frozenset({"_reconstruct", "scalar"})
_BUFFERS = frozenset({"_frombuffer"})
_SPARSE = frozenset({"csr_matrix", "csc_matrix"})
WRAPPER: Final = ("joblib.numpy_pickle", "NumpyArrayWrapper")
"""What stands in a file of joblib where an array's bytes follow."""
ENCODE: Final = ("_codecs", "encode")
"""How bytes are written in pickles that Python 2 could read."""
_LOSSES = "HalfBinomialLoss HalfMultinomialLoss HalfSquaredError AbsoluteError HuberLoss PinballLoss ExponentialLoss"
_LOSSES_C = "CyHalfBinomialLoss CyHalfMultinomialLoss CyHalfSquaredError CyAbsoluteError CyHuberLoss CyPinballLoss"

_PARTS: Final[dict[str, frozenset[str]]] = {
    "builtins": words("bytearray bytes object set frozenset slice complex int float bool str list dict tuple"),
    "collections": frozenset({"OrderedDict", "defaultdict"}),
    "copyreg": frozenset({"_reconstructor"}),
    ENCODE[0]: frozenset({ENCODE[1]}),
    WRAPPER[0]: frozenset({WRAPPER[1]}),
    "numpy": frozenset({"ndarray", "dtype", *_NUMBERS.split()}),
    "numpy._core.multiarray": _ARRAYS,
    "numpy._core.numeric": _BUFFERS,
    "numpy.random._pickle": frozenset({"__randomstate_ctor", "__generator_ctor", "__bit_generator_ctor"}),
    "numpy.random._mt19937": frozenset({"MT19937"}),
    "numpy.random._pcg64": frozenset({"PCG64"}),
    "numpy.random.bit_generator": frozenset({"SeedSequence", "__pyx_unpickle_SeedSequence"}),
    "scipy.sparse._csr": _SPARSE,
    "scipy.sparse._csc": _SPARSE,
    "sklearn.pipeline": frozenset({"Pipeline"}),
    "sklearn.compose._column_transformer": frozenset({"ColumnTransformer", "_RemainderColsList"}),
    "sklearn.impute._base": frozenset({"SimpleImputer", "MissingIndicator"}),
    "sklearn.preprocessing._data": frozenset({"StandardScaler", "MinMaxScaler", "RobustScaler", "MaxAbsScaler"}),
    "sklearn.preprocessing._encoders": frozenset({"OneHotEncoder", "OrdinalEncoder"}),
    "sklearn.preprocessing._label": frozenset({"LabelEncoder", "LabelBinarizer"}),
    "sklearn.preprocessing._polynomial": frozenset({"PolynomialFeatures"}),
    "sklearn.dummy": frozenset({"DummyClassifier", "DummyRegressor"}),
    "sklearn.tree._tree": frozenset({"Tree"}),
    "sklearn._loss.loss": frozenset(_LOSSES.split()),
    "sklearn._loss._loss": frozenset(_LOSSES_C.split()),
    "sklearn._loss.link": frozenset(
        {"IdentityLink", "LogitLink", "LogLink", "MultinomialLogit", "HalfLogitLink", "Interval"}
    ),
    "sklearn.ensemble._hist_gradient_boosting.binning": frozenset({"_BinMapper"}),
    "sklearn.ensemble._hist_gradient_boosting.predictor": frozenset({"TreePredictor"}),
    "sklearn.neural_network._stochastic_optimizers": frozenset({"AdamOptimizer", "SGDOptimizer"}),
    "xgboost.core": frozenset({"Booster"}),
    "lightgbm.basic": frozenset({"Booster"}),
}
ALLOWED: Final[dict[str, frozenset[str]]] = {
    **_PARTS,
    **{module: _PARTS.get(module, frozenset()) | frozenset(kinds) for module, kinds in KINDS.items()},
}
"""Module → the names in it that a pickle may have."""

MOVED: Final = {
    "__builtin__": "builtins",
    "copy_reg": "copyreg",
    "numpy.core.multiarray": "numpy._core.multiarray",
    "numpy.core.numeric": "numpy._core.numeric",
    "scipy.sparse.csr": "scipy.sparse._csr",
    "scipy.sparse.csc": "scipy.sparse._csc",
    "sklearn.externals.joblib.numpy_pickle": "joblib.numpy_pickle",
}
"""Former name of a module → today's, where what is in it is the same."""

FORMER: Final = words(
    "sklearn.ensemble._gb_losses sklearn.ensemble._hist_gradient_boosting.loss sklearn.ensemble.forest "
    "sklearn.ensemble.gradient_boosting sklearn.linear_model.base sklearn.linear_model.ridge "
    "sklearn.linear_model.coordinate_descent sklearn.linear_model.logistic "
    "sklearn.neural_network.multilayer_perceptron "
    "sklearn.preprocessing.data sklearn.preprocessing.label sklearn.preprocessing.imputation sklearn.svm.classes "
    "sklearn.tree.tree sklearn._loss.glm_distribution"
)
"""Modules that scikit-learn had and has no more: a pickle with one is old, and not bad for it."""


class Name(NamedTuple):
    """Something a pickle names."""

    module: str
    name: str

    @property
    def today(self) -> Name:
        """The same under the name its module has now."""
        return Name(MOVED.get(self.module, self.module), self.name)

    @property
    def allowed(self) -> bool:
        """Whether a model may need it."""
        module, name = self.today
        return name in ALLOWED.get(module, ())

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"
