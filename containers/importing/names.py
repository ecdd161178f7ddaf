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


_TASKS: Final = {"c": CLASSIFICATION, "r": REGRESSION}


def _all(family: str, task: str, names: str) -> dict[str, Kind]:
    return {name: Kind(family, _TASKS[task]) for name in names.split()}


def _pair(family: str, classifier: str, regressor: str) -> dict[str, Kind]:
    return {**_all(family, "c", classifier), **_all(family, "r", regressor)}


_SKLEARN: Final[dict[str, dict[str, Kind]]] = {
    "sklearn.calibration": {"CalibratedClassifierCV": Kind("calibrated", CLASSIFICATION)},
    "sklearn.compose._target": {"TransformedTargetRegressor": Kind("transformed_target", REGRESSION)},
    "sklearn.discriminant_analysis": _all(
        "discriminant", "c", "LinearDiscriminantAnalysis QuadraticDiscriminantAnalysis"
    ),
    "sklearn.ensemble._bagging": _pair("bagging", "BaggingClassifier", "BaggingRegressor"),
    "sklearn.ensemble._forest": {
        **_pair("random_forest", "RandomForestClassifier", "RandomForestRegressor"),
        **_pair("extra_trees", "ExtraTreesClassifier", "ExtraTreesRegressor"),
    },
    "sklearn.ensemble._gb": _pair("gradient_boosting", "GradientBoostingClassifier", "GradientBoostingRegressor"),
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting": _pair(
        "hist_gradient_boosting", "HistGradientBoostingClassifier", "HistGradientBoostingRegressor"
    ),
    "sklearn.ensemble._stacking": _pair("stacking", "StackingClassifier", "StackingRegressor"),
    "sklearn.ensemble._voting": _pair("voting", "VotingClassifier", "VotingRegressor"),
    "sklearn.ensemble._weight_boosting": _pair("adaboost", "AdaBoostClassifier", "AdaBoostRegressor"),
    "sklearn.linear_model._base": {"LinearRegression": Kind("linear", REGRESSION)},
    "sklearn.linear_model._bayes": _all("bayesian_ridge", "r", "BayesianRidge ARDRegression"),
    "sklearn.linear_model._coordinate_descent": {
        **_all("lasso", "r", "Lasso LassoCV"),
        **_all("elasticnet", "r", "ElasticNet ElasticNetCV"),
    },
    "sklearn.linear_model._glm.glm": _all(
        "generalized_linear", "r", "PoissonRegressor GammaRegressor TweedieRegressor"
    ),
    "sklearn.linear_model._huber": {"HuberRegressor": Kind("huber", REGRESSION)},
    "sklearn.linear_model._least_angle": _all("lars", "r", "Lars LassoLars"),
    "sklearn.linear_model._logistic": _all("logistic", "c", "LogisticRegression LogisticRegressionCV"),
    "sklearn.linear_model._perceptron": {"Perceptron": Kind("sgd", CLASSIFICATION)},
    "sklearn.linear_model._quantile": {"QuantileRegressor": Kind("quantile", REGRESSION)},
    "sklearn.linear_model._ridge": {
        **_all("ridge", "r", "Ridge RidgeCV"),
        **_all("ridge", "c", "RidgeClassifier RidgeClassifierCV"),
    },
    "sklearn.linear_model._stochastic_gradient": _pair("sgd", "SGDClassifier", "SGDRegressor"),
    "sklearn.multiclass": {"OneVsRestClassifier": Kind("one_vs_rest", CLASSIFICATION)},
    "sklearn.naive_bayes": _all("naive_bayes", "c", "GaussianNB BernoulliNB ComplementNB MultinomialNB"),
    "sklearn.neighbors._classification": {"KNeighborsClassifier": Kind("nearest_neighbours", CLASSIFICATION)},
    "sklearn.neighbors._regression": {"KNeighborsRegressor": Kind("nearest_neighbours", REGRESSION)},
    "sklearn.neural_network._multilayer_perceptron": {
        "MLPClassifier": Kind("mlp_classification", CLASSIFICATION),
        "MLPRegressor": Kind("mlp_regression", REGRESSION),
    },
    "sklearn.svm._classes": {**_all("svm", "c", "SVC NuSVC LinearSVC"), **_all("svm", "r", "SVR NuSVR LinearSVR")},
    "sklearn.tree._classes": {
        **_pair("decision_tree", "DecisionTreeClassifier", "DecisionTreeRegressor"),
        **_pair("decision_tree", "ExtraTreeClassifier", "ExtraTreeRegressor"),
    },
}
BOOSTERS: Final[dict[str, dict[str, Kind]]] = {
    "catboost.core": _pair("catboost", "CatBoostClassifier", "CatBoostRegressor"),
    "lightgbm.sklearn": _pair("lightgbm", "LGBMClassifier", "LGBMRegressor"),
    "xgboost.sklearn": _pair("xgboost", "XGBClassifier", "XGBRegressor"),
}
"""Those of libraries beside scikit-learn: a model of theirs stands alone, and never in one that is made of others."""
KINDS: Final = {**_SKLEARN, **BOOSTERS}
"""Module → class → what it is: the estimators an older model may be."""
TAKEN: Final = ", ".join(
    sorted({kind.model_type.replace("_", " ") for kinds in KINDS.values() for kind in kinds.values()})
)
"""The families of ``KINDS``, as a sentence names them."""

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
_LOSSES = words(
    "HalfBinomialLoss HalfMultinomialLoss HalfSquaredError AbsoluteError HuberLoss PinballLoss ExponentialLoss "
    "HalfPoissonLoss HalfGammaLoss HalfTweedieLoss HalfTweedieLossIdentity"
)
_LOSSES_C = frozenset(f"Cy{name}" for name in _LOSSES)
AGAIN: Final = "__pyx_unpickle_"
"""How the names of functions begin that make a loss again; most versions of scikit-learn have other ones."""
LOSSES: Final = "sklearn._loss._loss"
_LOSSES_SGD = words(
    "Hinge SquaredHinge ModifiedHuber EpsilonInsensitive SquaredEpsilonInsensitive Log SquaredLoss Huber "
    "Classification Regression LossFunction"
)
_DISTANCES = "EuclideanDistance ManhattanDistance ChebyshevDistance MinkowskiDistance"
_FUNCTIONS = "log1p expm1 log exp log2 exp2 log10 sqrt square cbrt absolute"
"""Plain functions of numbers that targets and columns are put through."""

_PARTS: Final[dict[str, frozenset[str]]] = {
    "builtins": words("bytearray bytes object set frozenset slice complex int float bool str list dict tuple"),
    "collections": frozenset({"OrderedDict", "defaultdict"}),
    "copyreg": frozenset({"_reconstructor"}),
    ENCODE[0]: frozenset({ENCODE[1]}),
    WRAPPER[0]: frozenset({WRAPPER[1]}),
    "numpy": frozenset({"ndarray", "dtype"}) | words(_NUMBERS) | words(_FUNCTIONS),
    "numpy._core.multiarray": _ARRAYS,
    "numpy._core.numeric": _BUFFERS,
    "numpy.random._pickle": frozenset({"__randomstate_ctor", "__generator_ctor", "__bit_generator_ctor"}),
    "numpy.random._mt19937": frozenset({"MT19937"}),
    "numpy.random._pcg64": frozenset({"PCG64"}),
    "numpy.random.bit_generator": frozenset({"SeedSequence", "__pyx_unpickle_SeedSequence"}),
    "scipy.sparse._csr": _SPARSE,
    "scipy.sparse._csc": _SPARSE,
    "sklearn.pipeline": frozenset({"Pipeline", "FeatureUnion"}),
    "sklearn.compose._column_transformer": frozenset({"ColumnTransformer", "_RemainderColsList"}),
    "sklearn.impute._base": frozenset({"SimpleImputer", "MissingIndicator"}),
    "sklearn.impute._knn": frozenset({"KNNImputer"}),
    "sklearn.calibration": frozenset({"_CalibratedClassifier", "_SigmoidCalibration"}),
    "sklearn.model_selection._split": words(
        "KFold GroupKFold StratifiedKFold StratifiedGroupKFold TimeSeriesSplit ShuffleSplit StratifiedShuffleSplit"
    ),
    "sklearn.isotonic": frozenset({"IsotonicRegression"}),
    "sklearn.decomposition._pca": frozenset({"PCA"}),
    "sklearn.decomposition._truncated_svd": frozenset({"TruncatedSVD"}),
    "sklearn.feature_selection._from_model": frozenset({"SelectFromModel"}),
    "sklearn.feature_selection._rfe": frozenset({"RFE"}),
    "sklearn.feature_selection._univariate_selection": words(
        "SelectKBest SelectPercentile f_classif f_regression chi2"
    ),
    "sklearn.feature_selection._variance_threshold": frozenset({"VarianceThreshold"}),
    "sklearn.preprocessing._data": words(
        "StandardScaler MinMaxScaler RobustScaler MaxAbsScaler PowerTransformer QuantileTransformer Normalizer "
        "Binarizer"
    ),
    "sklearn.preprocessing._discretization": frozenset({"KBinsDiscretizer"}),
    "sklearn.preprocessing._function_transformer": frozenset({"FunctionTransformer"}),
    "sklearn.preprocessing._target_encoder": frozenset({"TargetEncoder"}),
    "sklearn.preprocessing._encoders": frozenset({"OneHotEncoder", "OrdinalEncoder"}),
    "sklearn.preprocessing._label": frozenset({"LabelEncoder", "LabelBinarizer"}),
    "sklearn.preprocessing._polynomial": frozenset({"PolynomialFeatures"}),
    "sklearn.dummy": frozenset({"DummyClassifier", "DummyRegressor"}),
    "sklearn.tree._tree": frozenset({"Tree"}),
    "sklearn._loss.loss": _LOSSES,
    LOSSES: _LOSSES_C | {f"{AGAIN}{name}" for name in _LOSSES_C},
    "sklearn.linear_model._sgd_fast": _LOSSES_SGD,
    "sklearn.neighbors._kd_tree": frozenset({"newObj", "KDTree", "KDTree64"}),
    "sklearn.neighbors._ball_tree": frozenset({"newObj", "BallTree", "BallTree64"}),
    "sklearn.metrics._dist_metrics": frozenset({"newObj"})
    | {f"{name}{bits}" for name in _DISTANCES.split() for bits in ("", "64")},
    "sklearn.utils": frozenset({"Bunch"}),
    "sklearn.utils._bunch": frozenset({"Bunch"}),
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
    "_loss": LOSSES,  # so the pickles of scikit-learn 1.5 to 1.8 call it
    "numpy.core._multiarray_umath": "numpy",
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


ONLY_FITTED: Final = {"sklearn.linear_model._sgd_fast": words("Log SquaredLoss Huber LossFunction")}
"""Module → what was in it and is no more, which no model needs once it is fitted."""


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
