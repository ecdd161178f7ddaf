"""The bench's tables: real data that installed packages ship, written as CSV files."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from sklearn import datasets


class Table(NamedTuple):
    """One table and what is to be predicted of it."""

    file: Path
    target: str
    task: str


def _bundled(load: Callable[..., object], name: str, classes: bool) -> tuple[pd.DataFrame, str]:
    found = load(as_frame=True)
    table = found.frame.rename(columns={"target": name})  # type: ignore[attr-defined]
    if classes:
        table[name] = [str(found.target_names[label]) for label in table[name]]  # type: ignore[attr-defined]
    return table, name


def _penguins(target: str) -> tuple[pd.DataFrame, str]:
    with resources.as_file(resources.files("palmerpenguins") / "data" / "penguins.csv") as path:
        table = pd.read_csv(path)
    return table.dropna(subset=[target]), target


SETS: dict[str, tuple[str, Callable[[], tuple[pd.DataFrame, str]]]] = {
    "diabetes": ("regression", lambda: _bundled(datasets.load_diabetes, "progression", classes=False)),
    "penguins, mass": ("regression", lambda: _penguins("body_mass_g")),
    "breast cancer": ("classification", lambda: _bundled(datasets.load_breast_cancer, "diagnosis", classes=True)),
    "penguins, species": ("classification", lambda: _penguins("species")),
    "wine": ("classification", lambda: _bundled(datasets.load_wine, "cultivar", classes=True)),
    "digits": ("classification", lambda: _bundled(datasets.load_digits, "digit", classes=True)),
}
"""Name → task and how it is had: 442 rows of ten numbers; 342 of numbers, texts and gaps; 569 of thirty numbers in two
classes; 344 mixed ones in three; 178 of thirteen numbers in three; 1,797 of 64 numbers in ten."""


def write(name: str, folder: Path) -> Table:
    """Write one of the tables into ``folder``."""
    task, load = SETS[name]
    table, target = load()
    path = folder / f"{name.replace(', ', '-').replace(' ', '-')}.csv"
    table.to_csv(path, index=False)
    return Table(path, target, task)
