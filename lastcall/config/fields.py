"""The settings as a flat list: key, type in words, default, description. Made from the models, in their order."""

from __future__ import annotations

from decimal import Decimal
from types import NoneType
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from lastcall.config.settings import Section, Settings


class Field(NamedTuple):
    """One setting."""

    section: str
    """Name of its table; empty for those above all tables."""
    name: str
    default: Any
    """``None`` where there is none."""
    type: str
    """In words."""
    secret: bool
    description: str

    @property
    def key(self) -> str:
        """How messages name it: ``limits.max_runtime_s``."""
        return f"{self.section}.{self.name}" if self.section else self.name


def _core(annotation: Any) -> Any:
    """Return the type under Annotated and Optional."""
    if get_origin(annotation) is Annotated:
        return _core(get_args(annotation)[0])
    options = [part for part in get_args(annotation) if part is not NoneType]
    if NoneType in get_args(annotation) and len(options) == 1:
        return _core(options[0])
    return annotation


def _words(core: Any) -> str:
    if get_origin(core) is Literal:
        return " or ".join(map(str, get_args(core)))
    return {bool: "true or false", int: "whole number", Decimal: "number", SecretStr: "secret"}.get(core, "text")


def _field(section: str, name: str, info: FieldInfo) -> Field:
    core = _core(info.annotation)
    return Field(section, name, info.default, _words(core), core is SecretStr, info.description or "")


def _walk() -> tuple[Field, ...]:
    top, sections = [], []
    for name, info in Settings.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, Section):
            sections += [_field(name, key, inner) for key, inner in info.annotation.model_fields.items()]
        else:
            top.append(_field("", name, info))
    return (*top, *sections)


FIELDS: tuple[Field, ...] = _walk()
"""Every setting, those above all tables first."""

BY_KEY = {field.key: field for field in FIELDS}

SECTIONS = tuple(dict.fromkeys(field.section for field in FIELDS if field.section))
