"""Setup's trial program with shorter waits: the same archive otherwise, its checksums made to fit."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator

from containers.job.build import archive_bytes
from lastcall.setup import trial_program


def hurried(program: bytes, uptime_s: float, seen_s: float) -> bytes:
    """Return ``program`` with other waits. Raises ValueError if it no longer says them as it did."""
    quick = program
    for name, usual, wanted in (
        ("UPTIME_S", trial_program.UPTIME_S, uptime_s),
        ("SEEN_S", trial_program.SEEN_S, seen_s),
    ):
        before, after = f"{name} = {usual}", f"{name} = {wanted:0{len(str(usual))}.1f}"
        if program.count(before.encode()) != 1 or len(before) != len(after):
            raise ValueError(f"the trial program does not say {before}")
        quick = quick.replace(before.encode(), after.encode())
    return archive_bytes(dict(_stored(quick)))


def _stored(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield names and contents without looking at checksums: everything is stored plainly."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for entry in archive.infolist():
            start = entry.header_offset + 30 + len(entry.filename)
            yield entry.filename, data[start : start + entry.file_size]
