"""What arrives: the older product's files as one archive, taken apart into files without a name.

Nothing has a place on the disk that could be left behind: a file without a name goes with the process that holds it,
however that ends. Standard library only.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, Final, NamedTuple

from containers.training.refusal import Refused, quoted

MODEL: Final = "model.pkl"
PREPROCESSOR: Final = "preprocessor.pkl"
METADATA: Final = "metadata.json"
SAMPLE: Final = "sample"
MEMBERS: Final = (MODEL, PREPROCESSOR, METADATA, SAMPLE)
UNPACKED_BYTES_MAX: Final = 1 << 30
"""Largest of each file, and of what is in a compressed one."""
METADATA_BYTES_MAX: Final = 4 << 20
BLOCK_BYTES: Final = 1 << 20
_PACKED: Final = {b"\x78": "zlib", b"\x1f\x8b": "gzip"}
_OTHERS: Final = {
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x04\x22\x4d\x18": "lz4",
    b"PK\x03\x04": "zip",
    b"\x89HDF": "HDF5",
}


class Member(NamedTuple):
    """One file of the package."""

    name: str
    file: IO[bytes]
    """What is in it, unpacked."""
    size_bytes: int
    sha256: str
    """Of the file as it came."""

    def json(self) -> dict[str, Any]:
        """Return it as documents show it."""
        return {"name": self.name, "size_bytes": self.size_bytes, "sha256": self.sha256}

    @contextmanager
    def mapped(self) -> Iterator[mmap.mmap]:
        """Give the content as one piece of memory. Raises ``Refused`` E-IMPORT-KIND for an empty file."""
        if not self.file.seek(0, 2):
            raise Refused("E-IMPORT-KIND", f"{self.name} is empty")
        with mmap.mmap(self.file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data


@contextmanager
def opened(path: Path) -> Iterator[dict[str, Member]]:
    """Give the files of the package by name. Raises ``Refused`` E-IMPORT-KIND."""
    with ExitStack() as files:
        yield _members(path, files)


def _members(path: Path, files: ExitStack) -> dict[str, Member]:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            plain = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
            if len(set(names)) < len(names) or not set(names) <= set(MEMBERS) or MODEL not in names or not plain:
                raise Refused("E-IMPORT-KIND", "The package is not one that lastcall models import makes")
            return {entry.filename: _taken(archive, entry, path.parent, files) for entry in entries}
    except (zipfile.BadZipFile, EOFError) as error:
        raise Refused("E-IMPORT-KIND", "The package is no archive") from error


def _taken(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path, files: ExitStack) -> Member:
    if entry.file_size > UNPACKED_BYTES_MAX:
        raise Refused("E-TOOLARGE", f"{entry.filename} has more than {UNPACKED_BYTES_MAX} bytes")
    found, file = hashlib.sha256(), files.enter_context(nameless(folder))
    with archive.open(entry) as source:
        while block := source.read(BLOCK_BYTES):
            found.update(block)
            file.write(block)
    file.seek(0)
    start = file.read(8)
    if entry.filename.endswith(".pkl"):
        if any(start.startswith(magic) for magic in _PACKED):
            file = _inflated(file, entry.filename, files.enter_context(nameless(folder)))
        for magic, what in _OTHERS.items():
            if start.startswith(magic):
                raise Refused("E-IMPORT-KIND", f"{entry.filename} is a {what} file: write it again with joblib.dump")
    file.seek(0)
    return Member(entry.filename, file, entry.file_size, found.hexdigest())


@contextmanager
def nameless(folder: Path) -> Iterator[IO[bytes]]:
    """Give a file without a name, which goes with whoever holds it."""
    with tempfile.TemporaryFile(dir=folder) as file:
        yield file


def _inflated(source: IO[bytes], name: str, file: IO[bytes]) -> IO[bytes]:
    """Return ``file`` with what joblib compressed in it, up to a bound."""
    unpack, size = zlib.decompressobj(wbits=47), 0
    source.seek(0)
    try:
        while not unpack.eof:
            packed = unpack.unconsumed_tail or source.read(BLOCK_BYTES)
            if not packed:
                raise Refused("E-IMPORT-KIND", f"{name} is not whole")
            size += file.write(unpack.decompress(packed, BLOCK_BYTES))
            if size > UNPACKED_BYTES_MAX:
                raise Refused("E-TOOLARGE", f"{name} unpacks to more than {UNPACKED_BYTES_MAX} bytes")
    except zlib.error as error:
        raise Refused("E-IMPORT-KIND", f"{name} cannot be unpacked") from error
    return file


class Told(NamedTuple):
    """What the older product's ``metadata.json`` says, as far as it is used."""

    target: str = "prediction"
    features: tuple[str, ...] = ()
    model_type: str = ""
    hyperparameters: Mapping[str, Any] = MappingProxyType({})
    metrics: Mapping[str, float] = MappingProxyType({})
    training_samples: int | None = None
    test_samples: int | None = None

    def json(self) -> dict[str, Any]:
        """Return it as documents show it."""
        return {**self._asdict(), "hyperparameters": dict(self.hyperparameters), "metrics": dict(self.metrics)}


def told(member: Member | None) -> Told:
    """Return what the metadata say. Raises ``Refused`` E-IMPORT-KIND where they are none."""
    if member is None:
        return Told()
    member.file.seek(0)
    try:
        found = (
            json.loads(member.file.read(METADATA_BYTES_MAX + 1)) if member.size_bytes <= METADATA_BYTES_MAX else None
        )
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Refused("E-IMPORT-KIND", f"{METADATA} is no JSON object of at most {METADATA_BYTES_MAX} bytes")
    features = found.get("feature_columns") or []
    if not isinstance(features, list) or not all(isinstance(name, str) and name for name in features):
        raise Refused("E-IMPORT-KIND", f"feature_columns in {METADATA} is no list of names")
    if len(set(features)) < len(features):
        raise Refused("E-IMPORT-KIND", f"feature_columns in {METADATA} names {quoted(_double(features))} twice")
    target, parameters = found.get("target_column"), found.get("hyperparameters")
    return Told(
        target=target if isinstance(target, str) and 0 < len(target) <= 1000 else "prediction",
        features=tuple(features),
        model_type=str(found.get("model_type") or "")[:100],
        hyperparameters=parameters if isinstance(parameters, dict) else {},
        metrics=_reported(found.get("score"), found.get("metrics")),
        training_samples=_count(found.get("training_samples")),
        test_samples=_count(found.get("test_samples")),
    )


def _double(names: list[str]) -> str:
    return next(name for name in names if names.count(name) > 1)


def _reported(score: Any, metrics: Any) -> dict[str, float]:
    """Return the numbers the older product gave: one ``score`` or several by name, ``metrics`` where there are any."""
    return _numbers(score if isinstance(score, dict) else {"score": score}) | _numbers(metrics)


def _numbers(value: Any) -> dict[str, float]:
    items = value.items() if isinstance(value, dict) else ()
    plain = {str(k)[:60]: float(v) for k, v in items if isinstance(v, int | float) and not isinstance(v, bool)}
    return {name: number for name, number in plain.items() if abs(number) < float("inf")}


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53 else None
