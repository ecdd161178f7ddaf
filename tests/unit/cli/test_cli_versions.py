"""What a model was made with is compared with what is here, before anything is spent on doing it once more."""

from __future__ import annotations

import importlib.metadata
import platform

from lastcall.cli.versions import SHOWN_MAX, installed, others


def test_versions_are_those_of_the_packages_that_bring_the_libraries() -> None:
    assert installed("python") == platform.python_version()
    assert installed("scikit-learn") == importlib.metadata.version("scikit-learn")
    assert installed("xgboost") == importlib.metadata.version("xgboost-cpu")
    assert installed("no-such-library") is None


def test_only_what_differs_is_said_and_nothing_where_nothing_does() -> None:
    here = {"numpy": "2.4.6", "scipy": "1.17.0"}.get
    assert others({"numpy": "2.4.6", "scipy": "1.17.0"}, here) == ""
    told = others({"numpy": "2.3.0", "scipy": "1.17.0", "xgboost": "3.2.0"}, here)
    assert told.endswith("another result may come out: numpy 2.3.0, here 2.4.6; xgboost 3.2.0, here none.")
    many = others({f"p{i}": "1" for i in range(SHOWN_MAX + 2)}, here)
    assert many.endswith("; and 2 more.")
