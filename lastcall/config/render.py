"""The settings as files to begin from: ``config.toml`` and ``.env.example``, every default written down and commented.

Both stand in the repository's root; a test holds them equal to what is made here.
"""

from __future__ import annotations

import textwrap
from decimal import Decimal
from typing import Any

from lastcall.config.fields import FIELDS, Field
from lastcall.config.settings import Settings
from lastcall.config.variables import names_of

_TOML_HEAD = """\
# Lastcall's settings with their defaults. Remove the "# " before a line to change it.
#
# Read in this order, the first that says something wins: flag, environment, the file LASTCALL_CONFIG names,
# ./config.toml, ~/.config/lastcall/config.toml, default. Each setting has a variable LASTCALL_<SECTION>_<KEY>.
# `lastcall config show --origin` tells where each value comes from, `lastcall config check` what is wrong.
"""

_ENV_HEAD = """\
# Lastcall's settings as environment variables. Copy to .env, fill in what you need; an empty variable is not set.
# Lastcall itself reads no .env: let your shell or service manager do it, for example
#   set -a; . ./.env; set +a
# A secret can stand in a file of its own instead: NAME_FILE=/path/to/file beside any of its names.
"""


def toml_value(value: Any) -> str:
    """Return a default as TOML."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def default_text(field: Field) -> str:
    """Return a default as people read it; empty where there is none."""
    if field.default is None:
        return ""
    return toml_value(field.default).strip('"')


def section_words(section: str) -> str:
    """Return what a section is about."""
    annotation = Settings.model_fields[section].annotation
    return str(annotation.__doc__ if annotation else "").strip().split("\n")[0]


def config_toml() -> str:
    """Return the commented defaults as a configuration file."""
    lines = [_TOML_HEAD]
    section = ""
    for field in FIELDS:
        if field.section != section:
            section = field.section
            lines += [f"# {section_words(section)}", f"[{section}]"]
        lines += _comment(field)
        sample = toml_value(field.default) if field.default is not None else '""'
        lines += [f"# {field.name} = {sample}", ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def env_example() -> str:
    """Return every setting's variable, empty or commented with its default."""
    lines = [_ENV_HEAD]
    for field in FIELDS:
        generic, *kept = names_of(field)
        lines += _comment(field)
        if kept:
            also = ", ".join([*kept[1:], generic])
            lines.append(f"# Also read: {also}.")
        lines += [f"# {(kept or [generic])[0]}={default_text(field)}", ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _comment(field: Field) -> list[str]:
    kind = "" if field.type == "text" else f" ({field.type})"
    return [f"# {line}" for line in textwrap.wrap(field.description + kind, 110)]
