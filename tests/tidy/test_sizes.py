"""Modules and functions that a reader can hold in the head."""

from __future__ import annotations

import ast

from tests.tidy.sources import ROOMS, load

MODULE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
TEST_MODULE_LINES_MAX = 800
CATALOGUES = ("messages/events.py", "messages/errors.py")
"""Lists of one kind of thing each, which are read by looking up."""


def test_no_module_is_too_long() -> None:
    long = [
        f"{source.path}: {count} lines; look for the second noun in it"
        for source in load((*ROOMS, "tests", "tools"))
        if source.path not in CATALOGUES
        and (count := source.text.count("\n"))
        > (TEST_MODULE_LINES_MAX if source.path.startswith("tests/") else MODULE_LINES_MAX)
    ]
    assert long == []


def test_no_function_is_too_long() -> None:
    long = []
    for source in load((*ROOMS, "tests", "tools")):
        for node in source.parsed().nodes if source.text.count("\n") > FUNCTION_LINES_MAX else ():
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    long.append(f"{source.path}:{node.lineno}: {node.name} has {lines} lines; helpers compute")
    assert long == []
