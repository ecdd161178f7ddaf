"""Reads a pickle by an allow-list of names: the one place of this repository where a pickle is loaded.

Used by ``sandbox`` alone, behind its walls. It follows Python's own machine and joblib's way of writing arrays, which
puts their bytes between the instructions; joblib's reader is not used, as it reads arrays of objects by an unpickler
that takes any name.
"""

from __future__ import annotations

import pickle
from importlib import import_module
from types import FunctionType
from typing import IO, Any, ClassVar, Final

import numpy as np

from containers.importing.names import AGAIN, ENCODE, LOSSES, ONLY_FITTED, WRAPPER, Name
from containers.importing.scan import unsafe

BLOCK_BYTES: Final = 1 << 20
SHARED: Final = (type, np.ufunc, FunctionType)
"""What there is once for all: a state given to one would change everything that comes after."""
DEPTH_MAX: Final = 3
"""Pickles inside pickles."""


class ArrayPlace:
    """Stands where the bytes of an array follow (``joblib.numpy_pickle.NumpyArrayWrapper``)."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    order: str

    def read(self, source: IO[bytes], depth: int) -> Any:
        """Return the array whose bytes are next."""
        if self.dtype.hasobject:
            found = OldPickle(source, depth + 1).load()
            if not isinstance(found, np.ndarray):
                raise ValueError("no array where one must be")
            return found
        if getattr(self, "numpy_array_alignment_bytes", None) is not None:
            source.seek(source.read(1)[0], 1)
        count = 1
        for length in self.shape:
            count *= length
        size, here = count * self.dtype.itemsize, source.tell()
        if not 0 <= size <= source.seek(0, 2) - here:
            raise ValueError("an array that is larger than the file")
        source.seek(here)
        flat = np.frombuffer(source.read(size), dtype=self.dtype).copy()
        return flat.reshape(self.shape[::-1]).transpose() if self.order == "F" else flat.reshape(self.shape)


def latin1(text: str, encoding: str) -> bytes:
    """Return bytes as pickles for Python 2 spell them; the only encoding they use."""
    if encoding != "latin1":
        raise unsafe("The pickle asks for an encoding that no model needs")
    return text.encode("latin1")


class Nothing:
    """Stands where something was that only a fit needed, and that libraries have no more."""

    def __init__(self, *_: Any) -> None:
        """Take what it was made of."""

    def __setstate__(self, _: Any) -> None:
        """Take its state."""


def loss_again(kind: Any, checksum: int, state: Any = None) -> Any:  # noqa: ARG001 - the one of other versions
    """Return a loss of scikit-learn made of its numbers, as most versions pickle it."""
    if kind not in vars(import_module(LOSSES)).values():
        raise unsafe("The pickle makes a loss of something that is none")
    return kind(*(state or ()))


class OldPickle(pickle._Unpickler):  # the one in C cannot be extended
    """Python's unpickler, for allowed names only."""

    def __init__(self, source: IO[bytes], depth: int = 0) -> None:
        if depth > DEPTH_MAX:
            raise unsafe("The pickle has pickles inside pickles")
        super().__init__(source, fix_imports=False, encoding="latin1")
        self._source = source
        self._depth = depth

    def find_class(self, module: str, name: str) -> Any:
        """Return what an allowed name means. Raises ``Refused`` E-IMPORT-UNSAFE for any other."""
        named = Name(module, name)
        if not named.allowed:
            raise unsafe(f"The pickle names {named}, which no model needs")
        if named.today == ENCODE:
            return latin1
        if named.today == WRAPPER:
            return ArrayPlace
        if named.today.module == LOSSES and name.startswith(AGAIN):
            return loss_again
        if name in ONLY_FITTED.get(named.today.module, ()):
            return Nothing
        return getattr(import_module(named.today.module), name)

    def persistent_load(self, pid: Any) -> Any:  # noqa: ARG002
        """Refuse: a model has none."""
        raise unsafe("The pickle has persistent ids")

    def get_extension(self, code: int) -> None:  # noqa: ARG002
        """Refuse: a model has none."""
        raise unsafe("The pickle has extension codes")

    def _load_build(self) -> None:
        stack: list[Any] = self.stack  # type: ignore[attr-defined]
        if isinstance(stack[-2], SHARED):
            raise unsafe("The pickle changes what it names")
        pickle._Unpickler.load_build(self)  # type: ignore[attr-defined]
        if isinstance(stack[-1], ArrayPlace):
            stack[-1] = stack[-1].read(self._source, self._depth)

    dispatch: ClassVar[dict[int, Any]] = {**pickle._Unpickler.dispatch, pickle.BUILD[0]: _load_build}
