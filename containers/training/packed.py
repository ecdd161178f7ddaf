"""The outside of a file: plain text, or one of the containers a table may come in, recognised by its first bytes.

``csv.gz``, ``csv.zst`` and a zip with one file in it give a stream of text; ``parquet`` and ``xlsx`` are read by
modules of their own. Whatever unpacks is bounded on the way: its size, its ratio to what was sent, its members.
(faults.md 83)
"""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from containers.training.refusal import Refused, listed, quoted

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PLAIN = "csv"
GZIP = "csv.gz"
ZSTD = "csv.zst"
ZIP = "zip"
PARQUET = "parquet"
XLSX = "xlsx"
TEXTS = (PLAIN, GZIP, ZSTD, ZIP)
"""Those that give a stream of text."""
FORMATS = (*TEXTS, PARQUET, XLSX)

UNPACKED_BYTES_MAX = 4 * 1024**3
"""Most bytes a file may unpack to."""
RATIO_MAX = 100
"""Largest ratio of unpacked to sent bytes; tables reach 5 to 30."""
RATIO_FREE_BYTES = 256 * 1024**2
"""Unpacked size up to which the ratio does not matter: a column of zeros packs a thousand to one."""
SKIMMED_BYTES = 1024 * 1024
"""Bytes unpacked at a time only to be counted."""
MEMBERS_MAX = 10_000
"""Most entries of a zip archive; a large workbook has hundreds."""
ZSTD_WINDOW_LOG_MAX = 27
"""Largest window, as a power of two: 128 MiB, above which every reader may refuse (RFC 8878, 3.1.1.1.2)."""

_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")
_PARQUET_MAGIC = b"PAR1"
_END_RECORD = b"PK\x05\x06"
"""Signature of a zip's last record (APPNOTE 4.3.16): 22 bytes and a comment of at most 65,535."""
_ZIP_ENCRYPTED = 0x1
_TABLES = (".csv", ".tsv", ".txt", ".tab", ".dat")


def format_of(path: Path) -> str:
    """Return which of ``FORMATS`` a file is, by its content. What is none of the packed ones counts as text."""
    with path.open("rb") as file:
        head = file.read(4)
    if head.startswith(_GZIP_MAGIC):
        return GZIP
    if head == _ZSTD_MAGIC:
        return ZSTD
    if head == _PARQUET_MAGIC:
        return PARQUET
    if head in _ZIP_MAGICS:
        with open_archive(path) as archive:
            names = set(archive.namelist())
        return XLSX if "[Content_Types].xml" in names and any(n.startswith("xl/") for n in names) else ZIP
    return PLAIN


def open_text(path: Path, format: str) -> io.RawIOBase:
    """Return the bytes of the text in a file of format ``csv``, ``csv.gz``, ``csv.zst`` or ``zip``, unbuffered.

    Raises E-CSV-ARCHIVE, E-CSV-LIBRARY; reading raises E-CSV-ARCHIVE and E-CSV-BOMB.
    """
    if format == PLAIN:
        return path.open("rb", buffering=0)
    size = path.stat().st_size
    if format == ZIP:
        archive = open_archive(path)
        try:
            return _Unpacked(archive.open(_only_table(archive)), size, archive)
        except (NotImplementedError, zipfile.BadZipFile, RuntimeError, OSError) as error:  # places before its start
            archive.close()
            raise _unreadable(error) from None
        except BaseException:
            archive.close()
            raise
    if format == GZIP:
        return _Unpacked(gzip.GzipFile(path, "rb"), size)
    zstd = zstd_library()
    limits = {zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG_MAX}
    return _Unpacked(zstd.ZstdFile(path, "rb", options=limits), size)


def check_small(path: Path, format: str) -> None:
    """Unpack a small archive to its end and keep nothing: a bomb shows at once, not after minutes of reading rows.

    What is larger is counted while it is read. Raises as ``open_text`` and its reading do.
    """
    if format in TEXTS and format != PLAIN and path.stat().st_size * RATIO_MAX <= RATIO_FREE_BYTES:
        with open_text(path, format) as stream:
            while stream.read(SKIMMED_BYTES):
                pass


def zstd_library() -> Any:
    """Return the library for Zstandard: Python's own from 3.14 on, its backport before. Raises E-CSV-LIBRARY."""
    import importlib

    for name in ("compression.zstd", "backports.zstd"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise lacking("Zstandard archives", "backports-zstd")


def lacking(what: str, library: str) -> Refused:
    """Return the refusal of a file that this computer has no library for."""
    return Refused(
        "E-CSV-LIBRARY",
        f"This computer has no library for {what}: send the table as CSV, or install {library} where Lastcall runs "
        "(pip install 'lastcall[train]')",
    )


def damaged(what: str) -> Refused:
    """Return the refusal of an archive that does not unpack."""
    return Refused("E-CSV-ARCHIVE", f"{what} is damaged or cut off: pack it and send it again")


def check_unpacked(unpacked: int, sent: int) -> None:
    """Refuse more unpacked bytes than a file of ``sent`` bytes may have (E-CSV-BOMB)."""
    if unpacked > UNPACKED_BYTES_MAX:
        raise Refused(
            "E-CSV-BOMB",
            f"The file unpacks to more than {UNPACKED_BYTES_MAX // 1024**3} GiB: send fewer rows or columns",
        )
    if unpacked > RATIO_FREE_BYTES and unpacked > RATIO_MAX * max(1, sent):
        raise Refused(
            "E-CSV-BOMB",
            f"The file unpacks to more than {RATIO_MAX} times its size, which no table does: send the CSV itself",
        )


def open_archive(path: Path) -> zipfile.ZipFile:
    """Return the open zip archive at ``path`` (E-CSV-ARCHIVE, E-CSV-BOMB)."""
    if _members(path) > MEMBERS_MAX:
        raise Refused(
            "E-CSV-BOMB", f"The archive has more than {MEMBERS_MAX:,} files in it: send a zip of the one CSV alone"
        )
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise damaged("The zip archive") from None


def _members(path: Path) -> int:
    """Return how many entries the archive says it has, before they are all read into memory."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 65_557))
        tail = file.read()
    at = tail.rfind(_END_RECORD)
    if at < 0 or len(tail) < at + 22:
        raise damaged("The zip archive")
    return int(struct.unpack_from("<H", tail, at + 10)[0])


def _only_table(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """Return the one file in an archive; what packers add by themselves does not count."""
    files = [m for m in archive.infolist() if not m.is_dir() and not _is_trash(m.filename)]
    if "mimetype" in archive.namelist():
        raise Refused("E-CSV-ARCHIVE", "The file looks like an OpenDocument sheet: save it as .xlsx or CSV")
    if not files:
        raise Refused("E-CSV-ARCHIVE", "The zip archive is empty: pack the CSV and send it again")
    tables = [m for m in files if m.filename.lower().endswith(_TABLES)] or files
    if len(tables) > 1:
        raise Refused(
            "E-CSV-ARCHIVE",
            f"The zip archive holds {len(tables):,} files ({listed((m.filename for m in tables), 4)}): "
            "send the one that matters, alone",
        )
    [table] = tables
    if table.flag_bits & _ZIP_ENCRYPTED:
        raise Refused(
            "E-CSV-ARCHIVE", f"{quoted(table.filename)} in the zip archive has a password: send it without one"
        )
    return table


def _is_trash(name: str) -> bool:
    parts = name.split("/")
    return parts[0] == "__MACOSX" or parts[-1] in ("Thumbs.db", "desktop.ini") or parts[-1].startswith(".")


class Readable(Protocol):
    """What unpacks: ``gzip``, ``zipfile`` and Zstandard each have a type of their own."""

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes, none at the end."""

    def close(self) -> None:
        """Close it."""


class _Unpacked(io.RawIOBase):
    """What an archive unpacks to, counted on the way."""

    def __init__(self, inner: Readable, sent: int, *owned: zipfile.ZipFile) -> None:
        self._inner = inner
        self._sent = sent
        self._owned = owned
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        try:
            block = self._inner.read(len(view))
        except Refused:
            raise
        except (EOFError, OSError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise _unreadable(error) from None
        except Exception as error:
            if type(error).__name__ != "ZstdError":
                raise
            raise _unreadable(error) from None
        self._count += len(block)
        check_unpacked(self._count, self._sent)
        view[: len(block)] = block
        return len(block)

    def close(self) -> None:
        self._inner.close()
        for archive in self._owned:
            archive.close()
        super().close()


def _unreadable(error: Exception) -> Refused:
    if isinstance(error, NotImplementedError):
        return Refused("E-CSV-ARCHIVE", "The zip archive is packed in an unusual way: pack it with plain zip (deflate)")
    if "memory" in str(error).lower():  # a window larger than ZSTD_WINDOW_LOG_MAX is said so
        return Refused("E-CSV-BOMB", "The Zstandard archive wants a window above 128 MiB: pack it without --long")
    return damaged("The archive")


def first_bytes(stream: io.RawIOBase, count: int) -> bytes:
    """Return the first ``count`` bytes of an unbuffered stream, fewer only at its end."""
    return b"".join(_pieces(stream, count))


def _pieces(stream: io.RawIOBase, count: int) -> Iterable[bytes]:
    while count and (piece := stream.read(count)):
        yield piece
        count -= len(piece)
