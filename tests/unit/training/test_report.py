"""The report page and the model card: whole, self-contained, and deaf to what stands in names."""

from __future__ import annotations

import importlib.metadata
import itertools
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from containers.training.families import FAMILIES
from containers.training.report.album import BYTES_MAX as PLOT_BYTES_MAX
from containers.training.report.album import album
from containers.training.report.card import card, md
from containers.training.report.drawing import SOFT
from containers.training.report.exhibit import Plot
from containers.training.report.page import BYTES_MAX, STYLE, esc, page
from containers.training.report.words import LICENCES
from containers.training.titles import TITLES
from tests.unit.training.exhibits import HOSTILE, exhibit, story

VOID = {"meta", "img", "br"}


class Reader(HTMLParser):
    """Reads a page, and fails where tags do not close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("classes", [0, 2, 4])
def test_the_report_is_whole_and_needs_nothing_from_outside(classes: int) -> None:
    shown = exhibit(classes, target=HOSTILE[0])
    found = Reader(page(story(shown), album(shown, "footer")))
    assert not {"script", "link", "iframe", "object", "form", "a"} & set(found.tags)
    outside = [v for name, v in found.attributes if name in ("src", "href", "srcset")]
    assert all(v and v.startswith("data:image/png;base64,") for v in outside)
    assert found.tags.count("img") == (5 if classes == 2 else 4)
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert all(v for name, v in found.attributes if name == "alt"), "pictures can be read aloud"
    for said in (
        "Plots",
        "Metrics",
        "What matters",
        "Data",
        "Columns it needs",
        "Parameters",
        "How it was made",
        HOSTILE[0],
        HOSTILE[2],
    ):
        assert said in found.text
    assert ("Threshold" in found.text) == (classes == 2)
    assert ("By class" in found.text) == (classes > 0)


def test_a_page_has_its_own_policy_prints_and_knows_the_dark() -> None:
    text = page(story(exhibit(2)), [])
    assert "default-src 'none'" in text.replace("&#x27;", "'")
    assert "@media print" in text
    assert "prefers-color-scheme: dark" in text
    assert not re.search(r"https?://|url\(|@import", text.replace("http://e.example", ""))


def test_a_plots_words_are_escaped_like_all_others() -> None:
    text = page(story(exhibit(2)), [Plot("x", '"><b onload=x>', "<i>", b"png")])
    assert "<b" not in text.split("<body>")[1].replace("<body", "")
    assert esc("a\u202eb\x00\n'\"") == "a b  &#x27;&quot;"


@pytest.mark.parametrize("classes", [0, 2, 4])
def test_the_card_has_its_sections_and_no_name_becomes_markup(classes: int) -> None:
    text = card(story(exhibit(classes, target=HOSTILE[0])))
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings[:6] == ["Intended use", "Data", "Metrics", "Limits", "Ethical notes", "How to predict"]
    assert "<" not in text
    assert not re.search(r"(?<!\\)\]\(|\w://", text)
    for line in text.splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) in (4, 5, 6, 7), line


def test_markdown_of_a_name_is_one_line_of_plain_text() -> None:
    assert md("a|b\n# c") == "a\\|b \\# c"
    assert md("http://x.example") == "http&#58;//x.example"
    assert md("<img>&`") == "&lt;img&gt;&amp;\\`"


def test_what_is_not_known_is_not_claimed() -> None:
    shown = exhibit(2)
    told = story(shown, machine={}, times={}, job_id="", name="")
    told.metrics["threshold"]["best_f1"] = None
    told.metrics["rows_shared"] = None  # type: ignore[index]
    found = Reader(page(told, []))
    assert "Machine" not in found.text
    assert "Took" not in found.text
    assert "not counted" in found.text
    assert "too few rows" in found.text
    assert found.text.count("best F1") == 0
    assert "lastcall predict MODEL FILE" in found.text
    assert "lastcall predict MODEL FILE" in card(told)


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ({"method": "group", "share": 0.2, "column": "patient"}, "in whole groups of “patient”"),
        ({"method": "time", "share": 0.25, "column": "day"}, "the last 25% by “day”"),
        ({"method": "random", "share": 0.2}, "20% at random, classes by their shares"),
    ],
)
def test_it_is_said_how_rows_were_held_out(split: dict[str, object], words: str) -> None:
    assert words in Reader(page(story(exhibit(2), split=split), [])).text


def test_the_comparison_with_the_last_run_is_part_of_the_judgement() -> None:
    told = story(exhibit(2))
    told.metrics["last_run"] = {"verdict": "no clear difference from your last run: 0.8 after 0.8"}  # type: ignore[index]
    assert "No clear difference from your last run" in page(told, [])


def test_every_plot_says_of_which_job_when_and_on_which_machine_it_was_made() -> None:
    machine = {"provider": "runpod", "machine_type": "NVIDIA RTX A5000"}
    told = story(exhibit(2), name="churn-7f3", job_id="job_a", ordered_at="2026-11-26T08:00:00Z", machine=machine)
    assert told.footer == "lastcall · churn-7f3 · job_a · 2026-11-26 · NVIDIA RTX A5000"


def test_report_and_card_tell_how_the_model_was_chosen() -> None:
    told = story(exhibit(2))
    one = {"name": "logistic", "mean": 0.8712, "sd": 0.0123, "scores": [0.86, 0.88], "seconds": 1.25, "skipped": None}
    late: dict[str, Any] = {
        "name": "random_forest",
        "mean": None,
        "sd": None,
        "scores": [],
        "seconds": 0.0,
        "skipped": "no time left",
    }
    auto = {
        "label": "ROC AUC", "folds": 5, "rows": 800, "rows_of": 900, "budget_s": 1200.0, "candidates": [one, late],
        "why": "logistic has the best mean ROC AUC (0.8712), and no other could be compared",
    }  # fmt: skip
    chosen = told._replace(metrics={**told.metrics, "auto": auto})
    found = Reader(page(chosen, []))
    said = (
        "How the model was chosen",
        "0.871 ± 0.012",
        "left out: no time left",
        "800 training rows (drawn from 900)",
    )
    for text in (*said, "Logistic has the best mean ROC AUC", "held-out rows were not looked at", "1,200 s"):
        assert text in found.text
    assert "| logistic regression | 0.871 ± 0.012 | 1.2 |" in card(chosen)
    assert "How the model was chosen" not in page(told, []) + card(told)


@pytest.mark.parametrize("classes", [0, 2, 4])
def test_a_page_is_in_order_for_who_hears_it(classes: int) -> None:
    text = page(story(exhibit(classes)), [Plot("x", "title", "caption.", b"png")])
    found = Reader(text)
    levels = [int(tag[1]) for tag in found.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(deeper <= level + 1 for level, deeper in itertools.pairwise(levels)), "no level is left out"
    assert '<html lang="en">' in text
    assert found.tags.count("main") == 1
    assert found.tags.count("th") == sum(name == "scope" for name, _ in found.attributes), "every head says of what"
    assert all(re.search('<th scope="row"', row) for row in re.findall(r"<tr>(?!<th scope=.col).*?</tr>", text))


def test_colours_are_far_enough_apart_to_read() -> None:
    """At least 4.5 to 1, as WCAG 2.2 asks of text (1.4.3), on screen, in the dark and on paper."""
    for theme in re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL):
        colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6})", theme))
        for ink in ("ink", "soft"):
            for paper in ("paper", "tint", "note"):
                if ink == "ink" or paper != "note":
                    assert contrast(colours[ink], colours[paper]) >= 4.5, (ink, paper, theme)
    assert contrast(SOFT, "#ffffff") >= 4.5, "small print of plots"


def contrast(one: str, other: str) -> float:
    low, high = sorted((_light(one), _light(other)))
    return (high + 0.05) / (low + 0.05)


def _light(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(c * 2 for c in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.no_cover  # the same steps on much data
def test_the_largest_page_is_bounded_whatever_the_names() -> None:
    shown = exhibit(1000, rows=2000, names=("n" * 100_000,) * 20)
    told = story(shown, classes=["c" * 100_000] * 1000, feature_columns=["f" * 100_000] * 5000, name="j" * 10_000)
    told.metrics["warnings"] += ["w" * 100_000] * 20  # type: ignore[index]
    for row in told.metrics["per_class"]:
        row["name"] = "ü" * 100_000
    column = {"kind": "category", "missing": 0, "categories": ["v" * 100_000] * 100, "categories_total": 9000}
    told = told._replace(schema={"columns": [{"name": "ü" * 100_000, **column}] * 5000})
    plots = [Plot("p", "t" * 200, "c" * 400, bytes(PLOT_BYTES_MAX))] * 6
    assert len(page(told, plots).encode()) < BYTES_MAX
    text = Reader(page(told, [])).text
    assert "The 100 of 1,000 classes" in text
    assert "The first 200 of 5,000 columns" in text
    assert len(card(told).encode()) < BYTES_MAX - 6 * PLOT_BYTES_MAX


def test_the_card_tells_a_stranger_what_it_needs_and_whose_libraries_it_uses() -> None:
    text = card(story(exhibit(2)))
    assert "pipeline_tag: tabular-classification" in text
    assert "with a probability for each" in text
    assert "on 2026-11-26" in text
    assert "95 % interval" in text
    assert "| 1 | months | number | 0 to 71, median 35 | 3 |" in text
    assert "| 2 | plan | category | pro, basic | 0 |" in text
    assert "| 3 | since | date | 2025-01-01 to 2026-09-30 | 1 |" in text
    assert "numpy BSD-3-Clause" in text
    assert "pipeline_tag: tabular-regression" in card(story(exhibit(0)))


def test_every_kind_of_model_has_its_name_and_every_library_its_licence() -> None:
    assert set(TITLES) <= set(FAMILIES)
    for library, licence in LICENCES.items():
        found = importlib.metadata.distribution({"xgboost": "xgboost-cpu"}.get(library, library))
        files = [file.read_text() for file in found.files or () if re.search("METADATA|LICEN|COPYING", file.name)]
        assert licence.split("-")[0] in " ".join(files), library


@pytest.mark.parametrize(("classes", "head"), [(0, "RMSE added"), (2, "ROC AUC lost")])
def test_what_a_column_is_worth_is_an_error_added_or_a_score_lost(classes: int, head: str) -> None:
    told = story(exhibit(classes))
    signals = told.signals()
    assert signals is not None
    assert signals.head[-1] == head


@pytest.mark.parametrize(("times", "took"), [({"seconds": 0.0}, "under 1 s"), ({"seconds": 12.0}, "12 s"), ({}, None)])
def test_what_took_no_whole_second_is_not_said_to_have_taken_none(times: dict[str, float], took: str | None) -> None:
    assert dict(story(exhibit(2), times=times).made()).get("Took") == took


def test_a_setting_that_was_left_open_says_what_that_means() -> None:
    assert dict(story(exhibit(2)).parameters())["max_depth"] == "no limit"
    svm = story(exhibit(2), model_type="svm", hyperparameters={"C": 1.0, "gamma": None})
    assert dict(svm.parameters())["gamma"] == "one over columns times variance"


def test_what_the_machine_cost_an_hour_is_told_where_it_is_known() -> None:
    rented = {"provider": "runpod", "rate_usd_per_hour": "0.27000"}
    assert dict(story(exhibit(2), machine=rented).made())["Price"].startswith("$0.27 an hour")
    assert "Price" not in dict(story(exhibit(2)).made())
