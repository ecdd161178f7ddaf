"""Bad inputs are refused before any money is spent: one code each, one line with the fix in it. (faults.md 82)"""

from __future__ import annotations

from pathlib import Path

import pytest

from containers.training.inspection import inspect
from messages.errors import ERRORS
from tests.unit.training.files import ask, people, refused, table, write

NINE: dict[str, str | bytes] = {
    "E-CSV-EMPTY": b"",
    "E-CSV-HEADER": table("34,Lisbon,yes,1.5", ["35,Porto,no,2.5"] * 20),
    "E-CSV-TARGET": people().replace("bought", "purchased", 1),
    "E-CSV-ONECLASS": people().replace(",no,", ",yes,"),
    "E-CSV-ALLMISSING": table("age,empty,bought", [f"{i},,{'yes' if i % 2 else 'no'}" for i in range(20)]),
    "E-CSV-ROWS": table("age,city,bought", ["34,Lisbon,yes"]),
    "E-CSV-DELIMITER": people().replace(",", ":"),
    "E-CSV-BINARY": bytes(range(256)) * 20,
    "E-CSV-COLUMNS": table(",".join(f"c{i}" for i in range(10_000)), [",".join("1" * 10_000)] * 12),
}


@pytest.mark.parametrize("code", NINE)
def test_each_of_the_nine_bad_inputs_has_its_own_code_and_one_line_with_the_fix(tmp_path: Path, code: str) -> None:
    answer = ask(write(tmp_path, NINE[code]))
    assert refused(answer) == code
    assert code in ERRORS


def test_a_target_that_is_nearly_right_is_suggested(tmp_path: Path) -> None:
    answer = ask(write(tmp_path, people()), target="Bougth")
    assert refused(answer) == "E-CSV-TARGET"
    assert "'bought'" in answer["detail"]


def test_a_target_unlike_anything_is_answered_with_the_last_column(tmp_path: Path) -> None:
    assert "'spent'" in ask(write(tmp_path, people()), target="zzzzzz")["detail"]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\xd0\xcf\x11\xe0" + bytes(50), "old Excel"),
        (b"%PDF-1.7\n", "PDF"),
        (people().encode("utf-32"), "UTF-32"),
        (people().encode() + b"\0\0\0", "zero bytes"),
        (b"\x01\x02\x03\x04" * 40, "binary data"),
        (b"\xff\xfea\x00,\x00b\x00\n\x00" + b"\x00\xd8" * 20, "damaged UTF-16"),
    ],
)
def test_what_is_not_text_is_named_with_what_to_do(tmp_path: Path, content: bytes, kind: str) -> None:
    answer = inspect(write(tmp_path, content))
    assert refused(answer) == "E-CSV-BINARY"
    assert kind in answer["detail"]


def test_a_zero_byte_far_down_is_found(tmp_path: Path) -> None:
    answer = inspect(write(tmp_path, people(20_000).encode() + b"1,a\0,yes,2\n"))
    assert refused(answer) == "E-CSV-BINARY"


@pytest.mark.parametrize("content", ["<!DOCTYPE html><html>,,</html>", '{"a": 1, "b": 2}', '[{"a": 1,\n"b": 2}]'])
def test_a_web_page_or_json_is_no_table(tmp_path: Path, content: str) -> None:
    assert refused(inspect(write(tmp_path, content))) == "E-CSV-DELIMITER"


@pytest.mark.parametrize("content", ["\n\n  \n", "\ufeff", "\ufeff\r\n"])
def test_white_space_alone_is_an_empty_file(tmp_path: Path, content: str) -> None:
    assert refused(inspect(write(tmp_path, content))) == "E-CSV-EMPTY"


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("age,,bought", "Column 2 has no name: give"),
        (",age,bought", "Column 1 has no name (pandas writes one with index=True): give it one or remove"),
        ("Report 2026,,", "The first line holds 'Report 2026' alone, like a title: remove what stands above"),
        ("Report 2026", "Line 1 ('Report 2026') makes 1 column and most lines below 3: remove what stands above"),
        ("age,bought", "Line 1 ('age,bought') makes 2 columns and most lines below 3: give each column its name"),
        ("age,age,bought", "Columns 1 and 2"),
        (f"a,{'x' * 600},b", "600 char"),
    ],
)
def test_a_header_whose_names_cannot_be_used_is_refused_with_the_column(
    tmp_path: Path, header: str, words: str
) -> None:
    answer = inspect(write(tmp_path, table(header, ["1,2,yes"] * 20)))
    assert refused(answer) == "E-CSV-HEADER"
    assert words in answer["detail"]


@pytest.mark.parametrize(
    "header",
    ["age2,col 1,3rd", "country,2019,2020", "x,y,-", "1st,2nd,3rd", "Q1 2020,Q2 2020,1e5x", "a,b,NA"],
)
def test_real_headers_with_digits_are_no_data(tmp_path: Path, header: str) -> None:
    rows = [f"{'pt' if i % 3 else 'es'},{i * 7},{i * 3}.5" for i in range(30)]
    assert inspect(write(tmp_path, table(header, rows)))["ok"]


@pytest.mark.parametrize(
    "first",
    ["1,2,3", "5.1,a,0.2", "name,3,1e5", "2019,2020,2021", "yes,2020,12"],
)
def test_a_first_line_with_numbers_above_numbers_is_data(tmp_path: Path, first: str) -> None:
    rows = [f"{i},{2000 + i},{i * 3}" for i in range(30)]
    assert refused(inspect(write(tmp_path, table(first, rows)))) == "E-CSV-HEADER"


def test_a_first_line_of_text_that_comes_again_in_every_column_is_data(tmp_path: Path) -> None:
    rows = [f"{'red' if i % 3 else 'blue'},{'small' if i % 2 else 'big'}" for i in range(30)]
    assert refused(inspect(write(tmp_path, table("red,big", rows)))) == "E-CSV-HEADER"
    assert inspect(write(tmp_path, table("red,size", rows)))["ok"], "one such column may be a name"


def test_a_ragged_row_is_named_by_its_line_even_after_quoted_line_ends(tmp_path: Path) -> None:
    rows = ['1,"two\nlines",yes', "", "2,x,no"] * 10
    answer = inspect(write(tmp_path, table("a,b,c", [*rows, "3,x,no,more"])))
    assert refused(answer) == "E-CSV-RAGGED"
    assert "Line 42 has 4 cells and the header has 3" in answer["detail"]


def test_a_short_row_after_a_sep_line_is_counted_from_the_top_of_the_file(tmp_path: Path) -> None:
    answer = inspect(write(tmp_path, table("sep=;\na;b", ["1;2", "3"])))
    assert refused(answer) == "E-CSV-RAGGED"
    assert "Line 4 has 1 cell and" in answer["detail"]
    assert "semicolon" in answer["detail"]


def test_lines_of_white_space_are_no_rows(tmp_path: Path) -> None:
    answer = inspect(write(tmp_path, people(12) + "   \n\t\n\n"))
    assert answer["profile"]["rows"] == 12


def test_an_open_quote_does_not_swallow_the_file(tmp_path: Path) -> None:
    answer = inspect(write(tmp_path, table("a,b", ["1,2", '3,"4', *(["5,6"] * 60_000)])))
    assert refused(answer) == "E-CSV-RAGGED"
    assert "quote" in answer["detail"]


def test_a_file_without_line_ends_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    assert refused(inspect(write(tmp_path, b"a,b\n" + b"1;2" * 3_000_000))) == "E-CSV-RAGGED"


def test_a_bare_carriage_return_ends_a_line(tmp_path: Path) -> None:
    assert inspect(write(tmp_path, people(12).replace("\n", "\r")))["profile"]["rows"] == 12


def test_too_few_rows_with_a_target_are_counted(tmp_path: Path) -> None:
    rows = [f"{i},{'yes' if i < 3 else ''}" for i in range(40)]
    answer = ask(write(tmp_path, table("age,bought", rows)))
    assert refused(answer) == "E-CSV-ROWS"
    assert "3 of 40" in answer["detail"]


def test_classes_that_all_stand_once_are_no_classes(tmp_path: Path) -> None:
    assert refused(ask(write(tmp_path, people()), "spent", model="logistic")) == "E-CSV-ONECLASS"


def test_a_class_of_one_row_leaves_nothing_to_compare(tmp_path: Path) -> None:
    rows = [f"{i},{'yes' if i else 'no'}" for i in range(40)]
    assert refused(ask(write(tmp_path, table("age,bought", rows)))) == "E-CSV-ONECLASS"


def test_an_empty_column_matters_only_where_it_is_used(tmp_path: Path) -> None:
    path = write(tmp_path, NINE["E-CSV-ALLMISSING"])
    assert inspect(path)["profile"]["columns"][1]["kind"] == "empty"
    assert ask(path, features=["age"])["ok"]
    assert refused(ask(path, target="empty")) == "E-CSV-ALLMISSING"


@pytest.mark.parametrize(
    ("features", "words"),
    [(["aeg"], "did you mean 'age'?"), (["bought"], "target"), ([], "empty"), (["zzzzz"], "the file has 'age'")],
)
def test_features_that_cannot_be_used_are_refused(tmp_path: Path, features: list[str], words: str) -> None:
    answer = ask(write(tmp_path, people()), features=features)
    assert refused(answer) == "E-FEATURES"
    assert words in answer["detail"]


@pytest.mark.parametrize(
    ("request_", "code", "words"),
    [
        ({"model": "random_forrest"}, "E-MODEL-UNKNOWN", "did you mean random_forest?"),
        ({"model": "qqqqq"}, "E-MODEL-UNKNOWN", "choose one of"),
        ({"task": "guess"}, "E-TASK", "classification or regression"),
        ({"model": "ridge"}, "E-TASK", "text such as 'yes'"),
        ({"model": "ridge", "task": "classification"}, "E-TASK", "cannot do"),
        ({"task": "regression"}, "E-TASK", "text such as"),
        ({"model": "logistic", "parameters": {"c": 1}}, "E-PARAMETER", "did you mean C?"),
        ({"model": "auto", "parameters": {"C": 1}}, "E-PARAMETER", "name the model you mean"),
        ({"model": "logistic", "parameters": {"zzzzzz": 1}}, "E-PARAMETER", "it has"),
        ({"model": "logistic", "parameters": {"C": -1}}, "E-PARAMETER", "a number from"),
        ({"model": "logistic", "parameters": {"max_iter": 1.5}}, "E-PARAMETER", "a whole number"),
        ({"model": "logistic", "parameters": {"max_iter": True}}, "E-PARAMETER", "a whole number"),
        ({"model": "logistic", "parameters": {"class_weight": "x"}}, "E-PARAMETER", "balanced, or null"),
        ({"target": "spent", "model": "ridge", "parameters": {"fit_intercept": 1}}, "E-PARAMETER", "true or false"),
        (
            {"model": "mlp_classification", "parameters": {"hidden_layer_sizes": "64,x"}},
            "E-PARAMETER",
            "commas between",
        ),
        (
            {"model": "mlp_classification", "parameters": {"hidden_layer_sizes": "1,1,1,1,1,1"}},
            "E-PARAMETER",
            "up to 5",
        ),
        ({"model": "mlp_classification", "parameters": {"hidden_layer_sizes": True}}, "E-PARAMETER", "from 1 to 4096"),
    ],
)
def test_models_and_parameters_are_judged_before_anything_is_rented(
    tmp_path: Path, request_: dict[str, object], code: str, words: str
) -> None:
    answer = ask(write(tmp_path, people()), **request_)  # type: ignore[arg-type]
    assert refused(answer) == code
    assert words in answer["detail"]


def test_sizes_of_layers_are_understood_as_text_and_as_a_number(tmp_path: Path) -> None:
    path = write(tmp_path, people())
    for given in ("64, 032", 64):
        assert ask(path, model="mlp_classification", parameters={"hidden_layer_sizes": given})["ok"]


def test_data_that_a_model_cannot_hold_is_refused_with_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ",".join([*(f"n{i}" for i in range(40)), "y"])
    wide = write(tmp_path, table(names, [",".join(str((i * k) % 31) for k in range(1, 42)) for i in range(400)]))
    answer = ask(wide, target="y", model="polynomial", task="regression", parameters={"degree": 4})
    assert refused(answer) == "E-MODEL-SIZE"
    assert "135,751 products, at most 5,000" in answer["detail"]
    assert ask(wide, target="y", model="polynomial", task="regression")["ok"]
    rare = write(
        tmp_path, table("a,y", [f"{i},{'rare' if i < 2 else 'often' if i % 2 else 'other'}" for i in range(40)])
    )
    assert "the rarest has 2" in ask(rare, target="y", model="svm")["detail"]
    assert ask(rare, target="y", model="knn")["ok"]
    monkeypatch.setattr("containers.training.families.KNN_ROWS_MAX", 39)
    assert "at most 39; the file has 40" in ask(rare, target="y", model="knn")["detail"]


def test_too_many_classes_are_refused(tmp_path: Path) -> None:
    texts = write(tmp_path, table("a,t", [f"{i % 5},name {i % 150}" for i in range(600)]))
    assert refused(ask(texts, target="t")) == "E-TASK"
    many = write(tmp_path, table("a,t", [f"{i % 5},name {i % 1500}" for i in range(3000)]))
    assert "more than 1,000" in ask(many, target="t")["detail"]
    numbers = write(tmp_path, table("a,t", [f"{i % 5},{i * 1.5}" for i in range(3000)]))
    assert refused(ask(numbers, target="t", task="classification")) == "E-TASK"
    assert ask(numbers, target="t")["check"]["task"] == "regression"


def test_names_from_the_file_never_break_the_one_line(tmp_path: Path) -> None:
    path = write(tmp_path, f'"ev\nil\t{"x" * 200}","ev\nil\t{"x" * 200}",c\n1,2,3\n')
    assert refused(inspect(path)) == "E-CSV-HEADER"


def test_features_that_are_all_the_same_are_refused_and_one_that_differs_is_enough(tmp_path: Path) -> None:
    path = write(tmp_path, table("a,b,c,y", [f"1,x,{i % 5},{i % 2}" for i in range(40)]))
    answer = ask(path, "y", features=["a", "b"])
    assert refused(answer) == "E-FEATURES"
    assert "'a', 'b'" in answer["detail"]
    assert ask(path, "y")["ok"]


def test_names_in_any_script_are_columns_and_targets(tmp_path: Path) -> None:
    rows = [f"{i % 7},{i % 3},{'да' if i % 2 else 'нет'}" for i in range(40)]
    answer = ask(write(tmp_path, table("年齢,μέγεθος,куплено", rows)), "куплено")
    assert answer["check"]["features"] == ["年齢", "μέγεθος"]


def test_more_than_a_thousand_classes_are_refused_with_the_number(tmp_path: Path) -> None:
    answer = ask(write(tmp_path, table("a,y", [f"{i % 7},class {i}" for i in range(1200)])), "y")
    assert refused(answer) == "E-TASK"
    assert "more than 1,000 different texts" in answer["detail"]
