"""A column of dates from the file to the prediction."""

from __future__ import annotations

import random
from datetime import date, timedelta
from pathlib import Path

from containers.prediction.__main__ import answer
from tests.integration.training.bundles import document, read, request, train
from tests.unit.training.files import table, write


def test_a_model_learns_from_dates_and_takes_them_in_another_way_to_predict(tmp_path: Path) -> None:
    draw = random.Random(1)
    days = [date(2026, 1, 1) + timedelta(days=i) for i in range(400)]
    sold = [f"{day.weekday() * 10 + draw.random():.2f}" for day in days]
    noise = [str(draw.randrange(100)) for _ in days]
    rows = [f"{d:%d/%m/%Y},{n},{y}" for d, n, y in zip(days, noise, sold, strict=True)]
    bundle = train(tmp_path / "job", write(tmp_path, table("day,n,sold", rows)), "sold", model="hist_gradient_boosting")
    metrics, schema = document(bundle / "metrics.json"), document(bundle / "schema.json")
    assert metrics["headline"]["value"] < 5, "the day of the week is learnt"
    assert metrics["importance"]["columns"][0]["name"] == "day", "importance is that of the column in the file"
    assert schema["columns"][0] == {"name": "day", "kind": "date", "missing": 0, "low": schema["columns"][0]["low"],
                                    "high": schema["columns"][0]["high"]}  # fmt: skip
    assert schema["columns"][0]["low"] < "2026-02"
    found = []
    for way in ("%d/%m/%Y", "%Y-%m-%dT00:00:00Z", "%Y/%m/%d"):
        asked = table("day,n", [f"{day:{way}},5" for day in days[:60]])
        assert answer(request(bundle, write(tmp_path, asked, "asked.csv"), tmp_path / "predicted.csv"))["ok"]
        found.append([row["prediction"] for row in read(tmp_path / "predicted.csv")])
    assert found[0] == found[1] == found[2]
    vague = write(tmp_path, table("day,n", ["02/01/2026,5"]), "vague.csv")
    assert answer(request(bundle, vague, tmp_path / "predicted.csv"))["ok"]
    assert read(tmp_path / "predicted.csv")[0]["prediction"] == found[0][1], "read as the model's file wrote dates"
    wrong = answer(
        request(bundle, write(tmp_path, table("day,n", ["soon,5"]), "wrong.csv"), tmp_path / "predicted.csv")
    )
    assert wrong["code"] == "E-CSV-SCHEMA"
