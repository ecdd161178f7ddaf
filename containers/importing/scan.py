"""Reads a pickle without running it: what it names, what versions it states. Standard library only.

A pickle is a list of instructions for a small machine with a stack. Here the instructions are followed for the *names*
on that stack alone: nothing is imported, called or built. What the machine would do that no model needs (calling what
it made itself, persistent ids, extension codes) is refused. Files of joblib have the bytes of arrays between the
instructions; they are skipped by the shape and type that the instructions state.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from containers.importing.names import FORMER, TAKEN, WRAPPER, Name, words
from containers.training.refusal import Refused, listed, quoted

OPERATIONS_MAX: Final = 50_000_000
"""Instructions of one file; a forest of 5,000 trees has a few million."""
NAMES_MAX: Final = 200
"""Different names in one file."""
DEPTH_MAX: Final = 3
"""Pickles inside a pickle: joblib writes an array of objects as one."""
VERSION_KEY: Final = "_sklearn_version"
"""What scikit-learn writes into every estimator's state."""
PROTOCOL_MAX: Final = 5
SEARCH: Final = "sklearn.model_selection._search"
"""Where searches are, which hold the model they found as ``best_estimator_``."""
LIBRARY: Final = "sklearn."
"""What is named from in here and not allowed is refused as what it is: too much, and hardly an attack."""

_TEXT = words("STRING BINSTRING SHORT_BINSTRING UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8")
_WHOLE = words("INT BININT BININT1 BININT2 LONG LONG1 LONG4")
_OPAQUE = words("FLOAT BINFLOAT BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8 EMPTY_LIST EMPTY_SET")
_CONSTANT = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_PUT = words("PUT BINPUT LONG_BINPUT")
_GET = words("GET BINGET LONG_BINGET")
_SMALL = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_IDLE = frozenset({"PROTO", "FRAME", "STOP"})


class _Opaque:
    """A value whose content does not matter."""


class Made(NamedTuple):
    """What calling a name gives."""

    by: Name
    arguments: Any
    """Kept only of ``numpy.dtype``."""


@dataclass
class Found:
    """What a pickle says of itself."""

    names: dict[Name, None] = field(default_factory=dict)
    """In the order they come."""
    versions: dict[str, None] = field(default_factory=dict)
    """Of scikit-learn, as the estimators state them."""
    operations: int = 0

    def json(self) -> dict[str, Any]:
        """Return it as documents show it."""
        return {"names": [str(name) for name in self.names], "versions": list(self.versions)}


def unsafe(why: str) -> Refused:
    """Return the refusal of a pickle that is no model's."""
    return Refused("E-IMPORT-UNSAFE", f"{why}: it was not loaded")


def scan(data: Any) -> Found:
    """Return what the pickle at the position of ``data`` (read, readline, tell, seek) names, all of it allowed.

    Raises ``Refused``: E-IMPORT-UNSAFE, E-IMPORT-VERSION for names that scikit-learn has no more, E-IMPORT-KIND for
    what is no pickle.
    """
    found = Found()
    try:
        _Machine(data, found, 0).run()
    except Refused:
        raise
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, UnicodeDecodeError, EOFError) as error:
        _refuse_names(found)
        raise Refused("E-IMPORT-KIND", f"The file is no whole pickle ({type(error).__name__})") from error
    _refuse_names(found)
    return found


def _refuse_names(found: Found) -> None:
    bad = [name for name in found.names if not name.allowed]
    former = [name for name in bad if name.module in FORMER]
    searches = [name.name for name in bad if name.module == SEARCH]
    if searches:
        fix = "load it where it was made and write its best_estimator_ by itself"
        raise Refused(
            "E-IMPORT-KIND", f"The pickle is a search, {quoted(searches[0])}, and not the model it found: {fix}"
        )
    if len(bad) > len(former):
        others = [name for name in bad if name not in former]
        shown = listed([str(name) for name in others], 5)
        if all(name.module.startswith(LIBRARY) and name.name.isidentifier() for name in others):
            raise Refused("E-IMPORT-KIND", f"The pickle names {shown}; what can be brought over: {TAKEN}")
        raise unsafe(f"The pickle names {shown}, which no model needs")
    if former:
        made = f" by scikit-learn {', '.join(found.versions)}" if found.versions else ""
        raise Refused(
            "E-IMPORT-VERSION",
            f"The pickle was written{made} and names {quoted(str(former[0]))}, which scikit-learn has no more",
        )


class _Machine:
    """Follows the instructions of one pickle."""

    def __init__(self, data: Any, found: Found, depth: int) -> None:
        if depth > DEPTH_MAX:
            raise unsafe("The pickle has pickles inside pickles")
        self._data = data
        self._found = found
        self._depth = depth
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._array: Made | None = None
        self._do: dict[str, Callable[[Any], None]] = {
            "MARK": self._mark,
            "POP": self._pop,
            "POP_MARK": lambda _: self._forget(self._since_mark()),
            "DUP": lambda _: self._push(self._stack[-1]),
            "TUPLE": lambda _: self._push(tuple(self._since_mark())),
            "LIST": lambda _: self._opaque_since_mark(),
            "FROZENSET": lambda _: self._opaque_since_mark(),
            "EMPTY_DICT": lambda _: self._push({}),
            "DICT": self._dict,
            "APPEND": lambda _: self._forget(self._take(1)),
            "APPENDS": lambda _: self._forget(self._since_mark()),
            "ADDITEMS": lambda _: self._forget(self._since_mark()),
            "SETITEM": lambda _: self._set(self._take(2)),
            "SETITEMS": lambda _: self._set(self._since_mark()),
            "GLOBAL": lambda arg: self._push(self._name(*arg.split(" ", 1))),
            "STACK_GLOBAL": lambda _: self._push(self._name(*self._take(2))),
            "REDUCE": lambda _: self._call(*self._take(2)),
            "NEWOBJ": lambda _: self._call(*self._take(2)),
            "NEWOBJ_EX": lambda _: self._call(*self._take(3)[:2]),
            "INST": self._inst,
            "OBJ": lambda _: self._obj(self._since_mark()),
            "BUILD": lambda _: self._build(self._take(1)[0]),
            "MEMOIZE": lambda _: self._put(len(self._memo)),
        }

    def run(self) -> None:
        """Follow to the end; the position is then after it."""
        while True:
            for opcode, arg, _ in pickletools.genops(self._data):
                self._found.operations += 1
                if self._found.operations > OPERATIONS_MAX:
                    raise unsafe(f"The pickle has more than {OPERATIONS_MAX:,} instructions")
                self._step(opcode.name, arg)
                if self._array is not None:
                    break  # the bytes of an array follow, and then the next instruction
            else:
                if len(self._stack) != 1 or self._marks:
                    raise ValueError("not one value")
                return
            self._skip_array()

    def _step(self, name: str, arg: Any) -> None:
        if name in self._do:
            self._do[name](arg)
        elif name in _TEXT or name in _WHOLE:
            self._push(arg)
        elif name in _OPAQUE:
            self._push(_Opaque())
        elif name in _CONSTANT:
            self._push(_CONSTANT[name])
        elif name in _PUT:
            self._put(arg)
        elif name in _GET:
            self._push(self._memo[arg])
        elif name in _SMALL:
            self._push(tuple(self._take(_SMALL[name])))
        elif name == "PROTO" and arg > PROTOCOL_MAX:
            raise Refused("E-IMPORT-KIND", f"The pickle has protocol {arg}, which this Python does not know")
        elif name not in _IDLE:
            raise unsafe(f"The pickle has the instruction {name}, which no model needs")

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _forget(self, values: list[Any]) -> None:
        """Let go of what was put into a collection, whose content does not matter."""

    def _pop(self, _: Any) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._since_mark()

    def _take(self, count: int) -> list[Any]:
        if len(self._stack) < count:
            raise ValueError("the stack is empty")
        taken = self._stack[-count:]
        del self._stack[-count:]
        return taken

    def _mark(self, _: Any) -> None:
        self._marks.append(self._stack)
        self._stack = []

    def _since_mark(self) -> list[Any]:
        taken = self._stack
        self._stack = self._marks.pop()
        return taken

    def _opaque_since_mark(self) -> None:
        self._since_mark()
        self._push(_Opaque())

    def _dict(self, _: Any) -> None:
        items = self._since_mark()
        self._push({})
        self._set(items)

    def _put(self, place: int) -> None:
        if not 0 <= place <= OPERATIONS_MAX:
            raise unsafe("The pickle remembers more than a model has")
        self._memo[place] = self._stack[-1]

    def _set(self, items: list[Any]) -> None:
        target = self._stack[-1]
        for key, value in zip(items[::2], items[1::2], strict=True):
            if key == VERSION_KEY and isinstance(value, str) and len(self._found.versions) < NAMES_MAX:
                self._found.versions[value[:20]] = None
            if isinstance(target, dict) and isinstance(key, str):
                target[key] = value

    def _name(self, module: Any, name: Any) -> Name:
        if not isinstance(module, str) or not isinstance(name, str):
            raise unsafe("The pickle names something by what it made itself")
        named = Name(module, name)
        self._found.names[named] = None
        if len(self._found.names) > NAMES_MAX:
            raise unsafe(f"The pickle names more than {NAMES_MAX} things")
        return named

    def _call(self, what: Any, arguments: Any) -> None:
        if not isinstance(what, Name):
            raise unsafe("The pickle calls what it made itself")
        self._push(Made(what, arguments if what.today == ("numpy", "dtype") else None))

    def _inst(self, arg: str) -> None:
        arguments = tuple(self._since_mark())
        self._call(self._name(*arg.split(" ", 1)), arguments)

    def _obj(self, values: list[Any]) -> None:
        self._call(values[0], tuple(values[1:]))

    def _build(self, state: Any) -> None:
        made = self._stack[-1]
        if isinstance(made, Name):
            raise unsafe("The pickle changes what it names")
        if isinstance(made, Made) and made.by.today == WRAPPER:
            if not isinstance(state, dict):
                raise ValueError("an array without a shape")
            self._array = Made(made.by, state)

    def _skip_array(self) -> None:
        """Go on after the bytes of an array, as joblib reads them (``joblib.numpy_pickle.NumpyArrayWrapper``)."""
        state = self._array.arguments if self._array else {}
        self._array = None
        cells = 1
        for length in state["shape"]:
            cells *= length
        kind = state["dtype"].arguments[0]
        if kind in ("O8", "O4", "O"):
            _Machine(self._data, self._found, self._depth + 1).run()
            return
        if state.get("numpy_array_alignment_bytes") is not None:
            self._data.seek(self._data.read(1)[0], 1)
        self._data.seek(cells * item_bytes(kind), 1)


def item_bytes(kind: str) -> int:
    """Return the size of one item of a numpy type as a pickle states it: ``f8``, ``V64``, ``U12``."""
    letter, digits = kind[0], kind[1:]
    if letter not in "biufcmMSUV" or not digits.isdigit():
        raise ValueError("an unknown type of array")
    return int(digits) * (4 if letter == "U" else 1)
