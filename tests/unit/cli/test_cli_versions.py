"""What a model was made with is compared with what is here, before anything is spent on doing it once more."""

from __future__ import annotations

import importlib.metadata
import platform

from lastcall.cli.versions import SHOWN_MAX, here, installed, on_rented, others


def test_versions_are_those_of_the_packages_that_bring_the_libraries() -> None:
    assert installed("python") == platform.python_version()
    assert installed("scikit-learn") == importlib.metadata.version("scikit-learn")
    assert installed("xgboost") == importlib.metadata.version("xgboost-cpu")
    assert installed("no-such-library") is None


def test_only_what_differs_is_said_and_nothing_where_nothing_does() -> None:
    now = {"numpy": ["2.4.6", "2.5.5"], "scipy": ["1.17.0"], "python": None, "xgboost": []}.get
    assert others({"numpy": "2.5.5", "scipy": "1.17.0", "python": "3.12.1"}, now) == ""
    told = others({"numpy": "2.3.0", "scipy": "1.17.0", "xgboost": "3.2.0", "python": "3.12.1"}, now)
    assert told.endswith(
        "may come out: numpy 2.3.0, now 2.4.6 or 2.5.5; xgboost 3.2.0, now none; python 3.12.1, now the machine's own."
    )
    many = others({f"p{i}": "1" for i in range(SHOWN_MAX + 2)}, lambda _: ["2"])
    assert many.endswith("; and 2 more.")


def test_a_rented_machine_gets_the_locked_versions_whatever_is_installed_here() -> None:
    assert on_rented("python") is None
    assert set(on_rented("scikit-learn") or ()) == set(here("scikit-learn"))
    assert len(on_rented("numpy") or ()) == 2  # one for each Python that it is made for
    assert on_rented("torch")
    assert on_rented("xgboost")
    assert on_rented("no-such-library") == []
