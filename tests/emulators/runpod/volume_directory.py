"""A volume's files in a real directory, which real pods mount."""

from __future__ import annotations

import errno
import os
import shutil
import stat as modes
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.emulators.runpod.volume_files import UPLOADS, Entry, Stat, check_path


class DirectoryFiles:
    """Files below one directory. Links are neither shown nor followed out of it: a pod may have made them."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path = path.resolve()

    def put(self, path: str, content: bytes, now: float) -> None:
        """Write a file whole, in place of an earlier one."""
        target = self._target(path)
        self._replace(self._written([content], now), target)

    def create(self, path: str, content: bytes, now: float) -> bool:
        """Write a file under a free name, by a link; ``False`` if the name is taken."""
        target = self._inside(path)
        self._make_folder(target.parent)
        written = self._written([content], now)
        try:
            os.link(written, target)
        except FileExistsError:
            return False
        finally:
            written.unlink()
            self._tidy()
        return True

    def join(self, sources: Sequence[str], target: str, now: float) -> None:
        """Write one file from others."""
        inside = [self._inside(source) for source in sources]
        place = self._target(target)
        self._replace(self._written(inside, now), place)

    def make_folder(self, path: str, now: float) -> None:
        """Make a folder and those above it."""
        self._make_folder(self._inside(path))

    def read(self, path: str, start: int = 0, size: int | None = None) -> bytes:
        """Return a part of a file."""
        try:
            with self._inside(path).open("rb") as file:
                file.seek(start)
                return file.read(-1 if size is None else size)
        except NotADirectoryError as error:
            raise FileNotFoundError(path) from error

    def stat(self, path: str) -> Stat | None:
        """Return what is at this path."""
        try:
            return _stat(self._inside(path).stat())
        except (FileNotFoundError, NotADirectoryError):
            return None

    def delete(self, path: str) -> bool:
        """Remove a file or an empty folder."""
        try:
            place = self._inside(path)
            if place.is_dir():
                place.rmdir()
            else:
                place.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            if error.errno == errno.ENOTEMPTY:
                return False
            raise
        return True

    def walk(self, prefix: str = "", after: str = "") -> Iterator[Entry]:
        """Yield files and empty folders in the order of their keys."""
        yield from _walk(self.path, "", prefix, after)

    def usage(self) -> int:
        """Return the bytes of all files."""
        return sum(entry.stat.size for entry in self.walk())

    def _inside(self, path: str) -> Path:
        check_path(path)
        place = self.path / path
        try:
            real = place.resolve()
        except (OSError, RuntimeError) as error:
            raise FileNotFoundError(path) from error
        if not real.is_relative_to(self.path):
            raise FileNotFoundError(path)
        return place

    def _target(self, path: str) -> Path:
        place = self._inside(path)
        if place.is_dir():
            raise IsADirectoryError(path)
        self._make_folder(place.parent)
        return place

    def _make_folder(self, place: Path) -> None:
        try:
            place.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise NotADirectoryError(str(place)) from error

    def _written(self, contents: Sequence[bytes | Path], now: float) -> Path:
        """Return a finished file that has no name of its own yet; it lies on the same disk."""
        folder = self.path / UPLOADS
        folder.mkdir(exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder)
        written = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                for content in contents:
                    if isinstance(content, bytes):
                        file.write(content)
                    else:
                        with content.open("rb") as source:
                            shutil.copyfileobj(source, file, 1 << 20)
            written.chmod(0o644)
            os.utime(written, (now, now))
        except BaseException:
            written.unlink()
            raise
        return written

    def _replace(self, written: Path, target: Path) -> None:
        try:
            written.replace(target)
        except OSError:
            written.unlink()
            raise
        finally:
            self._tidy()

    def _tidy(self) -> None:
        try:
            (self.path / UPLOADS).rmdir()
        except OSError:
            return


def _stat(found: os.stat_result) -> Stat:
    folder = modes.S_ISDIR(found.st_mode)
    version = f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}"
    return Stat(0 if folder else found.st_size, found.st_mtime, version, folder)


def _walk(folder: Path, base: str, prefix: str, after: str) -> Iterator[Entry]:
    found: list[tuple[str, Path, os.stat_result]] = []
    for place in _content(folder):
        try:
            status = place.lstat()
        except FileNotFoundError:
            continue
        key = base + place.name
        if modes.S_ISDIR(status.st_mode):
            found.append((f"{key}/", place, status))
        elif modes.S_ISREG(status.st_mode) and key.isprintable():
            found.append((key, place, status))
    for key, place, status in sorted(found, key=lambda one: one[0]):
        wanted = key.startswith(prefix) and key > after
        if not key.endswith("/"):
            if wanted:
                yield Entry(key, _stat(status))
        elif (key.startswith(prefix) or prefix.startswith(key)) and (key > after or after.startswith(key)):
            if wanted and not _content(place):
                yield Entry(key, _stat(status))
            yield from _walk(place, key, prefix, after)


def _content(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
