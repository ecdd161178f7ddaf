from __future__ import annotations

import re
import tomllib
from pathlib import Path

from lastcall.config.fields import BY_KEY, FIELDS
from lastcall.config.load import load
from lastcall.config.render import config_toml, env_example
from lastcall.config.settings import Settings
from lastcall.config.variables import KEPT_NAMES, names_of

ROOT = Path(__file__).parents[3]
HELP = "made by ./dev docs from lastcall/config/settings.py; run it again"


def test_the_committed_configuration_is_the_commented_defaults() -> None:
    assert (ROOT / "config.toml").read_text() == config_toml(), HELP


def test_the_committed_environment_example_is_made_from_the_settings() -> None:
    assert (ROOT / ".env.example").read_text() == env_example(), HELP


def test_the_committed_configuration_changes_nothing(tmp_path: Path) -> None:
    assert load({"HOME": str(tmp_path)}, ROOT).settings == Settings()


def test_every_default_can_be_uncommented_as_it_stands(tmp_path: Path) -> None:
    text = re.sub(r"(?m)^# (?=[a-z0-9_]+ = [^\n]+$)", "", config_toml())
    document = tomllib.loads(text)
    for field in FIELDS:
        table = document[field.section] if field.section else document
        if field.default is None:
            assert table.pop(field.name) == ""
    kept = {key: value for key, value in document.items() if value != {}}
    assert Settings.model_validate(kept) == Settings()


def test_the_environment_example_names_every_variable_and_sets_none() -> None:
    text = env_example()
    for field in FIELDS:
        for name in names_of(field):
            assert re.search(rf"\b{name}\b", text), name
    assert all(line.startswith("#") or not line for line in text.splitlines())


def test_every_setting_says_what_it_is_for() -> None:
    for field in FIELDS:
        assert field.description.endswith("."), field.key
        assert field.type in ("text", "number", "whole number", "secret") or " or " in field.type
    assert set(KEPT_NAMES) <= set(BY_KEY)
