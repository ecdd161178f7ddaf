"""Which third parties a module may import, room by room. What rooms may import of each other, import-linter holds."""

from __future__ import annotations

import sys

from tests.tidy.sources import ROOMS, Source, load

PYDANTIC = {"pydantic", "pydantic_core"}
SCIENCE = {"PIL", "backports", "matplotlib", "numpy", "pandas", "pyarrow", "sklearn", "skops", "scipy", "threadpoolctl"}

ALLOWED: tuple[tuple[str, set[str]], ...] = (
    ("messages/errors.py", set()),
    ("messages/__init__.py", set()),
    ("messages/", PYDANTIC),
    ("providers/http.py", {"aiohttp", "yarl"}),
    ("providers/aws/wire.py", {"botocore"}),
    ("providers/aws/answers.py", {"botocore"}),
    ("providers/aws/endpoints.py", {"botocore"} | PYDANTIC),
    ("providers/aws/keys.py", {"botocore"}),
    ("providers/", PYDANTIC),
    ("actors/runtime/", set()),
    ("actors/supervisor/decide.py", set()),
    ("actors/supervisor/pending.py", set()),
    ("actors/journal/", {"apsw"} | PYDANTIC),
    ("actors/admin/", {"aiohttp", "prometheus_client"} | PYDANTIC),
    ("actors/views/tables.py", {"apsw"}),
    ("actors/", PYDANTIC),
    ("containers/job/", set()),
    ("containers/training/inspection.py", set()),
    ("containers/training/", SCIENCE),
    ("containers/prediction/", SCIENCE),
    ("containers/importing/calls.py", set()),
    ("containers/importing/names.py", set()),
    ("containers/importing/scan.py", set()),
    ("containers/importing/package.py", set()),
    ("containers/importing/walls.py", set()),
    ("containers/importing/hook.py", set()),
    ("containers/importing/making.py", set()),
    ("containers/importing/", SCIENCE),
    ("containers/", set()),
    ("lastcall/cli/", {"click", "rich"}),
    ("lastcall/config/files.py", set()),
    ("lastcall/config/problems.py", set()),
    ("lastcall/config/", PYDANTIC),
    ("lastcall/paths.py", set()),
    ("lastcall/redaction.py", set()),
    ("lastcall/logs.py", {"structlog"}),
    ("lastcall/__init__.py", set()),
    ("lastcall/", PYDANTIC | {"structlog"}),
)
"""Path prefix → third parties; the first that fits counts."""

PURE = ("actors/supervisor/decide.py", "actors/supervisor/pending.py", "actors/supervisor/state.py")
"""Deciding: no event loop, no I/O."""


def third_parties(path: str) -> set[str]:
    return next(allowed for prefix, allowed in ALLOWED if path.startswith(prefix))


def strangers(source: Source) -> list[str]:
    return [
        f"{source.path}:{line}: imports {module}"
        for line, module in source.parsed().imported()
        if (root := module.split(".")[0]) not in sys.stdlib_module_names
        and root not in ROOMS
        and root not in third_parties(source.path)
        and root != "_typeshed"
    ]


def test_third_parties_stay_in_their_rooms() -> None:
    assert [line for source in load(ROOMS) for line in strangers(source)] == []


def test_the_wrapper_needs_nothing_but_the_standard_library() -> None:
    found = [module for source in load(("containers/job",)) for _, module in source.parsed().imported()]
    assert [
        m for m in found if m.split(".")[0] not in sys.stdlib_module_names and not m.startswith("containers.job")
    ] == []


def test_deciding_knows_no_event_loop() -> None:
    sources = {source.path: source for source in load(("actors",))}
    for path in PURE:
        modules = {module.split(".")[0] for _, module in sources[path].parsed().imported()}
        assert not modules & {"asyncio", "threading", "socket", "os", "time"}, path
