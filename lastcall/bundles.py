"""The job bundle in storage, and how a rented machine starts the training program from it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from containers import bundle as bundles
from containers.bundle import Bundle
from providers.interface import CloudStorageProvider, Conflict, NotFound

CHUNK_BYTES = 1 << 20
PREPARE_LIMIT_S = 1200.0
"""For the preparing step: some 100 MB of libraries come in and go to a network volume, once for each environment."""
ENVIRONMENTS = "environments"
"""Below the machine's storage root: prepared environments, kept between jobs."""

_PREPARE_LINE = 'exec "$LASTCALL_PYTHON" -I "$0" "$@"'
"""The wrapper says which Python it runs on; nobody else knows before the machine is there."""


class BundleProgram(NamedTuple):
    """How a machine runs the training program from the bundle."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    prepare_argv: tuple[str, ...]
    prepare_limit_s: float
    wrapper_sha256: str
    """For ``LASTCALL_WRAPPER_SHA256`` in the machine's environment."""


@dataclass(slots=True)
class _Looks:
    """Looks into one store, counted from 1."""

    begun: int = 0
    good: int = 0
    """The last one that found or made the bundle whole."""


class BundleStore:
    """Puts the bundle of this installation into storage, where it is not there yet."""

    def __init__(self, bundle: Bundle | None = None) -> None:
        """``bundle`` defaults to what these sources make. Raises OSError."""
        self.bundle = bundle or bundles.build()
        self._lock = asyncio.Lock()
        self._looks: dict[CloudStorageProvider, _Looks] = {}

    async def ensure(self, store: CloudStorageProvider) -> str:
        """Make sure that ``store`` has the whole bundle, and return the key of its folder.

        The manifest goes last and is deleted first: where it is, with its size, everything is. It is asked for each
        time, which is one small call: somebody else may have deleted what was seen before. Who asks while others wait
        shares the next look with them: a hundred creates at once wait for two looks, not for a hundred. Raises
        Unavailable, Refused.
        """
        looks = self._looks.setdefault(store, _Looks())
        asked_after = looks.begun
        async with self._lock:
            if looks.good <= asked_after:
                looks.begun += 1
                await self._ensure(store)
                looks.good = looks.begun
        return self.bundle.prefix

    async def _ensure(self, store: CloudStorageProvider) -> None:
        if await self._has(store, bundles.MANIFEST):
            return
        for name in self.bundle.files:
            if not await self._has(store, name):
                await self._put(store, name)

    async def _has(self, store: CloudStorageProvider, name: str) -> bool:
        try:
            found = await store.stat(self._key(name))
        except NotFound:
            return False
        return found.size_bytes == len(self.bundle.files[name])

    async def _put(self, store: CloudStorageProvider, name: str) -> None:
        data = self.bundle.files[name]
        try:
            await store.put(self._key(name), _chunks(data), exclusive=True)
        except Conflict:
            if not await self._has(store, name):  # cut short by something: the name says what belongs there
                await store.put(self._key(name), _chunks(data))

    def _key(self, name: str) -> str:
        return f"{self.bundle.prefix}/{name}"


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), CHUNK_BYTES):
        yield data[start : start + CHUNK_BYTES]


def bundle_program(prefix: str, storage_root: str, wrapper_sha256: str, library: str | None = None) -> BundleProgram:
    """Return how a machine that sees storage at ``storage_root`` (an absolute path) prepares and runs the training.

    ``prefix`` is what ``BundleStore.ensure`` returned; ``library`` is what the model needs beside scikit-learn.
    """
    root = storage_root.rstrip("/")
    folder = f"{root}/{prefix}"
    prepare = f"{folder}/{bundles.PREPARE}"
    own_file = library in bundles.LIBRARIES  # what no job can bring is in the image, or shows when it is imported
    wanted = ("--requirements", bundles.requirements_name(library)) if library and own_file else ()
    imports = (*bundles.IMPORTS, library) if library else bundles.IMPORTS
    return BundleProgram(
        argv=("./env/bin/python", "-m", "containers.training", "work.json", "out"),
        environment={"PYTHONPATH": f"{folder}/{bundles.CODE}"},
        prepare_argv=("sh", "-c", _PREPARE_LINE, prepare, *wanted, f"{root}/{ENVIRONMENTS}", *imports),
        prepare_limit_s=PREPARE_LIMIT_S,
        wrapper_sha256=wrapper_sha256,
    )
