"""The docs say what the code says: generated pages are up to date, and everything that has a name is found in them."""

from __future__ import annotations

import re
from pathlib import Path

from lastcall.config.fields import FIELDS
from lastcall.config.variables import KEPT_NAMES, MACHINE_NAMES, OTHER_NAMES, names_of
from messages.errors import ERRORS
from messages.events import EVENTS
from tests.tidy.sources import ROOT, load
from tools import generate_docs, picture, reference

DOCS = ROOT / "docs"


def test_the_generated_pages_are_up_to_date() -> None:
    assert generate_docs.stale(ROOT) == [], "run ./dev docs"


def test_a_page_that_differs_is_written_again_and_a_left_over_one_removed(tmp_path: Path) -> None:
    generate_docs.write(tmp_path)
    assert generate_docs.stale(tmp_path) == []
    (tmp_path / "config.toml").write_text("x")
    (tmp_path / "docs/errors/E-OLD.md").write_text("x")
    (tmp_path / "docs/errors/E-OOM.md").unlink()
    expected = ["config.toml", "docs/errors/E-OLD.md", "docs/errors/E-OOM.md"]
    assert generate_docs.write(tmp_path) == expected
    assert generate_docs.stale(tmp_path) == []
    assert not (tmp_path / "docs/errors/E-OLD.md").exists()


def test_every_setting_and_variable_is_in_the_docs() -> None:
    text = (DOCS / "reference/settings.md").read_text()
    kept = [name for names in KEPT_NAMES.values() for name in names]
    assert [name for name in [*(field.key for field in FIELDS), *kept] if f"`{name}`" not in text] == []


def test_every_event_is_in_the_docs() -> None:
    text = (DOCS / "reference/events.md").read_text()
    assert [kind for kind in EVENTS if f"`{kind}`" not in text] == []


def test_every_error_code_has_its_page() -> None:
    text = (DOCS / "reference/errors.md").read_text()
    for entry in ERRORS.values():
        assert f"[{entry.code}](../errors/{entry.code}.md)" in text
        page = (ROOT / entry.docs).read_text()
        assert entry.text in page
        assert entry.hint in page


def test_every_code_that_is_written_anywhere_is_registered() -> None:
    """A code in the source that the registry lacks would reach users as E-INTERNAL."""
    pattern = re.compile(r"\bE-[A-Z]{2,}(?:-[A-Z]{2,})*\b")
    unknown = {
        f"{source.path}: {code}"
        for source in load(("providers", "actors", "containers", "lastcall"))
        for code in pattern.findall(source.text)
        if code not in ERRORS and not any(known.startswith(f"{code}-") for known in ERRORS)
    }
    assert unknown == set()


def test_every_error_is_told_as_one_sentence_with_a_way_on() -> None:
    for entry in ERRORS.values():
        assert not entry.text.endswith("."), entry.code
        assert not entry.hint.endswith("."), entry.code
        assert "\n" not in entry.text + entry.hint
        assert 0 <= entry.exit <= 255
        assert 400 <= entry.status <= 599


def test_links_inside_the_docs_lead_somewhere() -> None:
    broken = []
    for page in [*DOCS.rglob("*.md"), *ROOT.glob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []


def test_every_command_is_in_the_docs() -> None:
    """The page is compared as a whole above; here: that the tree was really walked."""
    text = (DOCS / "reference/cli.md").read_text()
    for path in ("lastcall", "lastcall train", "lastcall machines ls", "lastcall config check"):
        assert f"## {path}\n" in text


def test_a_table_cell_may_hold_a_bar() -> None:
    assert reference.table(("a",), [("x | y",)])[-1] == "| x \\| y |"


def test_every_variable_of_ours_that_is_read_is_known() -> None:
    """An unknown LASTCALL_ variable refuses the start, so none that a machine or the command line uses may be."""
    known = OTHER_NAMES | MACHINE_NAMES | {name for field in FIELDS for name in names_of(field)}
    read = {
        name
        for source in load(("providers", "actors", "containers", "lastcall"))
        for name in re.findall(r"\bLASTCALL_[A-Z0-9_]*[A-Z0-9]\b", source.text)
    }
    assert sorted(read - known - {"LASTCALL_RUNPOD_API_KEY_FILE"}) == []


def test_a_picture_shows_what_stayed_on_the_screen() -> None:
    code, output = picture.run_on_terminal(
        ["/bin/sh", "-c", r"printf '\033[31mred\033[0m\r\n 50 %%\r100 %% done\r\n\033]0;title\007'; test -t 1"]
    )
    assert code == 0
    screen = picture.settled(output)
    assert screen == "\x1b[31mred\x1b[0m\n100 % done"
    svg = picture.as_svg(screen, "./dev demo")
    assert "100&#160;%&#160;done" in svg
    assert "url(http" not in svg
