"""The reference pages, each made from the code it describes."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterable, Iterator, Sequence

from pydantic import BaseModel

import messages as messages_package
from containers.training.families import ALIASES, AUTO_CANDIDATES, FAMILIES
from lastcall.cli.families import range_words, shown
from lastcall.config.fields import FIELDS
from lastcall.config.render import default_text, section_words
from lastcall.config.variables import names_of
from messages import errors as registry
from messages.base import Message
from messages.events import EVENTS, Event

MADE = "<!-- Made by ./dev docs; edit the source named below, not this page. -->"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a Markdown table."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return lines


def page(title: str, source: str, *parts: Sequence[str]) -> str:
    """Return a page from its blocks of lines."""
    blocks = [[f"# {title}"], [MADE], [f"Source: `{source}`."], *parts]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def first_paragraph(thing: object) -> str:
    """Return the first paragraph of a docstring on one line."""
    text = inspect.getdoc(thing) or ""
    return re.sub(r"``([^`]+)``", r"`\1`", " ".join(text.split("\n\n")[0].split()))


# ------------------------------------------------------------------------------------------------ settings


def settings() -> str:
    """Every setting."""
    parts: list[list[str]] = [
        [
            "Read in this order, the first that says something wins: flag, environment, the file `LASTCALL_CONFIG`",
            "names, `./config.toml`, `~/.config/lastcall/config.toml`, default. A secret can also stand in a file:",
            "put `_FILE` behind any of its variables. `lastcall config show --origin` tells where each value comes",
            "from. Anything wrong is one line each and exit code 78.",
        ]
    ]
    for section in dict.fromkeys(field.section for field in FIELDS):
        title = [f"## [{section}]", "", section_words(section)] if section else ["## Above all sections"]
        rows = [
            (
                f"`{field.key}`",
                field.type,
                f"`{default_text(field)}`" if field.default is not None else "",
                ", ".join(f"`{name}`" for name in names_of(field)),
                field.description,
            )
            for field in FIELDS
            if field.section == section
        ]
        parts += [title, table(("setting", "type", "default", "variables", "what it is for"), rows)]
    return page("Settings", "lastcall/config/settings.py", *parts)


# ------------------------------------------------------------------------------------------------ errors


def _exits() -> Iterator[tuple[str, str]]:
    for name, value in vars(registry).items():
        if name.startswith("EXIT_"):
            yield str(value), name.removeprefix("EXIT_").lower().replace("_", " ")


def errors() -> str:
    """The index of error codes, and the exit codes."""
    rows = [
        (
            f"[{entry.code}](../errors/{entry.code}.md)",
            entry.text,
            entry.hint,
            entry.outcome or "",
            "yes" if entry.retry else "",
            str(entry.exit) if entry.alarm is None else "",
            str(entry.status) if entry.alarm is None else "",
        )
        for entry in registry.ERRORS.values()
    ]
    outcomes = [(outcome, str(exit_code)) for outcome, exit_code in registry.OUTCOME_EXIT.items()]
    return page(
        "Errors",
        "messages/errors.py",
        table(("code", "what happened", "what to do", "outcome", "again?", "exit", "HTTP"), rows),
        ["## Exit codes"],
        table(("code", "meaning"), _exits()),
        ["## Outcome of a job and exit code of `train` and `wait`"],
        table(("outcome", "exit"), outcomes),
    )


def error_pages() -> dict[str, str]:
    """One page for each code."""
    return {code: _error_page(entry) for code, entry in registry.ERRORS.items()}


def _error_page(entry: registry.ErrorCode) -> str:
    if entry.money:
        money = entry.money
    elif entry.outcome:
        money = (
            f"It ends the job with outcome *{entry.outcome}*. The job closes only when its machine, if any, is "
            "proven gone; `lastcall machines ls` shows what exists now."
        )
    elif entry.code == "E-INTERNAL":
        money = "That is not known. `lastcall machines ls` shows what exists now, `lastcall stop --all` ends it."
    else:
        money = "Not because of this: what was asked for rented nothing. Machines that ran before are not touched."
    again = " The same request can succeed later." if entry.retry else " The same request will give the same answer."
    facts = [("exit code", str(entry.exit)), ("HTTP status", str(entry.status))]
    if entry.alarm is not None:
        shown = f"`{entry.alarm}`, in `lastcall status`, `lastcall doctor` and `lastcall events`"
        again, facts = "", [("alarm", shown)]
    return page(
        entry.code,
        "messages/errors.py",
        ["## What happened", "", f"{entry.text}."],
        ["## Is money still running?", "", money],
        ["## What to do", "", f"{entry.hint}.{again}"],
        table(("", ""), facts),
    )


# ------------------------------------------------------------------------------------------------ models


def _auto_words() -> str:
    return "; ".join(f"for {task} {', '.join(names)}" for task, names in AUTO_CANDIDATES.items())


def models() -> str:
    """Every kind of model with its parameters."""
    known = FAMILIES.values()
    rows = [
        (
            f"[`{f.name}`](#{f.name})",
            f.text,
            ", ".join(f.tasks),
            f.library or "scikit-learn",
            "where there is one, in the GPU image" if f.uses_gpu else "",
        )
        for f in known
    ]
    parts: list[list[str]] = [
        [
            "`lastcall train FILE --target COLUMN --model NAME --param KEY=VALUE`. `auto` tries several kinds",
            f"of model ({_auto_words()}) and takes the one that does best in cross-validation on the training rows;",
            *(f"`{alias}` is another name of `{name}`." for alias, name in ALIASES.items()),
            "`lastcall models families` shows the same.",
        ],
        table(("model", "what it is", "tasks", "library", "GPU"), rows),
    ]
    for family in known:
        given = [(f"`{p.name}`", f"`{shown(p)}`", range_words(p)) for p in family.parameters]
        title = [f"## {family.name}", "", f"{family.text[0].upper()}{family.text[1:]}. {family.note}".strip()]
        parts += [title, table(("parameter", "default", "what may be given"), given)]
    return page("Kinds of model", "containers/training/families.py", *parts)


# ------------------------------------------------------------------------------------------------ events, messages


def _fields(model: type[BaseModel]) -> str:
    kinds = [
        cls.__annotations__ for cls in reversed(model.__mro__) if issubclass(cls, BaseModel) and cls is not BaseModel
    ]
    annotations = {name: text for each in kinds for name, text in each.items()}
    parts = []
    for name, info in model.model_fields.items():
        kind = str(annotations.get(name, "")).replace(" | None", "?")
        parts.append(f"`{info.alias or name}: {_short(kind)}`" if kind else f"`{info.alias or name}`")
    return ", ".join(parts)


def _short(kind: str) -> str:
    """Return a type's name without pydantic's bounds."""
    found = re.fullmatch(r"Annotated\[([^,]+),.*", kind)
    return found[1] if found else kind


def events() -> str:
    """The catalogue of streams and events."""
    parts: list[list[str]] = [
        [
            "Every event carries an envelope: `event_id, stream, version, position, at (UTC µs), cause (command id),",
            "actor, schema`. An unknown kind or schema refuses the start.",
        ]
    ]
    for stream in dict.fromkeys(cls.stream for cls in EVENTS.values()):
        rows = [
            (f"`{cls.kind}`", str(cls.schema_version), cls.writer, first_paragraph(cls), _fields(cls))
            for cls in EVENTS.values()
            if cls.stream == stream
        ]
        parts += [[f"## Stream `{stream}`"], table(("event", "schema", "writer", "what is now true", "fields"), rows)]
    return page("Events", "messages/events.py", *parts)


def _modules() -> Iterator[str]:
    for found in pkgutil.iter_modules(messages_package.__path__):
        yield f"messages.{found.name}"


def messages() -> str:
    """What actors ask and tell, and the records in it."""
    parts: list[list[str]] = [
        [
            "`control` has reserved slots and is never dropped, `observation` keeps the latest of each kind, `request`",
            "is refused with *busy* when the mailbox is full.",
        ]
    ]
    for name in _modules():
        module = importlib.import_module(name)
        own = [
            cls
            for cls in vars(module).values()
            if inspect.isclass(cls)
            and cls.__module__ == name
            and issubclass(cls, BaseModel)
            and not issubclass(cls, Event)
            and "[" not in cls.__name__
        ]
        if own and name != "messages.base":
            rows = [(f"`{cls.__name__}`", _lane(cls), first_paragraph(cls), _fields(cls)) for cls in own]
            title = [f"## {name}", "", first_paragraph(module)]
            parts += [title, table(("name", "class", "what it says", "fields"), rows)]
    return page("Messages", "messages/", *parts)


def _lane(cls: type[BaseModel]) -> str:
    if not issubclass(cls, Message):
        return "record"
    for base in cls.__mro__:
        arguments = getattr(base, "__pydantic_generic_metadata__", {}).get("args", ())
        if arguments:
            return f"{cls.lane} → {getattr(arguments[0], '__name__', None) or arguments[0]}"
    return cls.lane
