"""A model of every kind that is brought over, not fitted; and what prepared columns before them."""

from __future__ import annotations

from typing import Any

import numpy as np
from catboost import CatBoostClassifier, CatBoostRegressor
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.feature_selection import RFE, SelectFromModel, SelectKBest, SelectPercentile, VarianceThreshold
from sklearn.impute import KNNImputer
from sklearn.linear_model import (
    ARDRegression,
    BayesianRidge,
    ElasticNet,
    ElasticNetCV,
    GammaRegressor,
    HuberRegressor,
    Lars,
    Lasso,
    LassoCV,
    LassoLars,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    Perceptron,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
    SGDClassifier,
    SGDRegressor,
    TweedieRegressor,
)
from sklearn.model_selection import KFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    Normalizer,
    PowerTransformer,
    QuantileTransformer,
    StandardScaler,
)
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR, NuSVC, NuSVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor
from xgboost import XGBClassifier, XGBRegressor

from tests.support.old_models import Old, fitted, frame, labels

NEAR = KNeighborsClassifier(weights="distance", leaf_size=5)
TREE = DecisionTreeClassifier(max_depth=2)
CLASSIFIERS = (
    LogisticRegression(),
    LogisticRegressionCV(Cs=2, cv=KFold(2), use_legacy_attributes=False, l1_ratios=(0.0,), scoring="accuracy"),
    RidgeClassifier(),
    RidgeClassifierCV(),
    SGDClassifier(random_state=1),
    SGDClassifier(loss="log_loss", random_state=1),
    Perceptron(),
    LinearDiscriminantAnalysis(),
    QuadraticDiscriminantAnalysis(reg_param=0.1),
    NEAR,
    KNeighborsClassifier(algorithm="brute", n_jobs=-1),
    KNeighborsClassifier(algorithm="ball_tree", p=3),
    DecisionTreeClassifier(max_depth=4),
    ExtraTreeClassifier(max_depth=4),
    RandomForestClassifier(4, n_jobs=-1),
    ExtraTreesClassifier(4, n_jobs=-1),
    GradientBoostingClassifier(n_estimators=3),
    HistGradientBoostingClassifier(max_iter=3),
    AdaBoostClassifier(n_estimators=3),
    BaggingClassifier(NEAR, n_estimators=3, max_features=2),
    VotingClassifier([("near", NEAR), ("tree", TREE)], voting="soft"),
    VotingClassifier([("one", LogisticRegression()), ("tree", TREE)]),
    StackingClassifier([("near", NEAR), ("svm", LinearSVC())], cv=KFold(2)),
    CalibratedClassifierCV(LinearSVC(), cv=KFold(2)),
    CalibratedClassifierCV(TREE, method="isotonic", cv=2),
    OneVsRestClassifier(LogisticRegression()),
    GaussianNB(),
    BernoulliNB(),
    ComplementNB(),
    MultinomialNB(),
    SVC(),
    NuSVC(nu=0.1),
    LinearSVC(),
    MLPClassifier((4,), max_iter=3),
)
REGRESSORS = (
    LinearRegression(),
    Ridge(),
    RidgeCV(),
    Lasso(),
    LassoCV(cv=2),
    ElasticNet(),
    ElasticNetCV(cv=2),
    Lars(),
    LassoLars(),
    BayesianRidge(),
    ARDRegression(),
    HuberRegressor(),
    QuantileRegressor(),
    SGDRegressor(random_state=1),
    PoissonRegressor(),
    GammaRegressor(),
    TweedieRegressor(power=1.5),
    KNeighborsRegressor(weights="distance"),
    DecisionTreeRegressor(max_depth=4),
    ExtraTreeRegressor(max_depth=4),
    RandomForestRegressor(4),
    ExtraTreesRegressor(4),
    GradientBoostingRegressor(n_estimators=3),
    HistGradientBoostingRegressor(max_iter=3),
    AdaBoostRegressor(n_estimators=3),
    BaggingRegressor(n_estimators=3),
    VotingRegressor([("near", KNeighborsRegressor()), ("one", Ridge())]),
    StackingRegressor([("tree", DecisionTreeRegressor(max_depth=2)), ("one", Ridge())], cv=2),
    TransformedTargetRegressor(ExtraTreeRegressor(), func=np.log1p, inverse_func=np.expm1),
    SVR(),
    NuSVR(),
    LinearSVR(),
    MLPRegressor(hidden_layer_sizes=(4,), max_iter=3),
    LGBMRegressor(n_estimators=3, verbose=-1),
    XGBRegressor(n_estimators=3),
    CatBoostRegressor(iterations=3, verbose=False, allow_writing_files=False),
)
OF_WHOLE_NUMBERS = (
    XGBClassifier(n_estimators=3),
    CatBoostClassifier(iterations=3, verbose=False, allow_writing_files=False),
    LGBMClassifier(n_estimators=3, verbose=-1),
)
EVERYTHING = (*CLASSIFIERS, *REGRESSORS, *OF_WHOLE_NUMBERS)
PREPARATIONS = (
    KNNImputer(),
    PowerTransformer(),
    FeatureUnion([("svd", TruncatedSVD(2)), ("power", QuantileTransformer(n_quantiles=20)), ("all", StandardScaler())]),
    MinMaxScaler(),
    FunctionTransformer(np.sqrt),
    SelectKBest(k=4),
    SelectPercentile(percentile=90),
    SelectFromModel(LogisticRegression(), threshold=-np.inf),
    RFE(LogisticRegression(), n_features_to_select=3),
    VarianceThreshold(),
    PCA(2),
    Normalizer(),
    KBinsDiscretizer(3, encode="ordinal", quantile_method="averaged_inverted_cdf"),
    Binarizer(threshold=1.0),
)


def old(model: Any) -> Old:
    """Fit one of these on a target of its kind."""
    rows = frame()
    if any(model is one for one in REGRESSORS):
        return fitted(clone(model), rows["spend"] / 7)
    whole = any(model is one for one in OF_WHOLE_NUMBERS)
    never_below = MinMaxScaler() if isinstance(model, ComplementNB | MultinomialNB) else None
    return fitted(clone(model), (labels(rows) == "yes").astype(int) if whole else None, scaler=never_below)


def of_many() -> VotingClassifier:
    """Return one model of members that need every part that members can have."""
    members = (
        NEAR,
        KNeighborsClassifier(algorithm="ball_tree", metric="manhattan"),
        ExtraTreesClassifier(3),
        AdaBoostClassifier(n_estimators=3),
        BaggingClassifier(NEAR, n_estimators=2),
        GradientBoostingClassifier(n_estimators=2),
        HistGradientBoostingClassifier(max_iter=2),
        SGDClassifier(loss="modified_huber"),
        LinearDiscriminantAnalysis(),
        OneVsRestClassifier(LogisticRegression()),
        CalibratedClassifierCV(LinearSVC(), cv=2),
        CalibratedClassifierCV(Pipeline([("pca", PCA(2)), ("tree", TREE)]), method="isotonic", cv=2),
        StackingClassifier([("tree", TREE), ("bayes", GaussianNB())], cv=2),
    )
    return VotingClassifier([(f"m{n}", clone(member)) for n, member in enumerate(members)], voting="soft")
