"""One attempt's job folder, as the daemon reads and writes it (design.md 7).

Nothing in it is trusted: files may be torn, too long, of another attempt, or written by a newer wrapper. Such a
file reads as absent, with the reason kept; only a store that does not answer raises (``Unavailable``). Names are
known, log files by their number; nothing is listed but the log that has to be paid for, once, at its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from actors.storage.reading import TooLarge, parse_json, put_bytes, read_small
from messages.folder import (
    CONTROL,
    HEARTBEAT,
    LOG_FOLDER,
    PROGRESS,
    RESULT,
    SPEC,
    STARTED,
    Control,
    Heartbeat,
    LogLine,
    Progress,
    Spec,
    Started,
    log_key,
)
from messages.jobs import ResultMarker
from messages.storage import Artifact
from providers.interface import CloudStorageProvider, NotFound

SMALL_FILE_BYTES_MAX: Final = 64 << 10
"""``started.json``, ``heartbeat.json`` and ``progress.json``: a few hundred bytes each in practice."""
SPEC_BYTES_MAX: Final = 1 << 20
"""``spec.json``: room for the names of ten thousand columns."""
MARKER_BYTES_MAX: Final = 4 << 20
"""``result.json``: room for the longest list of artifacts that is collected."""
LOG_FILE_BYTES_MAX: Final = 1 << 20
"""One log file: the wrapper cuts at 256 KB; a last long line may go over that."""
LOG_FILE_NUMBER_MAX: Final = 999_999
"""Log files have six digits."""

M = TypeVar("M", bound=BaseModel)
A = TypeVar("A", Started, Heartbeat, ResultMarker)


@dataclass(frozen=True, slots=True)
class FolderView:
    """What one look at a job folder showed. ``None`` = not there, or not readable (see ``reasons``)."""

    started: Started | None = None
    heartbeat: Heartbeat | None = None
    progress: Progress | None = None
    marker: ResultMarker | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)
    """File name → why it was there and yet not taken."""


class JobFolder:
    """Reads and writes the folder ``key`` (``jobs/user_<id>/<job>/<attempt>``, without a trailing slash).

    Raises ``ValueError`` when the key does not end in the number of an attempt.
    """

    def __init__(self, store: CloudStorageProvider, key: str) -> None:
        last = key.rsplit("/", 1)[-1]
        if not (last.isascii() and last.isdigit()):
            raise ValueError(f"{key!r} is not the folder of an attempt")
        self.key = key
        self.attempt = int(last)
        self.reasons: dict[str, str] = {}
        """File name → why the last read of it found something and yet returned ``None``."""
        self._store = store

    async def write_spec(self, spec: Spec) -> None:
        """Write ``spec.json`` whole; the same again changes nothing. Raises Unavailable."""
        await self._write(SPEC, spec)

    async def read_spec(self) -> Spec | None:
        """Return ``spec.json`` as it lies there; whose it is, the caller checks. Raises Unavailable."""
        return await self._read(SPEC, Spec, SPEC_BYTES_MAX)

    async def write_control(self, control: Control) -> None:
        """Replace ``control.json`` whole. Raises Unavailable; the machine then keeps what it read last."""
        await self._write(CONTROL, control)

    async def read_started(self) -> Started | None:
        """Return ``started.json`` of this attempt. Raises Unavailable."""
        started = await self._read(STARTED, Started, SMALL_FILE_BYTES_MAX)
        return self._of_this_attempt(STARTED, started)

    async def read_heartbeat(self) -> Heartbeat | None:
        """Return the last ``heartbeat.json`` of this attempt. Raises Unavailable."""
        heartbeat = await self._read(HEARTBEAT, Heartbeat, SMALL_FILE_BYTES_MAX)
        return self._of_this_attempt(HEARTBEAT, heartbeat)

    async def read_progress(self) -> Progress | None:
        """Return the last ``progress.json``. Raises Unavailable."""
        return await self._read(PROGRESS, Progress, SMALL_FILE_BYTES_MAX)

    async def read_marker(self) -> ResultMarker | None:
        """Return the result marker of this attempt. Raises Unavailable."""
        marker = await self._read(RESULT, ResultMarker, MARKER_BYTES_MAX)
        return self._of_this_attempt(RESULT, marker)

    async def look(self, known: FolderView | None = None, *, runs: bool = False) -> FolderView:
        """Read everything that says how far the work is. Raises Unavailable.

        What an earlier view holds and can never change (``started.json``, the marker) is not fetched again, nor is
        ``started.json`` for who knows that the work ``runs``. The marker is read last: whoever sees it also sees the
        other files as the work left them.
        """
        known = known or FolderView()
        started = known.started or (None if runs else await self.read_started())
        heartbeat = await self.read_heartbeat()
        progress = await self.read_progress()
        marker = known.marker or await self.read_marker()
        return FolderView(started, heartbeat, progress, marker, dict(self.reasons))

    async def log_file(self, number: int) -> list[LogLine] | None:
        """Return the lines of the ``number``-th log file (from 1), or ``None`` while there is no such file.

        Lines that are none are left out. Raises Unavailable.
        """
        if not 1 <= number <= LOG_FILE_NUMBER_MAX:
            return None
        name = log_key(number)
        data = await self._fetch(name, LOG_FILE_BYTES_MAX)
        if data is None:
            return [] if name in self.reasons else None
        lines = (_model_of(LogLine, line) for line in data.split(b"\n") if line.strip())
        return [line for line in lines if isinstance(line, LogLine)]

    async def count_log(self) -> tuple[int, int]:
        """Return how many log files there are, and their bytes. Raises Unavailable."""
        sizes = [info.size_bytes async for info in self._store.list(f"{self.key}/{LOG_FOLDER}/")]
        return len(sizes), sum(sizes)

    async def _write(self, name: str, body: BaseModel) -> None:
        await put_bytes(self._store, f"{self.key}/{name}", body.model_dump_json(by_alias=True).encode())

    async def _fetch(self, name: str, bytes_max: int) -> bytes | None:
        self.reasons.pop(name, None)
        try:
            return await read_small(self._store, f"{self.key}/{name}", bytes_max)
        except NotFound:
            return None
        except TooLarge as error:
            self.reasons[name] = str(error)
            return None

    async def _read(self, name: str, model: type[M], bytes_max: int) -> M | None:
        data = await self._fetch(name, bytes_max)
        if data is None:
            return None
        value = _model_of(model, data)
        if isinstance(value, str):
            self.reasons[name] = value
            return None
        return value

    def _of_this_attempt(self, name: str, value: A | None) -> A | None:
        if value is not None and value.attempt != self.attempt:
            self.reasons[name] = f"of attempt {value.attempt}, not {self.attempt}"
            return None
        return value


def _model_of(model: type[M], data: bytes) -> M | str:
    """Return the value, or why there is none."""
    try:
        value = parse_json(data)
        if not isinstance(value, dict):
            return "not a JSON object"
        return model.model_validate(_known_fields(model, value))
    except ValidationError as error:
        return f"not of the expected shape: {error.error_count()} faults"
    except ValueError as error:
        return f"not JSON: {str(error)[:80]}"


def _known_fields(model: type[BaseModel], value: dict[str, Any]) -> dict[str, Any]:
    """Drop what a newer wrapper says and this daemon does not know; ``Record`` types refuse it otherwise."""
    names = {field.alias or name for name, field in model.model_fields.items()}
    known = {name: item for name, item in value.items() if name in names}
    artifacts = known.get("artifacts")
    if model is ResultMarker and isinstance(artifacts, list):
        known["artifacts"] = [_known_fields(Artifact, a) if isinstance(a, dict) else a for a in artifacts]
    return known
