"""What inspection finds in good files: dialect, kinds, gaps, task, warnings."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from containers.training.inspection import inspect, main
from messages.storage import Profile
from tests.unit.training.files import ask, penguins, people, table, write


def column(answer: dict[str, Any], name: str) -> dict[str, Any]:
    return next(c for c in answer["profile"]["columns"] if c["name"] == name)


def warnings_of(path: Path, target: str = "bought", **request: Any) -> str:
    return "\n".join(ask(path, target, **request)["check"]["warnings"])


def test_a_real_file_with_gaps_is_profiled_and_fits_the_shared_shape() -> None:
    path = penguins()
    answer = ask(path, "species")
    profile = Profile.model_validate(answer["profile"])
    assert (profile.rows, profile.delimiter, profile.encoding) == (344, ",", "utf-8")
    assert profile.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert profile.size_bytes == path.stat().st_size
    sex = {"name": "sex", "kind": "category", "missing": 11, "distinct": 2, "example": "male"}
    assert column(answer, "sex") == {**sex, "low": "", "high": "", "personal": ""}
    mass = column(answer, "body_mass_g")
    assert (mass["low"], mass["high"]) == ("2700", "6300")
    assert column(answer, "bill_length_mm")["missing"] == 2
    assert answer["check"]["task"] == "classification"
    assert answer["check"]["classes"] == 3
    assert answer["check"]["features"][0] == "island"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_delimiter_and_encoding_are_found(tmp_path: Path, delimiter: str, encoding: str) -> None:
    text = people(40, delimiter).replace("Faro", "Évora")
    answer = inspect(write(tmp_path, text.encode(encoding)))
    assert answer["profile"]["delimiter"] == delimiter
    assert answer["profile"]["encoding"] == encoding
    assert [c["name"] for c in answer["profile"]["columns"]] == ["age", "city", "bought", "spent"]
    assert column(answer, "city")["distinct"] == 3


def test_a_stray_byte_far_down_turns_utf8_into_cp1252(tmp_path: Path) -> None:
    body = people(20_000).encode() + b"30,\xc9vora\x81,yes,1.5\n"
    assert inspect(write(tmp_path, body))["profile"]["encoding"] == "cp1252"


def test_an_excel_sep_line_decides_and_is_skipped(tmp_path: Path) -> None:
    answer = inspect(write(tmp_path, "sep=|\n" + people(20, "|")))
    assert answer["profile"]["delimiter"] == "|"
    assert answer["profile"]["rows"] == 20


def test_excel_in_portuguese_is_read_with_its_decimal_commas(tmp_path: Path) -> None:
    rows = [f"{i};1.234,{i:02d};31/12/2025;{i}" for i in range(30)]
    answer = inspect(write(tmp_path, table("id;preço;data;n", rows).encode("cp1252")))
    assert column(answer, "preço")["kind"] == "number"
    assert column(answer, "data")["kind"] == "date"


@pytest.mark.parametrize(("cells", "kind"), [(["1,5", "2"], "number"), (["1,5", "1.5"], "category")])
def test_decimal_commas_and_points_are_not_mixed(tmp_path: Path, cells: list[str], kind: str) -> None:
    rows = [f"{cells[i % 2]};x" for i in range(20)]
    assert column(inspect(write(tmp_path, table("a;b", rows))), "a")["kind"] == kind


def test_commas_between_thousands_in_a_comma_file_are_no_decimals(tmp_path: Path) -> None:
    answer = inspect(write(tmp_path, table("a,b", ['"1,234",x'] * 20)))
    assert column(answer, "a")["kind"] == "category"


@pytest.mark.parametrize(
    "token",
    [
        *("", " ", "NA", "N/A", "n/a", "NaN", "nan", "<NA>", "NaT", "null", "NULL", "None"),
        "?",
        "-",
        "inf",
        " NA ",
        "#N/A",
    ],
)
def test_every_missing_token_is_missing_in_numbers_and_in_text(tmp_path: Path, token: str) -> None:
    rows = [f"{i}.5,{'ab'[i % 2]}" for i in range(20)] + [f"{token},{token}"] * 3
    answer = inspect(write(tmp_path, table("n,t", rows)))
    assert (column(answer, "n")["kind"], column(answer, "n")["missing"]) == ("number", 3)
    assert (column(answer, "t")["missing"], column(answer, "t")["distinct"]) == (3, 2)


@pytest.mark.parametrize("cell", ["1_000", "nan1", "٣", "0x10", "1 2", "1e", "--1", "infinit", "−5"])
def test_what_only_looks_like_a_number_makes_a_column_text(tmp_path: Path, cell: str) -> None:
    rows = [f"{i},{i}" for i in range(30)] + [f"{cell},{cell}"]
    path = write(tmp_path, table("a,b", rows))
    assert column(inspect(path), "a")["kind"] == "category"


def test_distinct_values_are_counted_up_to_a_bound_and_long_ones_by_hash(tmp_path: Path) -> None:
    rows = [f"{i},{i % 1000},{'x' * 500}{i % 7}" for i in range(5000)]
    answer = inspect(write(tmp_path, table("many,thousand,long", rows)))
    assert [column(answer, n)["distinct"] for n in ("many", "thousand", "long")] == [None, 1000, 7]
    assert len(column(answer, "long")["example"]) == 40


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["0", "1"], "classification"),
        (["0.0", "1"], "classification"),
        (["0.5", "1.5"], "classification"),
        (["1", "2", "3", "4"], "classification"),
        ([str(i) for i in range(21)], "regression"),
        (["1.5", "2.5", "3.5"], "regression"),
        ([f"{i}.25" for i in range(400)], "regression"),
    ],
)
def test_the_task_follows_from_the_target(tmp_path: Path, values: list[str], task: str) -> None:
    rows = [f"{i % 17},{values[i % len(values)]}" for i in range(400)]
    assert ask(write(tmp_path, table("a,y", rows)), "y")["check"]["task"] == task


def test_a_model_of_one_task_decides_where_the_target_allows_both(tmp_path: Path) -> None:
    path = write(tmp_path, table("a,y", [f"{i % 17},{i % 3}" for i in range(400)]))
    assert ask(path, "y", model="ridge")["check"]["task"] == "regression"
    assert ask(path, "y", model="logistic")["check"]["classes"] == 3
    assert "treated as classes" in warnings_of(path, "y")


def test_what_spoils_a_training_is_said_before_money_is_spent(tmp_path: Path) -> None:
    rows = [
        f"{i},person {i},PT,{'A' if i % 2 else 'B'},{'yes' if i % 2 else 'no'},{i * 3 if i != 90 else 'unknown'}"
        for i in range(100)
    ]
    path = write(tmp_path, table("row,name,country,group,bought,amount", [*rows, "100,person 100,PT,A,,3"]))
    said = warnings_of(path)
    assert "1 of 101 rows have no 'bought'" in said
    assert "'row' counts the rows" in said
    assert "'name' differs in every row" in said
    assert "'country' is the same" in said
    assert "'group' alone tells the target" in said
    assert "'amount' has text such as 'unknown' among its numbers" in said


def test_a_copy_of_the_target_small_classes_and_many_texts_are_warned_of(tmp_path: Path) -> None:
    rows = [f"town {i % 70},{y},{y}" for i in range(300) for y in ["rare" if i < 3 else ("yes", "no")[i % 2]]]
    said = warnings_of(write(tmp_path, table("town,copy,bought", rows)))
    assert "'copy' is equal to the target" in said
    assert "'rare'" in said
    assert "'town' has many different texts" in said
    amounts = write(tmp_path, table("copy,y", [f"{i * 1.5},{i * 1.5}" for i in range(300)]))
    assert "equal to the target" in warnings_of(amounts, "y")


def test_an_ordinary_file_is_not_warned_of(tmp_path: Path) -> None:
    assert warnings_of(write(tmp_path, people())) == ""
    assert warnings_of(penguins(), "sex") == "11 of 344 rows have no 'sex' and are left out."


def test_names_are_taken_without_surrounding_spaces(tmp_path: Path) -> None:
    answer = ask(write(tmp_path, people().replace("city", " city ")), features=["city ", "city"])
    assert answer["check"]["features"] == ["city"]


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        ("hist_gradient_boosting", {"max_depth": None, "learning_rate": 1, "max_iter": 5.0}),
        ("logistic", {"class_weight": "balanced"}),
    ],
)
def test_parameters_in_range_are_accepted(tmp_path: Path, model: str, parameters: dict[str, object]) -> None:
    assert ask(write(tmp_path, people()), model=model, parameters=parameters)["ok"]


def test_the_program_prints_one_json_line_and_exits_0_either_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, people())
    request = write(tmp_path, json.dumps({"target": "bought"}), "request.json")
    for arguments in ([str(path)], [str(path), "--request", str(request)], ["--request", str(request), str(path)]):
        assert main(arguments) == 0
        (line,) = capsys.readouterr().out.splitlines()
        assert json.loads(line)["ok"]
    assert main([str(write(tmp_path, b"", "empty.csv"))]) == 0
    assert json.loads(capsys.readouterr().out)["code"] == "E-CSV-EMPTY"
    assert main([]) == 2


def test_inspection_starts_without_any_library(tmp_path: Path) -> None:
    path = write(tmp_path, people())
    code = (
        "import sys; from containers.training.inspection import main; main([sys.argv[1]]);"
        "print([m for m in ('numpy', 'pandas', 'sklearn', 'skops', 'pydantic', 'difflib', 'argparse')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1] == "[]"


def test_a_big_file_is_inspected_in_bounded_memory(tmp_path: Path) -> None:
    """About 25 MB, within an address space that could not hold its rows."""
    path = tmp_path / "big.csv"
    line = "{0},12.5,Lisbon,a text that is different {0},NA,yes\n"
    with path.open("w") as file:
        file.write("id,a,b,c,d,bought\n")
        for start in range(0, 450_000, 10_000):
            file.writelines(line.format(i) for i in range(start, start + 10_000))

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (160 * 1024**2, 160 * 1024**2))

    command = [sys.executable, "-m", "containers.training.inspection", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, preexec_fn=limit, env=dict(os.environ))
    answer = json.loads(done.stdout)
    assert answer["profile"]["rows"] == 450_000
    assert column(answer, "d")["kind"] == "empty"
