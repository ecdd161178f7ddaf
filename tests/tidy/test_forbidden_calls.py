"""House rules for code, each with what to write instead."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import pytest

from tests.tidy.sources import PYTHON_FOLDERS, ROOMS, Parsed, Source, load

IN_ACTORS = {
    "time.time": "world.clock.now()",
    "time.time_ns": "world.clock.now()",
    "time.monotonic": "world.clock.monotonic()",
    "time.monotonic_ns": "world.clock.monotonic()",
    "time.perf_counter": "world.clock.monotonic()",
    "time.clock_gettime": "world.clock.monotonic()",
    "time.sleep": "await world.clock.sleep()",
    "datetime.datetime.now": "world.clock.now()",
    "datetime.datetime.utcnow": "world.clock.now()",
    "datetime.datetime.today": "world.clock.now()",
    "datetime.date.today": "world.clock.now().date()",
    "asyncio.sleep": "await world.clock.sleep(), or a timer of the actor",
    "asyncio.to_thread": "world.spawner, or an actor of its own",
    "asyncio.create_subprocess_exec": "world.spawner.run()",
    "asyncio.create_subprocess_shell": "world.spawner.run()",
    "socket.getaddrinfo": "a literal address",
    "os.urandom": "world.entropy.bytes()",
    "os.system": "world.spawner.run()",
    "os.fork": "world.spawner.run()",
    "builtins.open": "the journal or a CloudStorageProvider",
}
"""Call → what to write instead: an actor knows the outside through its World only."""

MODULES_IN_ACTORS = {
    "random": "world.entropy",
    "secrets": "world.entropy",
    "uuid": "messages.ids",
    "subprocess": "world.spawner",
    "threading": "an actor",
    "multiprocessing": "an actor",
    "concurrent": "an actor",
    "requests": "a provider",
}

METHODS_IN_ACTORS = {
    "run_in_executor": "world.spawner, or an actor of its own",
    "getaddrinfo": "a literal address",
}

EVERYWHERE = {
    "eval": "ast.literal_eval or a parser",
    "exec": "a function",
    "pickle.load": "skops with an allow-list",
    "pickle.loads": "skops with an allow-list",
    "pickle.Unpickler": "skops with an allow-list",
    "pickle._Unpickler": "skops with an allow-list",
    "joblib.numpy_pickle.NumpyUnpickler": "skops with an allow-list",
    "joblib.load": "skops with an allow-list",
    "pandas.read_pickle": "skops with an allow-list",
    "torch.load": "skops with an allow-list",
    "marshal.load": "skops with an allow-list",
    "marshal.loads": "skops with an allow-list",
    "shelve.open": "skops with an allow-list",
    "os.system": "a list of arguments",
    "tempfile.mktemp": "tempfile.mkstemp",
    "datetime.datetime.utcnow": "datetime.now(UTC)",
}

ALLOWED = {
    ("actors/runtime/clock.py", "*"): "the real clock and the real randomness are made here",
    ("actors/runtime/virtual.py", "*"): "virtual time and its seeded randomness are made here",
    ("actors/journal/committer.py", "threading"): "commits wait for the disk on a thread of their own",
    ("actors/journal/worker.py", "threading"): "commits wait for the disk on a thread of their own",
    ("containers/importing/unpickler.py", "pickle._Unpickler"): "an older model is loaded here alone, for names of a "
    "list, in the process that containers/importing/sandbox.py walls in; nothing else may import it",
}
"""(file, what or *) → why; each entry must still be needed."""

LATER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
PRINTS = (
    "lastcall/cli/",
    "containers/job/main.py",
    "containers/training/",
    "containers/prediction/",
    "tools/",
    "bench/",
    "tests/",
)
"""Programs whose standard output is their answer."""


Fault = tuple[int, str, str]
"""A line, what is wrong there, and what to write instead."""


def actor_faults(source: Parsed) -> Iterator[Fault]:
    """Yield line, what, and what instead, for the rules of actors."""
    for node in source.nodes:
        if isinstance(node, (ast.Attribute, ast.Name)):
            name = source.dotted(node) or ""
            if name in IN_ACTORS:
                yield node.lineno, name, IN_ACTORS[name]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS_IN_ACTORS:
            yield node.lineno, node.func.attr, METHODS_IN_ACTORS[node.func.attr]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open":
            yield node.lineno, "open", IN_ACTORS["builtins.open"]
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            for module in modules:
                root = module.split(".")[0]
                if root in MODULES_IN_ACTORS:
                    yield node.lineno, root, MODULES_IN_ACTORS[root]
        if isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)) and _is_set(node.iter):
            yield node.iter.lineno, "iteration over a set", "sorted(…), or dict.fromkeys(…) to drop doubles"


def _is_set(node: ast.expr) -> bool:
    if isinstance(node, (ast.Set, ast.SetComp)):
        return True
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"set", "frozenset"}


def general_faults(source: Parsed) -> Iterator[Fault]:
    """Yield line, what, and what instead, for the rules of every file."""
    for node in source.nodes:
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            yield node.lineno, "bare except", "except Exception, or the type that is meant"
        if isinstance(node, ast.Assert) and not source.path.startswith(("tests/", "bench/")):
            yield node.lineno, "assert", "an exception: -O takes asserts away"
        if isinstance(node, ast.ClassDef):
            names = [source.dotted(base) or "" for base in node.bases]
            yield from ((node.lineno, name, EVERYWHERE[name]) for name in names if name in EVERYWHERE)
        if isinstance(node, ast.Call):
            name = source.dotted(node.func) or ""
            if name in EVERYWHERE:
                yield node.lineno, name, EVERYWHERE[name]
            if name == "print" and not source.path.startswith(PRINTS):
                yield node.lineno, "print", "the log"
    # Taking a file apart is slow, and few have one of the words anywhere.
    tokens = tokenize.generate_tokens(io.StringIO(source.text).readline) if LATER.search(source.text) else ()
    for token in tokens:
        found = LATER.search(token.string) if token.type == tokenize.COMMENT else None
        if found:
            yield token.start[0], found[1], "an issue, or the work itself"


def told(path: str, faults: Iterable[Fault]) -> list[str]:
    """Return the faults that are not allowed, one line each."""
    return [
        f"{path}:{line}: {what}; use {instead}"
        for line, what, instead in faults
        if (path, what) not in ALLOWED and (path, "*") not in ALLOWED
    ]


@dataclass(frozen=True)
class Judged:
    """What all rules found in a file, which is taken apart once for them."""

    path: str
    text: str
    of_actors: tuple[Fault, ...]
    """None elsewhere than in actors: elsewhere these are no faults."""
    general: tuple[Fault, ...]
    imported: frozenset[str]
    mentioned: frozenset[str]


@cache
def _judge(source: Source) -> Judged:
    parsed = source.parsed()
    return Judged(
        source.path,
        source.text,
        tuple(actor_faults(parsed)) if source.path.startswith("actors/") else (),
        tuple(general_faults(parsed)),
        frozenset(module for _, module in parsed.imported()),
        frozenset(_mentions(parsed)),
    )


def judged(folders: tuple[str, ...] = PYTHON_FOLDERS) -> list[Judged]:
    """Return what was found in the files under ``folders``."""
    return [_judge(source) for source in load(folders)]


def test_actors_reach_the_outside_through_their_world_only() -> None:
    assert [line for file in judged(("actors",)) for line in told(file.path, file.of_actors)] == []


def test_house_rules_hold_in_every_file() -> None:
    assert [line for file in judged() for line in told(file.path, file.general)] == []


def test_a_pickle_is_loaded_behind_the_walls_of_the_sandbox_alone() -> None:
    """Whoever imports the unpickler can load one: no room does, and of the importing program the walled-in module."""
    users = {file.path for file in judged(ROOMS) for module in file.imported if module.startswith(UNPICKLER)}
    assert users == {"containers/importing/sandbox.py"}


def test_every_exception_is_still_needed() -> None:
    used = {(file.path, what) for file in judged(("actors",)) for _, what, _ in file.of_actors}
    used |= {(file.path, what) for file in judged() for _, what, _ in file.general}
    needed = used | {(path, "*") for path, _ in used}
    assert [entry for entry in ALLOWED if entry not in needed] == []


def test_no_module_of_ours_is_dead() -> None:
    """A module that nothing imports and nobody can start is left over from something."""
    files = judged(PYTHON)
    wanted = {module for file in files for module in file.mentioned}
    dead = [
        file.path
        for file in files
        if file.path.startswith(ROOMS)
        and not file.path.endswith(("__init__.py", "__main__.py", "/main.py"))
        and file.path.removesuffix(".py").replace("/", ".") not in wanted
        and file.path not in FOR_TESTS
        and 'if __name__ == "__main__"' not in file.text
    ]
    assert dead == []


UNPICKLER = "containers.importing.unpickler"

FOR_TESTS = ("actors/runtime/virtual.py",)
"""What only tests and the simulator start: virtual time."""

PYTHON = (*ROOMS, "tools", "bench")


def _mentions(source: Parsed) -> Iterator[str]:
    """Yield modules a file imports, or names in a text (programs are started by their module's name)."""
    for node in source.nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and re.fullmatch(r"[a-z_.]+(:\w+)?", node.value)
        ):
            yield node.value.split(":")[0]


BAD = {
    "import time\ntime.time()": "time.time",
    "from time import time as now\nx = now": "time.time",
    "import datetime as d\nd.datetime.now(d.UTC)": "datetime.datetime.now",
    "from datetime import datetime\ndatetime.now()": "datetime.datetime.now",
    "import asyncio as a\nawait_ = a.sleep(1)": "asyncio.sleep",
    "from asyncio import to_thread\nto_thread(print)": "asyncio.to_thread",
    "loop.run_in_executor(None, f)": "run_in_executor",
    "loop.getaddrinfo('h', 1)": "getaddrinfo",
    "import random": "random",
    "from concurrent.futures import Executor": "concurrent",
    "for x in {1, 2}: pass": "iteration over a set",
    "y = [x for x in set(z)]": "iteration over a set",
    "for x in {a for a in b}: pass": "iteration over a set",
    "open('x')": "open",
}


@pytest.mark.parametrize(("text", "what"), BAD.items())
def test_the_rules_of_actors_find_what_they_forbid(text: str, what: str) -> None:
    assert what in [found for _, found, _ in actor_faults(Source("actors/x.py", text).parsed())]


@pytest.mark.parametrize(
    "text",
    [
        "try: pass\nexcept: pass",
        "assert x",
        "eval('1')",
        "import pickle\nclass A(pickle._Unpickler): pass",
        "import pickle as p\nclass A(p.Unpickler): pass",
        "from os import system\nsystem('x')",
        "print()",
        "x = 1  # TODO",
    ],
)
def test_the_house_rules_find_what_they_forbid(text: str) -> None:
    source = Source("providers/x.py", text).parsed()
    assert len(told(source.path, general_faults(source))) == 1


def test_ordered_things_may_be_walked() -> None:
    text = "for x in sorted({1, 2}): pass\nfor y in (1, 2): pass\nz = x in {1, 2}"
    assert list(actor_faults(Source("actors/x.py", text).parsed())) == []
