"""Single settings change; every other line stays; what cannot be edited by lines is left alone."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastcall.config.problems import ConfigError
from lastcall.config.render import config_toml
from lastcall.setup.config_writer import apply_to, changed

CHANGES = {"runpod.network_volume_id": "vol1", "runpod.data_center": "EU-RO-1"}
FILE = """\
# mine
provider = "local"  # for now

[runpod]
# the key
api_key = "old"   # from 2026
network_volume_id = "vol0"

# about logs
[logging]
level = "info"
"""


def test_a_missing_section_is_added_at_the_end() -> None:
    assert changed("", CHANGES) == '[runpod]\nnetwork_volume_id = "vol1"\ndata_center = "EU-RO-1"\n'
    assert changed('provider = "local"', CHANGES).startswith('provider = "local"\n\n[runpod]\n')


def test_comments_order_and_other_keys_stay() -> None:
    edited = changed(FILE, {**CHANGES, "runpod.api_key": "new"})
    assert edited == FILE.replace('"old"', '"new"').replace('"vol0"\n', '"vol1"\ndata_center = "EU-RO-1"\n')


def test_the_same_value_changes_nothing() -> None:
    assert changed(FILE, {"runpod.api_key": "old", "runpod.data_center": None}) == FILE


def test_a_key_is_taken_out_with_its_line_only() -> None:
    edited = changed(FILE, {"runpod.network_volume_id": None})
    assert edited == FILE.replace('network_volume_id = "vol0"\n', "")


def test_a_setting_goes_below_its_commented_sample() -> None:
    edited = changed(config_toml(), CHANGES)
    lines = edited.splitlines()
    place = lines.index('network_volume_id = "vol1"')
    assert lines[place - 1] == '# network_volume_id = ""'
    assert tomllib.loads(edited)["runpod"] == {"network_volume_id": "vol1", "data_center": "EU-RO-1"}


def test_a_setting_above_all_sections_stays_above_them() -> None:
    assert tomllib.loads(changed("[runpod]\n", {"provider": "runpod"}))["provider"] == "runpod"
    assert 'provider = "runpod"  # for now' in changed(FILE, {"provider": "runpod"})


@pytest.mark.parametrize(
    "text",
    [
        'runpod = {api_key = "x"}\n',
        'runpod.api_key = "x"\n',
        'note = """\n[runpod]\n"""\n',
        '[runpod]\nimage = """\nnetwork_volume_id = "x"\n"""\n',
    ],
)
def test_a_file_written_another_way_is_left_alone(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match="by hand"):
        apply_to(file, CHANGES)
    assert file.read_text() == text


@given(
    st.dictionaries(st.sampled_from(["a", "b", "c"]), st.text(max_size=20), max_size=3),
    st.dictionaries(st.sampled_from(["runpod.a", "runpod.b", "d"]), st.none() | st.text(max_size=20), max_size=3),
)
def test_what_is_written_is_read_back(there: dict[str, str], changes: dict[str, str | None]) -> None:
    text = changed("", {f"runpod.{key}": value for key, value in there.items() if "\x7f" not in value})
    try:
        edited = changed(text, changes)
    except ValueError:
        assert any("\x7f" in (value or "") for value in changes.values())
        return
    document = tomllib.loads(edited)
    for key, value in changes.items():
        section, _, name = key.rpartition(".")
        assert (document.get(section, {}) if section else document).get(name) == value


def test_the_file_is_closed_to_others_and_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "new" / "config.toml"
    assert apply_to(file, CHANGES)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert not apply_to(file, CHANGES)
    file.chmod(0o644)
    assert apply_to(file, CHANGES), "keys may be in it"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["config.toml"]


def test_a_link_to_the_file_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "dotfiles.toml", tmp_path / "config.toml"
    real.write_text(FILE)
    link.symlink_to(real)
    apply_to(link, CHANGES)
    assert link.is_symlink()
    assert 'data_center = "EU-RO-1"' in real.read_text()


def test_a_file_that_is_no_toml_or_cannot_be_written_is_said(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("= no")
    with pytest.raises(ConfigError, match="not valid TOML"):
        apply_to(file, CHANGES)
    with pytest.raises(ConfigError, match="cannot be written"):
        apply_to(file / "below", CHANGES)
