"""Columns of dates: found, read alike everywhere, made numbers of in the model."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st
from sklearn.pipeline import Pipeline

from containers.prediction.features import match_features
from containers.prediction.model import OURS, TRUSTED
from containers.training import dates
from containers.training.date_parts import NO_DATE, DateParts, from_seconds, to_seconds
from containers.training.estimators import Size
from containers.training.families import FAMILIES, complete_parameters
from containers.training.frame import date_array, load
from containers.training.inspection import inspect
from containers.training.moments import moments
from containers.training.pipeline import build
from containers.training.profile import survey
from containers.training.refusal import Refused
from tests.unit.training.files import ask, refused, table, write


def days(way: str, count: int = 40, first: date = date(2026, 1, 20), step: int = 1) -> list[str]:
    return [(first + timedelta(days=i * step)).strftime(way) for i in range(count)]


def column(answer: dict[str, Any], name: str) -> dict[str, Any]:
    return next(c for c in answer["profile"]["columns"] if c["name"] == name)


@pytest.mark.parametrize(
    ("cell", "way", "expected"),
    [
        ("2026-11-26", "iso", "2026-11-26"),
        (" 2026/1/5 ", "iso", "2026-01-05"),
        ("2026-11-26T18:30:00Z", "iso", "2026-11-26 18:30:00"),
        ("2026-11-26 01:00+02:00", "iso", "2026-11-25 23:00:00"),
        ("26/11/2026", "day-first", "2026-11-26"),
        ("26.11.26 18:30", "day-first", "2026-11-26 18:30:00"),
        ("5-1-2026", "day-first", "2026-01-05"),
        ("31.12.70", "day-first", "1970-12-31"),
        ("11/26/2026 6:30 PM", "month-first", "2026-11-26 18:30:00"),
        ("1/5/26 12:00 am", "month-first", "2026-01-05"),
    ],
)
def test_dates_are_read_in_their_way(cell: str, way: str, expected: str) -> None:
    since = dates.seconds(cell, way)
    assert since is not None
    assert dates.text(since) == expected


@pytest.mark.parametrize(
    "cell",
    ["2026-02-30", "32/01/2026", "00/01/2026", "1/2/3", "10-12-15", "12:30", "1.2.3", "2026", "now", "26/11-2026",
     "0001-01-01T00:00+14:00", "9999-12-31T23:59-12:00", "٢٦/١١/٢٠٢٦", "11/26/2026 13:00 PM"],
)  # fmt: skip
def test_what_is_no_date_is_none_in_any_way(cell: str) -> None:
    assert [dates.seconds(cell, way) for way in dates.WAYS] == [None] * 3


@given(st.datetimes(min_value=pd.Timestamp("0002-01-01").to_pydatetime()))
def test_any_time_written_as_iso_comes_back(when: Any) -> None:
    since = dates.seconds(when.isoformat(), "iso")
    assert since is None or dates.text(since)[:10] == when.date().isoformat()


@pytest.mark.parametrize(
    ("format", "way"), [("%Y-%m-%d", "iso"), ("%d/%m/%Y", "day-first"), ("%m/%d/%Y", "month-first")]
)
def test_a_column_of_dates_is_found_with_its_range_and_called_the_time(tmp_path: Path, format: str, way: str) -> None:
    path = write(tmp_path, table("day,y", [f"{day},{i % 2}" for i, day in enumerate([*days(format), "", "NA"])]))
    found = survey(path, "y")
    assert (found.columns[0].kind, found.columns[0].way, found.columns[0].way_doubtful) == ("date", way, False)
    answer = ask(path, "y")
    day = column(answer, "day")
    assert (day["kind"], day["missing"], day["low"], day["high"]) == ("date", 2, "2026-01-20", "2026-02-28")
    assert answer["profile"]["time_column"] == "day"
    assert "use --time" in "".join(answer["check"]["warnings"])
    assert "use --time" not in "".join(ask(path, "y", time="day")["check"]["warnings"])


def test_one_cell_that_is_no_date_makes_a_column_of_texts(tmp_path: Path) -> None:
    cells = [*days("%Y-%m-%d"), "soon"]
    assert column(inspect(write(tmp_path, table("day,y", [f"{d},1" for d in cells]))), "day")["kind"] == "category"


def test_dates_in_doubt_are_read_as_the_file_or_the_model_has_them_and_else_said(tmp_path: Path) -> None:
    vague, sure = ["01/02/2026", "03/04/2026"] * 10, days("%m/%d/%Y", 20)
    told = write(tmp_path, table("a,b,y", [f"{v},{s},{i}" for i, (v, s) in enumerate(zip(vague, sure, strict=True))]))
    assert survey(told).columns[0].way == "month-first"
    alone = write(tmp_path, table("a,y", [f"{v},{i}.5" for i, v in enumerate(vague)]))
    assert survey(alone).columns[0].way == "day-first"
    assert survey(alone, ways={"a": "month-first"}).columns[0].way == "month-first"
    assert "'01/02/2026' is read with the day first" in "".join(ask(alone, "y")["check"]["warnings"])
    assert refused(ask(alone, "y", time="a")) == "E-SPLIT"


def test_a_target_of_dates_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = write(tmp_path, table("a,day", [f"{i},{day}" for i, day in enumerate(days("%Y-%m-%d"))]))
    answer = ask(path, "day")
    assert refused(answer) == "E-TASK"
    assert "days since a fixed day" in answer["detail"]
    with pytest.raises(Refused, match="E-TASK"):
        load(path, survey(path), ["a"], "day", "regression")


def test_dates_lie_in_memory_as_seconds_and_gaps_as_no_date(tmp_path: Path) -> None:
    path = write(tmp_path, table("day,y", [f"{d},{i}.5" for i, d in enumerate([*days("%d/%m/%Y", 12), "", "?"])]))
    frame = load(path, survey(path), ["day"], "y", "regression", "day")
    assert frame.features["day"].iloc[0] == pd.Timestamp("2026-01-20")
    assert frame.features["day"].isna().tolist() == [False] * 12 + [True] * 2
    order = moments(frame.beside, "day")  # type: ignore[arg-type]
    assert order[0] < order[1]
    assert order[-1] == -np.inf
    write(tmp_path, table("day,y", ["soon,1"] * 14))
    changed = survey(
        write(
            tmp_path,
            table(
                "day,y",
                [f"{d},1" for d in days("%Y-%m-%d", 12)],
            ),
            "other.csv",
        )
    )
    with pytest.raises(Refused, match="E-ARTIFACT"):
        load(path, changed, ["day"], "y", "regression")


def made(*cells: str) -> pd.DataFrame:
    return pd.DataFrame({"day": date_array(cells, "iso")})


def test_the_numbers_of_a_date_are_those_of_the_calendar() -> None:
    known = made("2026-11-26 18:30", "1969-12-31", "2024-02-29", "")
    parts = DateParts().fit(known)
    assert list(parts.get_feature_names_out(["day"])) == [
        f"day_{p}" for p in ("year", "month", "day_of_week", "days", "hour")
    ]
    found = parts.transform(known)
    assert found[:3].tolist() == [
        [2026, 11, 3, (date(2026, 11, 26) - date(1969, 12, 31)).days, 18],
        [1969, 12, 2, 0, 0],
        [2024, 2, 3, (date(2024, 2, 29) - date(1969, 12, 31)).days, 0],
    ]
    assert np.isnan(found[3]).all()
    later = parts.transform(made("1969-12-30"))
    assert later[0][3] == -1, "the earliest date is that of the training rows"
    assert DateParts().fit(made("2026-11-26")).transform(made("2026-11-26 10:00")).shape == (1, 4)
    assert DateParts().fit(made("", "")).transform(made("2026-11-26"))[0][0] == 2026


def test_seconds_and_columns_of_dates_are_the_same_thing() -> None:
    column = from_seconds([0, NO_DATE, -5])
    assert to_seconds(pd.Series(column)).tolist() == [0, NO_DATE, -5]


@pytest.mark.filterwarnings("ignore:(Bins whose|Feature 0 is constant)")
@pytest.mark.parametrize("name", ["linear", "polynomial", "naive_bayes", "decision_tree", "hist_gradient_boosting"])
def test_every_way_of_preparing_takes_dates_with_gaps_and_its_file_is_trusted(name: str) -> None:
    family = FAMILIES[name]
    task = family.tasks[0]
    frame = pd.DataFrame({"n": np.arange(60.0), "day": from_seconds([NO_DATE, *(86_400 * i for i in range(59))])})
    frame["t"] = ["a", "b"] * 30
    parameters = complete_parameters(family, {})
    pipeline = build(
        family, task, parameters, ["n"], ["t"], size=Size(60, 30), dates=["day"], classes=2, seed=1, threads=1
    )
    prepare = pipeline.named_steps["prepare"]
    prepared = prepare.fit_transform(frame, np.arange(60) % 2)
    width = prepared.shape[1]
    without = Pipeline(
        [
            (
                "p",
                build(
                    family, task, parameters, ["n"], ["t"], size=Size(60, 30), classes=2, seed=1, threads=1
                ).named_steps["prepare"],
            )
        ]
    ).fit_transform(frame, np.arange(60) % 2)
    assert width > without.shape[1]
    kept = skops.io.dumps(prepare)
    assert set(skops.io.get_untrusted_types(data=kept)) <= {*OURS, *TRUSTED[name]}
    again = skops.io.loads(kept, trusted=[*OURS, *TRUSTED[name]]).transform(frame)
    first, second = (
        part if isinstance(part, np.ndarray) else part.toarray() for part in (again, prepare.transform(frame))
    )
    assert np.array_equal(first, second, equal_nan=True)


def test_naive_bayes_prepares_numbers_without_gaps() -> None:
    family, frame = FAMILIES["naive_bayes"], pd.DataFrame({"n": np.arange(60.0)})
    parameters = complete_parameters(family, {})
    pipeline = build(family, "classification", parameters, ["n"], [], size=Size(60, 30), classes=2, seed=1, threads=1)
    assert pipeline.fit(frame, np.arange(60) // 30).score(frame, np.arange(60) // 30) > 0.8


def test_a_column_that_held_dates_may_be_empty_and_may_hold_nothing_else(tmp_path: Path) -> None:
    schema = {"columns": [{"name": "day", "kind": "date"}]}
    fine = survey(write(tmp_path, "day,x\n26/11/2026,1\n,2\n")).columns
    assert match_features(schema, fine)[0].way == "day-first"
    assert match_features(schema, survey(write(tmp_path, "day,x\n,1\n")).columns)[0].way == "iso"
    for cell, words in (("soon", "text such as 'soon'"), ("20261126", "numbers such as '20261126'")):
        with pytest.raises(Refused, match=words):
            match_features(schema, survey(write(tmp_path, f"day,x\n{cell},1\n")).columns)
    with pytest.raises(Refused, match="dates such as '2026-11-26' where the model learnt numbers"):
        match_features(
            {"columns": [{"name": "day", "kind": "number"}]}, survey(write(tmp_path, "day,x\n2026-11-26,1\n")).columns
        )
